"""Whom a FHIR message is about, told before it is landed: under whose keys it will lie.

The same names and the same compartments as the mapping has, so that both agree; nothing is
validated or copied, so that it costs a fraction of it. What the mapping refuses later is placed
here all the same: the bytes are there.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final, NamedTuple

from chartloom.domain.feed import Feed
from chartloom.domain.message import Part, Parts
from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir import scan
from chartloom.normalize.fhir_feed.entries import entries_of
from chartloom.normalize.fhir_feed.identity import Names
from chartloom.normalize.fhir_feed.look import Look, Needs
from chartloom.normalize.fhir_feed.types import TypeRow, read_types, shipped

_ENTRY: Final = re.compile(r"/entry/(\d+)\Z")
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
    if len(entries) > feed.limits.resources_max:  # it goes to quarantine, sealed for the site
        return Whose()
    look = Look(entries, names, types)
    everyone = {person for persons in look.persons for person in persons}
    if len(everyone) == 1:
        return Whose(everyone.pop())
    if everyone and value["resourceType"] != "Bundle":
        return Whose("" if 0 in look.mentioning else look.persons[0][0])
    return Whose("", _parts(body, value, look)) if everyone else Whose()


@cache
def _types() -> dict[str, TypeRow]:
    return read_types(shipped())


def _parts(body: bytes, value: FhirJson, look: Look) -> Parts:
    spans = {
        int(found[1]): (start, end)
        for pointer, start, end, _ in scan(body)
        if (found := _ENTRY.match(pointer))
    }
    at = [spans[n] for n in range(len(look.persons))]
    needs = Needs(look, [end - start for start, end in at])
    items = tuple(
        Part(*at[n], persons, needs.of(n, persons[0]) if len(persons) == 1 else ())
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
