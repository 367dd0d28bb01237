"""Whose chart a resource belongs in: the patient compartment, as ``types.csv`` describes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from heapq import heappop, heappush
from typing import Any

from chartloom.domain.resource import FhirJson
from chartloom.normalize.fhir_feed.identity import Names
from chartloom.normalize.fhir_feed.types import TypeRow


def _at(value: Any, path: tuple[str, ...]) -> Iterator[FhirJson]:
    """The objects at a path, through lists."""
    if isinstance(value, list):
        for item in value:
            yield from _at(item, path)
    elif isinstance(value, dict):
        if path:
            yield from _at(value.get(path[0]), path[1:])
        else:
            yield value


def patients_of(
    resource: FhirJson,
    row: TypeRow,
    names: Names,
    owners: dict[str, str],
    resolve: Callable[[str], str] = str,
) -> list[str]:
    """Source patient ids that a (rewritten) resource is about, without repetition.

    resolve: rewrites references, where the resource has those of the sender.

    owners: reference -> source patient of resources of the same message that are already placed;
    so an Observation that names only its Encounter is found too. The first element of
    ``row.elements`` that leads to a patient counts.
    """
    if row.type == "Patient":
        return [resource["id"]]
    for path in row.elements:
        found = [_patient(r, names, owners, resolve) for r in _at(resource, path)]
        known = list(dict.fromkeys(p for p in found if p))
        if known:
            return known
    return []


def _patient(
    reference: FhirJson, names: Names, owners: dict[str, str], resolve: Callable[[str], str]
) -> str:
    given = reference.get("reference", "")
    text = resolve(given) if isinstance(given, str) else ""
    if text.startswith("Patient/"):
        return str(text.removeprefix("Patient/"))
    if text:
        return owners.get(text, "")
    identifier = reference.get("identifier")
    if not isinstance(identifier, dict) or reference.get("type", "Patient") != "Patient":
        return ""
    system, value = identifier.get("system", ""), identifier.get("value")
    if isinstance(value, str) and value and isinstance(system, str):
        return names.by_identifier("Patient", system, value)
    return ""


def references_at(
    resource: FhirJson, row: TypeRow, resolve: Callable[[str], str] = str
) -> Iterator[str]:
    """The references through which ``patients_of`` may find a patient."""
    for path in row.elements:
        for reference in _at(resource, path):
            given = reference.get("reference")
            if isinstance(given, str):
                yield resolve(given)


def place_all(
    count: int, place: Callable[[int], str | None], awaits: Callable[[int], Iterable[str]]
) -> list[int]:
    """Places the resources 0 to ``count``, also through others that are themselves placed late;
    the numbers of those that cannot be placed.

    place: the name by which others are found through it ("" if none are), or None if it has to
    wait for one of those names that ``awaits`` gives. The order is that of going over all that are
    left again and again; but each is tried again only when what it waits for is there.
    """
    now, later, left = list(range(count)), list[int](), set[int]()
    waiting: dict[str, list[int]] = {}
    while now or later:
        if not now:
            now, later = later, []
        number = heappop(now)
        name = place(number)
        if name is not None:
            for other in waiting.pop(name, ()):
                if other in left:
                    left.remove(other)
                    heappush(now if other > number else later, other)
        elif number not in left:
            left.add(number)
            for wanted in awaits(number):
                waiting.setdefault(wanted, []).append(number)
    return sorted(left)
