"""DiagnosticReport, ServiceRequest and resources alike: elements that FHIR demands."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.registry import finisher

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


@finisher("code")
def finish_code(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """A missing ``code`` is said to be unknown."""
    if "code" not in out:
        out["code"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
        weak.append("code")
        m.issue("element-missing", seg, 0, 0, f"{out['resourceType']}.code")


@finisher("effective")
def finish_effective(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """effective[x] is one element: a period swallows the time it begins with."""
    if "effectivePeriod" in out:
        start = out.pop("effectiveDateTime", None)
        if start and "start" not in out["effectivePeriod"]:
            out["effectivePeriod"] = {"start": start, **out["effectivePeriod"]}


@finisher("payor")
def finish_payor(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """Coverage needs a payor."""
    if "payor" not in out:
        out["payor"] = [{"display": "unknown"}]
        weak.append("payor")
        m.issue("element-missing", seg, 4, 0, "Coverage.payor")
