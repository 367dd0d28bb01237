"""Whom a FHIR message is about, told before it is landed: under whose keys it will lie.

The same names and the same compartments as the mapping has, so that both agree; nothing is
validated or copied, so that it costs a fraction of it. What the mapping refuses later is placed
here all the same: the bytes are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from chartloom.domain.feed import Feed
from chartloom.domain.message import Part, Parts
from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir import scan
from chartloom.normalize.fhir_feed.compartment import patients_of
from chartloom.normalize.fhir_feed.entries import Entry, entries_of
from chartloom.normalize.fhir_feed.identity import Names
from chartloom.normalize.fhir_feed.types import TypeRow, read_types, shipped

_ENTRY: Final = re.compile(r"/entry/(\d+)\Z")
#: Where types that are not kept name their patient.
_USUAL: Final = tuple(
    (name,) for name in ("subject", "patient", "beneficiary", "for", "individual")
)
_CODE: Final = re.compile(r"[a-z]{1,20}\Z")
_TIME: Final = re.compile(r"[0-9TZ:.+\-]{4,40}\Z")


class Whose(NamedTuple):
    """source_patient: whom it is about, "" if nobody or several; parts: if several."""

    source_patient: str = ""
    parts: Parts | None = None


def whose(body: bytes, value: Any, feed: Feed, namespace: Any, sha256: bytes) -> Whose:
    """Whom the decoded message ``value`` of ``body`` is about. Pure; never raises on any JSON."""
    if not isinstance(value, dict) or not isinstance(value.get("resourceType"), str):
        return Whose()
    types = _types()
    base_url = str(feed.options.get("base_url", ""))
    names = Names(namespace, feed.patient_namespace, sha256, types, base_url)
    entries = entries_of(value)
    look = _Look(entries, names, types)
    everyone = {person for persons in look.persons for person in persons}
    if len(everyone) == 1 or (everyone and value["resourceType"] != "Bundle"):
        return Whose(look.persons[0][0] if len(everyone) > 1 else everyone.pop())
    return Whose("", _parts(body, value, look)) if everyone else Whose()


@cache
def _types() -> dict[str, TypeRow]:
    return read_types(shipped())


class _Look:
    """Whom each entry is about, and to which of the others it refers."""

    def __init__(self, entries: list[Entry], names: Names, types: dict[str, TypeRow]) -> None:
        self._names, self._types = names, types
        self._ids = names.add(entries)
        self._owners: dict[str, str] = {}
        self._at = {self._name(e): n for n, e in enumerate(entries) if self._name(e)}
        self.entries = entries
        self.persons: list[tuple[str, ...]] = [()] * len(entries)
        waiting = list(range(len(entries)))
        while waiting:  # an entry may be placed through one that was itself placed late
            left = [n for n in waiting if not self._place(n)]
            if len(left) == len(waiting):
                break
            waiting = left

    def _resolve(self, reference: str) -> str:
        return self._names.resolve(reference)[0] or reference

    def _name(self, entry: Entry) -> str:
        kind = entry.resource.get("resourceType") if entry.resource else entry.url_type
        id = self._ids.get(entry.index)
        return f"{kind}/{id}" if id else ""

    def _place(self, number: int) -> bool:
        entry = self.entries[number]
        kind, _, id = self._name(entry).partition("/")
        if "Patient" in (kind, entry.url_type) and id:
            found = [id]
        elif entry.resource is None:
            return False
        else:
            row = self._types.get(kind)
            if row is not None and row.kind == "directory":
                return False
            if row is None or not row.elements:
                row = TypeRow(kind, "patient", _USUAL, False, "")
            found = patients_of(entry.resource, row, self._names, self._owners, self._resolve)
        if not found:
            return False
        self.persons[number] = tuple(dict.fromkeys(found))
        self._owners[f"{kind}/{id}"] = found[0]
        return True

    def needs(self, number: int) -> tuple[int, ...]:
        """Entries about nobody to which this one refers, directly or through others of them."""
        found: set[int] = set()
        waiting = [number]
        while waiting:
            resource = self.entries[waiting.pop()].resource
            for reference in _references(resource):
                other = self._at.get(self._resolve(reference))
                if other is not None and not self.persons[other] and other not in found:
                    found.add(other)
                    waiting.append(other)
        return tuple(sorted(found))


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("reference")
        if isinstance(reference, str):
            yield reference
        for child in value.values():
            yield from _references(child)
    elif isinstance(value, list):
        for child in value:
            yield from _references(child)


def _parts(body: bytes, value: FhirJson, look: _Look) -> Parts:
    spans = {
        int(found[1]): (start, end)
        for pointer, start, end, _ in scan(body)
        if (found := _ENTRY.match(pointer))
    }
    items = tuple(
        Part(*spans[n], persons, look.needs(n) if persons else ())
        for n, persons in enumerate(look.persons)
    )
    return Parts(items, _head(value), b",", b"]}", b"null")


def _head(value: FhirJson) -> bytes:
    """How an excerpt begins: what kind of Bundle it is, and of when; nothing else of the envelope,
    for links and identifiers may speak of anybody."""
    head = '{"resourceType":"Bundle"'
    for name, form in (("type", _CODE), ("timestamp", _TIME)):
        said = value.get(name)
        if isinstance(said, str) and form.match(said):
            head += f',"{name}":"{said}"'
    return f'{head},"entry":['.encode()
