"""Encounter: what the cells of a table cannot see."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.organisations import pl_reference
from chartloom.normalize.functions.times import to_datetime, to_us
from chartloom.normalize.registry import finisher, segment_function

_UNKNOWN_CLASS = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
    "code": "UNK",
    "display": "unknown",
}


@finisher("encounter")
def finish_encounter(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """FHIR needs class and status; a stay must not end before it begins."""
    if "class" not in out:
        out["class"] = dict(_UNKNOWN_CLASS)
        weak.append("class")
    period = out.get("period")
    if period and "start" in period and "end" in period:
        start, end = to_us(period["start"]), to_us(period["end"])
        if start is not None and end is not None and end < start:
            m.issue("discharge-before-admit", seg, 45)
    if m.event == "A02":
        _transferred(out, m, instance)


def _transferred(out: FhirJson, m: Msg, instance: Instance) -> None:
    """A transfer happens at EVN-6 (else EVN-2): the new place begins, the prior one ends."""
    text = instance.first("EVN", 6) or instance.first("EVN", 2)
    at = to_datetime(text.strip(), m.env.zone) if text else ""
    for item in out.get("location", ()) if at else ():
        if item.get("status") == "active":
            item.setdefault("period", {"start": at})
        elif item.get("status") == "completed":
            item.setdefault("period", {"end": at})


@segment_function("PV1.takenBack")
def taken_back(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """PV1-6 of a cancelled transfer (A12): the place to which the patient did not go after all."""
    _without_place(f[6], m, cleared)


@segment_function("PV1.pendingTakenBack")
def pending_taken_back(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """PV1-42 of a cancelled pending transfer (A26): the place that is no longer kept free."""
    _without_place(f[42], m, cleared)


def _without_place(text: str, m: Msg, cleared: list[str]) -> None:
    place = pl_reference(text.split(m.env.rep, 1)[0], m)
    if place:
        cleared.append(f"=location:{place['reference']}")
