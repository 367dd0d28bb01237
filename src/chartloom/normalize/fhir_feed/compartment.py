"""Whose chart a resource belongs in: the patient compartment, as ``types.csv`` describes it."""

from __future__ import annotations

from collections.abc import Iterator
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
    resource: FhirJson, row: TypeRow, names: Names, owners: dict[str, str]
) -> list[str]:
    """Source patient ids that a (rewritten) resource is about, without repetition.

    owners: reference -> source patient of resources of the same message that are already placed;
    so an Observation that names only its Encounter is found too. The first element of
    ``row.elements`` that leads to a patient counts.
    """
    if row.type == "Patient":
        return [resource["id"]]
    for path in row.elements:
        found = [_patient(reference, names, owners) for reference in _at(resource, path)]
        known = list(dict.fromkeys(p for p in found if p))
        if known:
            return known
    return []


def _patient(reference: FhirJson, names: Names, owners: dict[str, str]) -> str:
    text = reference.get("reference", "")
    if text.startswith("Patient/"):
        return str(text.removeprefix("Patient/"))
    if text:
        return owners.get(text, "")
    identifier = reference.get("identifier", {})
    if reference.get("type", "Patient") == "Patient" and identifier.get("value"):
        return names.by_identifier("Patient", identifier.get("system", ""), identifier["value"])
    return ""
