"""Where a resource stands in a chart: section, part, time, series, and whether it counts."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from zlib import crc32

import msgspec

from chartloom.chart.panels import RESULT_PARTS, part_of
from chartloom.chart.times import first_us
from chartloom.domain.chart import PlacedState, Section
from chartloom.domain.resource import FhirJson, ResourceState

MEDICATION_PARTS: Final = 4

_LOINC: Final = "http://loinc.org"


class Place(msgspec.Struct, frozen=True):
    """The row of one resource type.

    times: where its clinically relevant time is, best first. hidden: values of ``status`` with
    which it does not count. parts: into how many view rows its section is split, by code. series:
    it is a point in a series of comparable ones (results, doses given).
    """

    section: Section
    times: tuple[tuple[str, ...], ...] = ()
    hidden: frozenset[str] = frozenset(("entered-in-error",))
    parts: int = 1
    series: bool = False


def _at(paths: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(path.split(".")) for path in paths.split())


_WITHDRAWN = frozenset(("entered-in-error", "cancelled"))

#: Everything that has a section. A cancelled *stay* never was (A11), while cancelled appointments,
#: stopped orders and results that could not be obtained (OBX-11 = X) are facts that a reader needs.
PLACES: Final[dict[str, Place]] = {
    "Patient": Place(Section.DEMOGRAPHICS),
    "RelatedPerson": Place(Section.DEMOGRAPHICS, _at("period.start")),
    "Encounter": Place(Section.ENCOUNTERS, _at("period.start period.end"), _WITHDRAWN),
    "Condition": Place(
        Section.PROBLEMS,
        _at("onsetDateTime onsetPeriod.start recordedDate abatementDateTime"),
    ),
    "AllergyIntolerance": Place(
        Section.ALLERGIES, _at("recordedDate onsetDateTime lastOccurrence")
    ),
    "Observation": Place(
        Section.RESULTS,
        _at("effectiveDateTime effectivePeriod.start effectiveInstant issued"),
        parts=RESULT_PARTS,
        series=True,
    ),
    "MedicationRequest": Place(Section.MEDICATIONS, _at("authoredOn"), parts=MEDICATION_PARTS),
    "MedicationStatement": Place(
        Section.MEDICATIONS,
        _at("effectiveDateTime effectivePeriod.start dateAsserted"),
        parts=MEDICATION_PARTS,
    ),
    "MedicationDispense": Place(
        Section.MEDICATIONS,
        _at("whenHandedOver whenPrepared"),
        _WITHDRAWN,
        MEDICATION_PARTS,
        series=True,
    ),
    "MedicationAdministration": Place(
        Section.MEDICATIONS,
        _at("effectiveDateTime effectivePeriod.start"),
        parts=MEDICATION_PARTS,
        series=True,
    ),
    "Immunization": Place(Section.IMMUNISATIONS, _at("occurrenceDateTime recorded")),
    "DocumentReference": Place(Section.DOCUMENTS, _at("date context.period.start")),
    "Composition": Place(Section.DOCUMENTS, _at("date")),
    "Appointment": Place(Section.APPOINTMENTS, _at("start created")),
    "ServiceRequest": Place(
        Section.ORDERS, _at("authoredOn occurrenceDateTime occurrencePeriod.start")
    ),
    "DiagnosticReport": Place(
        Section.REPORTS, _at("effectiveDateTime effectivePeriod.start issued")
    ),
    "List": Place(Section.DECISIONS, _at("date")),
    "Coverage": Place(Section.COVERAGE, _at("period.start")),
    "Account": Place(Section.CHARGES, _at("servicePeriod.start")),
    "ChargeItem": Place(
        Section.CHARGES, _at("occurrenceDateTime occurrencePeriod.start enteredDate")
    ),
}

#: Types without a section still have a place in the timeline, if they carry one of these.
_NOWHERE: Final = Place(
    Section.NONE,
    _at("effectiveDateTime performedDateTime occurrenceDateTime date created"),
)


def place(state: ResourceState) -> PlacedState:
    """Where ``state`` stands. Depends on its content only."""
    resource = state.resource
    row = _NOWHERE if state.is_word_only else PLACES.get(resource["resourceType"], _NOWHERE)
    series, part = "", 0
    if row.parts > 1:
        system, code = main_code(_what(resource))
        part = _part(system, code, row.parts)
        if row.series:
            series = _series(resource["resourceType"], system, code, unit_group(resource))
    sort_us = first_us(resource, row.times)
    hidden = is_hidden(resource, row)
    return PlacedState(state, row.section, part, sort_us, series, hidden, state.labels)


def section_part(resource: FhirJson) -> tuple[Section, int]:
    """Section and part of a resource as one message tells it; its state may stand elsewhere."""
    row = PLACES.get(resource["resourceType"], _NOWHERE)
    if row.parts == 1:
        return row.section, 0
    return row.section, _part(*main_code(_what(resource)), row.parts)


def is_hidden(resource: FhirJson, row: Place) -> bool:
    """Whether it was entered in error (or a cancelled stay), so that it does not count."""
    if resource.get("status") in row.hidden:
        return True
    verification = resource.get("verificationStatus")
    return verification is not None and any(
        c.get("code") == "entered-in-error" for c in verification.get("coding", ())
    )


def main_code(concept: dict[str, Any]) -> tuple[str, str]:
    """(system, code) by which things are compared: LOINC if there, else the first code, else text.

    Order of codings is the source's; the first of a system counts.
    """
    first: tuple[str, str] | None = None
    for coding in concept.get("coding", ()):
        code = coding.get("code")
        if not code:
            continue
        system = coding.get("system", "")
        if system == _LOINC:
            return _LOINC, code
        first = first or (system, code)
    return first or ("", str(concept.get("text", "")).strip().casefold())


def unit_group(resource: FhirJson) -> str:
    """Values in one group can be drawn on one axis: same unit, letter case and blanks aside."""
    quantity = resource.get("valueQuantity")
    if not quantity:
        return ""
    return str(quantity.get("code") or quantity.get("unit") or "").replace(" ", "").casefold()


def _what(resource: FhirJson) -> dict[str, Any]:
    concept = resource.get("code") or resource.get("medicationCodeableConcept")
    if concept is None and (reference := resource.get("medicationReference")):
        concept = {"text": reference.get("reference") or reference.get("display", "")}
    return concept or {}


@lru_cache(maxsize=16_384)
def _part(system: str, code: str, parts: int) -> int:
    """By code alone, so that all units and all doses of one thing share a row."""
    if parts == RESULT_PARTS:
        return part_of(system, code)
    return crc32(f"{system}\x1f{code}".encode()) % parts


@lru_cache(maxsize=16_384)
def _series(resource_type: str, system: str, code: str, unit: str) -> str:
    """Twelve letters: short in every row and index, and the code cannot be read off it."""
    key = "\x1f".join((resource_type, system, code, unit)).encode()
    return blake2b(key, digest_size=6).hexdigest()
