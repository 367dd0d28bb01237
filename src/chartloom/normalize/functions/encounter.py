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
    if instance.refs("diagnosis") and (listed := _diagnoses(instance)):
        out["diagnosis"] = listed
    if "location" in out and (place := _PLACES.get(m.event)):
        place(out, m, instance)


#: DG1-6 -> FHIR's role of a diagnosis in a stay. A working diagnosis (W) has none.
_DIAGNOSIS_ROLES = {"A": ("AD", "Admission diagnosis"), "F": ("DD", "Discharge diagnosis")}
_DIAGNOSIS_ROLE = "http://terminology.hl7.org/CodeSystem/diagnosis-role"


def _diagnoses(instance: Instance) -> list[FhirJson]:
    """The DG1 beside a visit, but for those that are taken back."""
    found = []
    for reference, seg in instance.beside("diagnosis", "DG1"):
        if seg.value(21) == "D":
            continue
        item: FhirJson = {"condition": {"reference": reference}}
        if name := seg.value(3, 1, 2) or seg.value(4) or seg.value(3):
            item["condition"]["display"] = name
        if role := _DIAGNOSIS_ROLES.get(seg.value(6)):
            coding = {"system": _DIAGNOSIS_ROLE, "code": role[0], "display": role[1]}
            item["use"] = {"coding": [coding]}
        rank = seg.value(15)
        if rank.isascii() and rank.isdigit() and 0 < int(rank[:9]) < 1000:
            item["rank"] = int(rank[:9])
        found.append(item)
    return found


def _happened(m: Msg, instance: Instance) -> str:
    """When the event took place: EVN-6, else when it was recorded (EVN-2)."""
    text = instance.first("EVN", 6) or instance.first("EVN", 2)
    return to_datetime(text.strip(), m.env.zone) if text else ""


def _transferred(out: FhirJson, m: Msg, instance: Instance) -> None:
    """A transfer: the new place begins, the prior one ends."""
    at = _happened(m, instance)
    for item in out["location"] if at else ():
        if item.get("status") == "active":
            item.setdefault("period", {"start": at})
        elif item.get("status") == "completed":
            item.setdefault("period", {"end": at})


def _changed_class(out: FhirJson, m: Msg, instance: Instance) -> None:
    """A06, A07: a transfer only if they name the place that was left."""
    if instance.first("PV1", 6):
        _transferred(out, m, instance)


def _admitted(out: FhirJson, m: Msg, instance: Instance) -> None:
    """The first place of a stay begins with the stay."""
    start = out.get("period", {}).get("start")
    if start and instance.first("PV1", 3):
        out["location"][0].setdefault("period", {"start": start})


def _discharged(out: FhirJson, m: Msg, instance: Instance) -> None:
    """The last place of a stay ends with the stay; it comes first, being read from PV1-3."""
    end = out.get("period", {}).get("end") or _happened(m, instance)
    if end and instance.first("PV1", 3):
        out["location"][0].setdefault("period", {"end": end})


#: What an event says about the time at a place.
_PLACES = {
    "A01": _admitted,
    "A02": _transferred,
    "A03": _discharged,
    "A04": _admitted,
    "A06": _changed_class,
    "A07": _changed_class,
}


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


@segment_function("PV1.neverTaken")
def never_taken(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """PV1-3 of a cancelled admission (A11): the place at which nobody stayed after all."""
    _without_place(f[3], m, cleared)


@segment_function("PV1.stillThere")
def still_there(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """PV1-3 of somebody who is (again) where they were: an end that was told earlier is gone."""
    if place := _place(f[3], m):
        cleared.append(f"=location.period.end:{place}")


def _place(text: str, m: Msg) -> str:
    place = pl_reference(text.split(m.env.rep, 1)[0], m)
    return str(place["reference"]) if place else ""


def _without_place(text: str, m: Msg, cleared: list[str]) -> None:
    if place := _place(text, m):
        cleared.append(f"=location:{place}")
