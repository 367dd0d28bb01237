"""The Provenance of a message: what no table can say, and a template of what is always the same.

The headers of one sender's messages differ in little more than time and number. So a finished
Provenance is remembered as a template with *holes*: fields that one plain row reads and nothing
else. A message with the same headers otherwise gets a copy in which the holes are filled; what is
put in is checked, and the rest is valid as it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from chartloom.domain.resource import Contribution, FhirJson
from chartloom.formats.fhir import is_primitive
from chartloom.formats.hl7v2 import Segment
from chartloom.formats.hl7v2.source import NULL
from chartloom.normalize.context import Msg
from chartloom.normalize.functions.times import instant_of_us

PROVENANCE: Final = "Provenance"
#: Templates that are held; headers with more kinds of content are not worth remembering.
TEMPLATES_MAX: Final = 1024
#: Longer headers are not remembered.
LENGTH_MAX: Final = 2048

Path = tuple[str | int, ...]
#: What the headers say beside the holes.
Key = tuple[Any, ...]


class Hole(NamedTuple):
    """A header field that one plain row puts at one place."""

    segment: str
    field: int
    type: str  #: FHIR primitive type: dateTime or string
    name: str  #: the element it goes to


class Template(msgspec.Struct, frozen=True, gc=False):
    """A finished Provenance. paths: of each hole in order, of those that have a value.

    dated: the time of the event was put in because no row said one. ran: as for a remembered
    resource (:class:`~chartloom.normalize.recall.Statement`).
    """

    out: FhirJson
    paths: tuple[Path, ...]
    dated: bool
    directory: dict[str, Contribution]
    ran: tuple[tuple[int, int], ...]


class Origin:
    """What the Provenance of one message is made of."""

    __slots__ = ("directory", "holes", "key", "out", "ran", "template", "values")

    def __init__(self) -> None:
        self.out: FhirJson = {}  #: what the tables made
        self.template: Template | None = None  #: the one that fits
        self.key: Key = ()  #: of the template; () if it can have none
        self.holes: list[Hole] = []  #: those that have a value, and their values
        self.values: list[str] = []
        self.directory: dict[str, Contribution] = {}
        self.ran: tuple[tuple[int, int], ...] = ()

    def ask(
        self,
        segments: Sequence[Segment],
        fields: dict[str, tuple[int, ...]],
        holes: tuple[Hole, ...],
        m: Msg,
    ) -> bool:
        """Finds the key and the values; False if there is no template.

        fields: by header segment, all that is read of it but the holes.
        """
        parts: list[Any] = [m.env, m.tree.charset, m.event, m.special]
        length = 0
        for segment in segments:
            line, name = segment.line, segment.name
            if not line:
                return False
            read = fields.get(name)
            if read is None:
                parts.append(line)
                length += len(line)
                continue
            held = segment.fields
            count = len(held)
            parts += [name, *[held[n] if n < count else "" for n in read]]
            for hole in holes:
                if hole.segment == name:
                    text = held[hole.field] if hole.field < count else ""
                    parts.append(not text)
                    if text and not self._read(hole, text, m):
                        return False
        if length <= LENGTH_MAX:
            self.key = tuple(parts)
        return bool(self.key)

    def _read(self, hole: Hole, text: str, m: Msg) -> bool:
        """Reads what a row makes of a field; False if it is more or less than a valid value."""
        env = m.env
        if text == NULL or env.rep in text:
            return False
        if hole.type == "dateTime":
            value, complaints, _ = env.memos[m.time_slot][text]
            if complaints or value.__class__ is not str:
                return False
        else:
            value = m.leaf(text)
        self.holes.append(hole)
        self.values.append(value)
        return is_primitive(hole.type, value)

    def finished(self, id: str, targets: list[FhirJson], m: Msg, sha256: bytes) -> FhirJson:
        """What the tables made, with targets, source, agents and time of receipt."""
        feed = m.env.feed
        out: FhirJson = {"resourceType": PROVENANCE, "id": id, **self.out}
        out["target"] = targets
        out["recorded"] = instant_of_us(m.received_at_us)
        if "occurredDateTime" not in out:
            out["occurredDateTime"] = instant_of_us(m.event_us)
        out["agent"] = [{"who": {"display": feed.owner or feed.name}}, *out.get("agent", [])]
        entity = out.get("entity", [{}])[0]
        what = {**entity.get("what", {}), "identifier": _hash(sha256)}
        out["entity"] = [{**entity, "role": "source", "what": what}]
        return out

    def template_of(self, out: FhirJson) -> Template | None:
        """The template of a finished and valid Provenance; None if a hole cannot be told apart."""
        if not self.key:
            return None
        paths = []
        for hole, value in zip(self.holes, self.values, strict=True):
            found = [p for p, v in _leaves(out, ()) if v == value and p[-1] == hole.name]
            if len(found) != 1:
                return None
            paths.append(found[0])
        dated = "occurredDateTime" not in self.out
        return Template(out, tuple(paths), dated, self.directory, self.ran)

    def filled(self, id: str, targets: list[FhirJson], m: Msg, sha256: bytes) -> FhirJson:
        """A copy of the template with what this message says; what does not change is shared."""
        template = self.template
        assert template is not None
        out = template.out.copy()
        out["id"] = id
        out["target"] = targets
        out["recorded"] = instant_of_us(m.received_at_us)
        if template.dated:
            out["occurredDateTime"] = instant_of_us(m.event_us)
        entity = out["entity"][0].copy()
        entity["what"] = {**entity["what"], "identifier": _hash(sha256)}
        out["entity"] = [entity]
        for path, value in zip(template.paths, self.values, strict=True):
            at: Any = out
            for step in path[:-1]:
                inner = at[step].copy()
                at[step] = inner
                at = inner
            at[path[-1]] = value
        return out


def _hash(sha256: bytes) -> FhirJson:
    return {"value": f"urn:sha256:{sha256.hex()}"}


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, (*path, key))
    else:
        yield path, value
