"""Finding people, and what a list shows of each. No name or number ever stands in a URL."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from chartloom.chart.shape_admin import patient
from chartloom.domain.grant import Grant
from chartloom.domain.resource import ResourceState
from chartloom.domain.store import SearchHit
from chartloom.serve.console import Console

FIELDS = {
    "any": "Anything",
    "identifier": "Identifier",
    "family": "Family name",
    "birthdate": "Birth date",
}
_HITS_MAX = 50
_RECENT_MAX = 20
#: Nobody has this id.
NOBODY = "-"
_OUR_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|-", re.IGNORECASE)
_DAY_FIRST = re.compile(r"(\d{1,2})[./](\d{1,2})[./](\d{4})\Z")


class PersonRow(msgspec.Struct, frozen=True):
    """One person in a list."""

    id: str
    records: int  #: source patients joined in this person
    demographics: dict[str, Any]  #: of the newest record; empty if none was sent
    said_us: int
    source_patients: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As the newest record says it."""
        return str(self.demographics.get("name") or "No name sent")


def find(grant: Grant, console: Console, field: str, value: str) -> list[PersonRow]:
    """Persons by one search field (a key of :data:`FIELDS`)."""
    field = field if field in FIELDS else "any"
    if not value:
        return []
    value = iso_day(value)
    return rows(grant, console, console.store.find_persons(grant, field, value, _HITS_MAX))


def is_our_id(typed: str) -> bool:
    """Whether it has the form of an id of ours: that of a person or a source patient."""
    return _OUR_ID.fullmatch(typed) is not None


def meant(console: Console, typed: str) -> str:
    """The id of the one person for whom somebody typed this: an id of ours, or any identifier. Of
    nobody if there is none, or there are several: then the answer is as for what is not there.

    Nothing is decided by this. Whoever shows anything asks the door about the person found.
    """
    if not typed or is_our_id(typed):
        return typed
    hits = console.store.find_persons(console.authority.gatherer.grant(), "identifier", typed, 2)
    return hits[0].source_patients[0] if len(hits) == 1 else NOBODY


def find_and_recent(
    grant: Grant, console: Console, field: str, value: str
) -> tuple[list[PersonRow], list[PersonRow]]:
    """What was searched for, and whose chart changed last."""
    return find(grant, console, field, value), recent(grant, console)


def patients_in(rows: list[PersonRow]) -> list[str]:
    """The source patients of the rows, for the record."""
    return [p for row in rows for p in row.source_patients]


def recent(grant: Grant, console: Console) -> list[PersonRow]:
    """Persons whose chart changed last."""
    return rows(grant, console, console.store.recent_persons(grant, _RECENT_MAX))


def rows(grant: Grant, console: Console, hits: list[SearchHit]) -> list[PersonRow]:
    """Adds demographics to hits, with one read for all (a Patient's id is its source patient's)."""
    wanted = [p for hit in hits for p in hit.source_patients]
    states = console.store.states(grant, wanted) if wanted else {}
    return [_row(hit, states) for hit in hits]


def about(grant: Grant, console: Console, source_patients: Sequence[str]) -> PersonRow:
    """Who that is, as far as the grant opens it."""
    person = SearchHit(source_patients[0], tuple(source_patients))
    return rows(grant, console, [person])[0]


def _row(hit: SearchHit, states: dict[str, ResourceState]) -> PersonRow:
    held = [states[p] for p in hit.source_patients if p in states]
    newest = max(held, key=_said_us, default=None)
    if newest is None or newest.type != "Patient":
        return PersonRow(hit.person_id, len(hit.source_patients), {}, 0, hit.source_patients)
    return PersonRow(
        hit.person_id,
        len(hit.source_patients),
        patient(newest.resource),
        _said_us(newest),
        hit.source_patients,
    )


def _said_us(state: ResourceState) -> int:
    return max((s.event_us for s in state.stamps.values()), default=0)


def iso_day(value: str) -> str:
    """``24.12.1970`` as it is stored: ``1970-12-24``; anything else unchanged."""
    match = _DAY_FIRST.match(value)
    return f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}" if match else value
