"""Walking over every leaf of a segment: the part of the parser where each nanosecond counts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from chartloom.formats.hl7v2.source import NULL

if TYPE_CHECKING:
    from chartloom.formats.hl7v2.tree import Segment

#: ``Leaf.depth``: how far the sender divided the field.
FIELD, REPETITION, COMPONENT, SUBCOMPONENT = 0, 1, 2, 3


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One non-empty leaf: the smallest piece of a message that can hold a value.

    Numbers are 1-based. start, end: byte offsets in the message. text: unescaped, ``""`` for null.
    raw: as it stands in the message (escaped). depth: 0 if the leaf is a whole field, 1 a whole
    repetition, 2 a whole component, 3 a subcomponent.
    """

    segment: Segment
    field: int
    rep: int
    comp: int
    sub: int
    start: int
    end: int
    text: str
    raw: str
    depth: int

    @property
    def null(self) -> bool:
        """Whether it is the HL7 null ``""``: a statement that the value is gone."""
        return self.raw == NULL

    @property
    def path(self) -> str:
        """Where it stands, as in ``PID-8``, ``PID-3[1].4``, ``PID-3[2].4.1``, ``OBX[2]-5``."""
        path = f"{self.segment.path}-{self.field}"
        depth = self.depth
        if depth == FIELD:
            return path
        if depth == REPETITION:
            return f"{path}[{self.rep}]"
        if depth == COMPONENT:
            return f"{path}[{self.rep}].{self.comp}"
        return f"{path}[{self.rep}].{self.comp}.{self.sub}"


def leaves_of(segment: Segment) -> list[Leaf]:
    """Every non-empty leaf of a segment in order; the name in front is none."""
    source, fields = segment.source, segment.fields
    at = source.base + segment.at + len(fields[0])
    out: list[Leaf] = []
    if segment.is_header:  # MSH-1 and MSH-2 are the delimiters themselves and are not divided
        out.append(Leaf(segment, 1, 1, 1, 1, at, at + 1, fields[1], fields[1], FIELD))
        at += 1
        if len(fields) > 2:
            if text := fields[2]:
                out.append(Leaf(segment, 2, 1, 1, 1, at, at + len(text), text, text, FIELD))
            _walk(segment, 3, at + len(text) + 1, out)
    else:
        _walk(segment, 1, at + 1, out)
    return out if source.identity else _in_bytes(segment, out)


def _walk(segment: Segment, first: int, at: int, out: list[Leaf]) -> None:
    """Adds the leaves from field ``first`` on, which starts at character ``at`` (plus base)."""
    source = segment.source
    d = source.delimiters
    component = d.split_component
    fields = segment.fields if first == 1 else segment.fields[2:]
    whole = d.field.join(fields)
    deep = d.split_repetition in whole or d.split_subcomponent in whole
    special = d.split_escape in whole or source.tainted or NULL in whole
    add = out.append
    number = first - 1
    for text in islice(fields, 1, None):
        number += 1
        if not text:
            at += 1
        elif deep and (d.split_repetition in text or d.split_subcomponent in text):
            _divide(segment, number, text, at, out)
            at += len(text) + 1
        elif component in text:
            comp = 0
            for raw in text.split(component):
                comp += 1
                if raw:
                    end = at + len(raw)
                    value = source.value(raw) if special else raw
                    add(Leaf(segment, number, 1, comp, 1, at, end, value, raw, COMPONENT))
                    at = end
                at += 1
        else:
            end = at + len(text)
            value = source.value(text) if special else text
            add(Leaf(segment, number, 1, 1, 1, at, end, value, text, FIELD))
            at = end + 1


def _divide(segment: Segment, number: int, field: str, at: int, out: list[Leaf]) -> None:
    """Adds the leaves of one field that has repetitions or subcomponents."""
    source = segment.source
    d = source.delimiters
    component, subcomponent = d.split_component, d.split_subcomponent
    special = d.split_escape in field or source.tainted or NULL in field
    add = out.append
    reps = field.split(d.split_repetition)
    shallow = REPETITION if len(reps) > 1 else FIELD
    rep = 0
    for repetition in reps:
        rep += 1
        comps = repetition.split(component)
        depth = COMPONENT if len(comps) > 1 else shallow
        comp = 0
        for text in comps:
            comp += 1
            if not text:
                at += 1
            elif subcomponent in text:
                sub = 0
                for raw in text.split(subcomponent):
                    sub += 1
                    if raw:
                        end = at + len(raw)
                        value = source.value(raw) if special else raw
                        add(Leaf(segment, number, rep, comp, sub, at, end, value, raw, 3))
                        at = end
                    at += 1
            else:
                end = at + len(text)
                value = source.value(text) if special else text
                add(Leaf(segment, number, rep, comp, 1, at, end, value, text, depth))
                at = end + 1


def _in_bytes(segment: Segment, leaves: list[Leaf]) -> list[Leaf]:
    """The same leaves with byte offsets in place of character offsets."""
    base, byte_at = segment.source.base, segment.source.byte_at
    return [
        Leaf(
            segment,
            leaf.field,
            leaf.rep,
            leaf.comp,
            leaf.sub,
            byte_at(leaf.start - base),
            byte_at(leaf.end - base),
            leaf.text,
            leaf.raw,
            leaf.depth,
        )
        for leaf in leaves
    ]
