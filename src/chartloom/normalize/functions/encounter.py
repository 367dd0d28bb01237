"""Encounter: what the cells of a table cannot see."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.times import to_us
from chartloom.normalize.registry import finisher

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
