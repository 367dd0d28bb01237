"""Whom each entry of a message is about, and which entries about nobody explain it.

What is in no patient's compartment (a ward's list, a group, the header of a message) is about
everybody whom it names anywhere, so that it is sealed with their keys and told to no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from chartloom.normalize.fhir_feed.compartment import patients_of, place_all, references_at
from chartloom.normalize.fhir_feed.entries import Entry
from chartloom.normalize.fhir_feed.identity import Names, first_identifier
from chartloom.normalize.fhir_feed.types import TypeRow

#: Where types that are not kept name their patient.
_USUAL: Final = tuple(
    (name,) for name in ("subject", "patient", "beneficiary", "for", "individual")
)
#: A patient, on whatever server.
_PATIENT: Final = re.compile(r"(?:\A|/)Patient[/?].")
_REFERENCE_LENGTH_MAX: Final = 512
#: Of more persons than these no key is asked: the entry is sealed for the site.
_MENTIONED_MAX: Final = 64
#: What needs more than this is explained by nothing; so excerpts stay in proportion to messages.
_NEEDED_MAX: Final = 64
_NEEDED_BYTES_MAX: Final = 256 * 1024
_NEEDED_IN_ALL_BYTES_MAX: Final = 16 * 1024 * 1024


class Look:
    """persons: by number of entry. mentioning: entries in no compartment that name patients."""

    def __init__(self, entries: list[Entry], names: Names, types: dict[str, TypeRow]) -> None:
        self._names, self._types = names, types
        self._ids = names.add(entries)
        self._owners: dict[str, str] = {}
        self._at = {name: n for n, e in enumerate(entries) if (name := self._name(e))}
        self.entries = entries
        self.persons: list[tuple[str, ...]] = [()] * len(entries)
        self.mentioning: set[int] = set()
        placed: dict[int, tuple[str, ...]] = {}
        for number in place_all(len(entries), self._place, self._awaits):
            if (found := self._mentioned(entries[number].resource)) is not None:
                self.mentioning.add(number)
                placed[number] = tuple(found) if len(found) <= _MENTIONED_MAX else ()
        for number, persons in placed.items():
            self.persons[number] = persons

    def _resolve(self, reference: str) -> str:
        return self._names.resolve(reference)[0] or reference

    def _name(self, entry: Entry) -> str:
        kind = entry.resource.get("resourceType") if entry.resource else entry.url_type
        id = self._ids.get(entry.index)
        return f"{kind}/{id}" if id else ""

    def _row(self, entry: Entry) -> TypeRow | None:
        """Where an entry names its patient; None if it is about the hospital."""
        kind = self._name(entry).partition("/")[0]
        row = self._types.get(kind)
        if row is not None and row.kind == "directory":
            return None
        if row is None or not row.elements:
            return TypeRow(kind, "patient", _USUAL, False, "")
        return row

    def _place(self, number: int) -> str | None:
        entry = self.entries[number]
        kind, _, id = self._name(entry).partition("/")
        if "Patient" in (kind, entry.url_type) and id:
            found = [id]
        elif entry.resource is None or (row := self._row(entry)) is None:
            return None
        else:
            found = patients_of(entry.resource, row, self._names, self._owners, self._resolve)
        if not found:
            return None
        self.persons[number] = tuple(dict.fromkeys(found))
        name = f"{kind}/{id}"
        self._owners[name] = found[0]
        return name

    def _awaits(self, number: int) -> Iterator[str]:
        entry = self.entries[number]
        row = self._row(entry)
        if entry.resource is not None and row is not None:
            yield from references_at(entry.resource, row, self._resolve)

    def _mentioned(self, resource: Any) -> dict[str, None] | None:
        """The persons whom a resource names anywhere, themselves or by what is about them; None if
        it names no patient. Empty if it names some, but none that has a name here."""
        found: dict[str, None] = {}
        named = False
        waiting = [resource]
        while waiting:
            value = waiting.pop()
            if isinstance(value, list):
                waiting += value
            elif isinstance(value, dict):
                named |= "Patient" in (value.get("type"), value.get("resourceType"))
                if person := self._identified(value):
                    found[person] = None
                waiting += value.values()
            elif isinstance(value, str) and len(value) <= _REFERENCE_LENGTH_MAX:
                found.update(dict.fromkeys(self._named_by(value)))
                named = named or _PATIENT.search(value) is not None
        return found if found or named else None

    def _named_by(self, text: str) -> tuple[str, ...]:
        name = self._names.resolve(text)[0]
        if name.startswith("Patient/"):
            return (name.removeprefix("Patient/"),)
        at = self._at.get(name) if name else None
        return () if at is None else self.persons[at]

    def _identified(self, value: dict[str, Any]) -> str:
        """Whom a logical reference, or a patient within a resource, names by an identifier."""
        if "Patient" not in (value.get("type"), value.get("resourceType")):
            return ""
        identifier = first_identifier(value)
        return self._names.by_identifier("Patient", *identifier) if identifier else ""

    def explaining(self, number: int) -> frozenset[int]:
        """Entries that name no patient to which this one refers."""
        refers = (self._at.get(self._resolve(r)) for r in _references(self.entries[number]))
        return frozenset(
            n for n in refers if n is not None and not self.persons[n] and n not in self.mentioning
        )


def _references(entry: Entry) -> Iterator[str]:
    waiting: list[Any] = [entry.resource]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            if isinstance(reference := value.get("reference"), str):
                yield reference
            waiting += value.values()


class Needs:
    """Without which entries about nobody an entry cannot be understood; within bounds."""

    def __init__(self, look: Look, sizes_bytes: list[int]) -> None:
        self._look, self._sizes = look, sizes_bytes
        self._direct: dict[int, frozenset[int]] = {}
        self._all: dict[int, frozenset[int] | None] = {}
        self._given: set[tuple[str, int]] = set()
        self._left_bytes = _NEEDED_IN_ALL_BYTES_MAX

    def of(self, number: int, person: str) -> tuple[int, ...]:
        """What this entry about one person needs, directly or through others; nothing if that is
        too much."""
        found: set[int] = set()
        for other in self._of_one(number):
            if (more := self._closure(other)) is None:
                return ()
            found |= more
            if len(found) > _NEEDED_MAX:
                return ()
        if sum(self._sizes[n] for n in found) > _NEEDED_BYTES_MAX:
            return ()
        new = [(person, n) for n in found if (person, n) not in self._given]
        size = sum(self._sizes[n] for _, n in new)
        if size > self._left_bytes:
            return ()
        self._left_bytes -= size
        self._given.update(new)
        return tuple(sorted(found))

    def _of_one(self, number: int) -> frozenset[int]:
        known = self._direct.get(number)
        if known is None:
            known = self._direct[number] = self._look.explaining(number)
        return known

    def _closure(self, number: int) -> frozenset[int] | None:
        """An entry about nobody and all that it needs; None if those are too many."""
        if number in self._all:
            return self._all[number]
        found, waiting = {number}, [number]
        while waiting and len(found) <= _NEEDED_MAX:
            new = self._of_one(waiting.pop()) - found
            found |= new
            waiting += new
        result = None if len(found) > _NEEDED_MAX else frozenset(found)
        self._all[number] = result
        return result
