"""As whom somebody of the staff may stand in a Consent: their records, the houses around them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from chartloom.domain.resource import FhirJson
from chartloom.guard.consent import Asking
from chartloom.guard.staff import Principal

_HOUSES: Final = frozenset({"Location", "Organization"})
_PERSON: Final = frozenset({"Practitioner"})
#: What a place or a house belongs to.
_ABOVE: Final = ("partOf", "managingOrganization")


def asking_of(principal: Principal, directory: Sequence[FhirJson]) -> Asking:
    """principal: with ids of directory resources (``staff.resolve``).

    Whoever works in a ward works in the hospital that it is part of. Two records of practitioners
    with a number in common may be one person: they are believed to be for what is denied, and for
    nothing that is permitted.
    """
    told = (_PERSON if principal.practitioners else frozenset()) | (
        _HOUSES if principal.departments else frozenset()
    )
    above = {r["id"]: list(_houses_of(r)) for r in directory}
    return Asking(
        ids=principal.practitioners | _upwards(principal.departments, above),
        perhaps=_same_numbers(principal.practitioners, directory),
        told=told,
        known=frozenset(r["id"] for r in directory),
    )


def _houses_of(place: FhirJson) -> Iterable[str]:
    for name in _ABOVE:
        reference = place.get(name, {}).get("reference", "")
        if reference:
            yield reference.rpartition("/")[2]


def _upwards(ids: Iterable[str], above: dict[str, list[str]]) -> frozenset[str]:
    found: set[str] = set()
    waiting = list(ids)
    while waiting:
        id = waiting.pop()
        if id not in found:
            found.add(id)
            waiting += above.get(id, ())
    return frozenset(found)


def _same_numbers(mine: frozenset[str], directory: Sequence[FhirJson]) -> frozenset[str]:
    """Practitioners that share a number of a system with these, or with one who does."""
    numbers = {
        r["id"]: {(i["system"], i["value"]) for i in r.get("identifier", ()) if _whole(i)}
        for r in directory
        if r["resourceType"] == "Practitioner"
    }
    found, seen = set(mine), set[tuple[str, str]]()
    while True:
        seen = seen.union(*(numbers.get(id, set()) for id in found))
        more = {id for id, own in numbers.items() if not own.isdisjoint(seen)} - found
        if not more:
            return frozenset(found - mine)
        found |= more


def _whole(identifier: FhirJson) -> bool:
    return bool(identifier.get("system")) and bool(identifier.get("value"))
