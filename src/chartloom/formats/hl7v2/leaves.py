"""Walking over every leaf of a segment: the part of the parser where each nanosecond counts."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from chartloom.formats.hl7v2.source import HEADERS, NULL

if TYPE_CHECKING:
    from chartloom.formats.hl7v2.tree import Segment


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One non-empty leaf: the smallest piece of a message that can hold a value.

    Numbers are 1-based. start, end: byte offsets in the message. text: unescaped, ``""`` for null.
    raw: as it stands in the message (escaped).
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

    @property
    def null(self) -> bool:
        """Whether it is the HL7 null ``""``: a statement that the value is gone."""
        return self.raw == NULL

    @property
    def path(self) -> str:
        """Where it stands, as in ``PID-8``, ``PID-3[1].4``, ``PID-3[2].4.1``, ``OBX[2]-5``."""
        segment, d = self.segment, self.segment.source.delimiters
        path = f"{segment.path}-{self.field}"
        if self.field < 3 and segment.is_header:
            return path
        reps = segment.reps(self.field)
        comps = segment.components(self.field, self.rep)
        if len(comps) > 1 or (comps and d.split_subcomponent in comps[0]):
            path = f"{path}[{self.rep}].{self.comp}"
            return f"{path}.{self.sub}" if d.split_subcomponent in comps[self.comp - 1] else path
        return f"{path}[{self.rep}]" if len(reps) > 1 else path


def leaves_of(segment: Segment) -> list[Leaf]:
    """Every non-empty leaf of a segment in order; the name in front is none."""
    source, fields = segment.source, segment.fields
    at = source.base + segment.at + len(fields[0])
    out: list[Leaf] = []
    if segment.name in HEADERS and len(fields) > 1:
        # MSH-1 and MSH-2 are the delimiters themselves and are not divided.
        text = fields[1]
        out.append(Leaf(segment, 1, 1, 1, 1, at, at + 1, source.clean(text), text))
        at += 1
        if len(fields) > 2:
            if text := fields[2]:
                end = at + len(text)
                out.append(Leaf(segment, 2, 1, 1, 1, at, end, source.clean(text), text))
            _walk(segment, 3, at + len(text) + 1, out)
    else:
        _walk(segment, 1, at + 1, out)
    return out if source.identity else _in_bytes(segment, out)


def _walk(segment: Segment, first: int, at: int, out: list[Leaf]) -> None:
    """Adds the leaves from field ``first`` on, which starts at character ``at`` (plus base)."""
    source = segment.source
    d = source.delimiters
    repetition, component, subcomponent = (
        d.split_repetition,
        d.split_component,
        d.split_subcomponent,
    )
    plain, read = source.is_plain(), source.value
    add = out.append
    for number, text in enumerate(islice(segment.fields, first, None), first):
        if not text:
            at += 1
        elif repetition in text:
            for rep, part in enumerate(text.split(repetition), 1):
                _divide(segment, number, rep, part, at, out)
                at += len(part) + 1
        elif subcomponent in text:
            _divide(segment, number, 1, text, at, out)
            at += len(text) + 1
        elif component in text:
            for comp, raw in enumerate(text.split(component), 1):
                if raw:
                    end = at + len(raw)
                    add(
                        Leaf(segment, number, 1, comp, 1, at, end, raw if plain else read(raw), raw)
                    )
                    at = end + 1
                else:
                    at += 1
        else:
            end = at + len(text)
            value = text if plain else read(text)
            add(Leaf(segment, number, 1, 1, 1, at, end, value, text))
            at = end + 1


def _divide(
    segment: Segment, number: int, rep: int, repetition: str, at: int, out: list[Leaf]
) -> None:
    """Adds the leaves of one repetition that may have subcomponents."""
    source = segment.source
    d = source.delimiters
    subcomponent = d.split_subcomponent
    plain, read = source.is_plain(), source.value
    add = out.append
    for comp, text in enumerate(repetition.split(d.split_component), 1):
        if not text:
            at += 1
        elif subcomponent in text:
            for sub, raw in enumerate(text.split(subcomponent), 1):
                if raw:
                    end = at + len(raw)
                    value = raw if plain else read(raw)
                    add(Leaf(segment, number, rep, comp, sub, at, end, value, raw))
                    at = end + 1
                else:
                    at += 1
        else:
            end = at + len(text)
            value = text if plain else read(text)
            add(Leaf(segment, number, rep, comp, 1, at, end, value, text))
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
        )
        for leaf in leaves
    ]
