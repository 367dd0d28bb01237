"""Charges: money, transaction numbers; and named things that have no record of their own."""

from __future__ import annotations

import re

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg, Sink
from chartloom.normalize.functions.numbers import number
from chartloom.normalize.registry import datatype, finisher

_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)
_ORIGINAL = "http://hl7.org/fhir/StructureDefinition/originalText"


@datatype(
    "CP.Money",
    {"1": "value", "1.2": "currency"},
    {
        "2": "kind of price",
        "3": "range of the price",
        "4": "range of the price",
        "5": "unit of the range",
        "6": "kind of the range",
    },
)
def cp_money(x: str, s: Sink) -> FhirJson | None:
    """CP, MO -> Money. A currency that is no ISO 4217 code is kept as text."""
    first = x.split(s.env.comp, 1)[0]
    said, _, currency = first.partition(s.env.sub)
    said, currency = s.leaf(said), s.leaf(currency)
    value = number(said)
    if value is None:
        if said:
            s.complain("number-invalid")
            return {"extension": [{"url": _ORIGINAL, "valueString": said}]}
        return None
    out: FhirJson = {"value": value}
    if _CURRENCY.fullmatch(currency):
        out["currency"] = currency
    elif currency:
        out["extension"] = [{"url": _ORIGINAL, "valueString": currency}]
    return out


@datatype("ST.plainIdentifier", {"1": "value"})
def st_plain_identifier(x: str, s: Sink) -> FhirJson | None:
    """Text or CX -> Identifier that has only a value."""
    value = s.leaf(x.split(s.env.comp, 1)[0])
    return {"value": value} if value else None


@datatype(
    "CWE.named",
    {"1": "identifier.value", "2": "display", "9": "display"},
    {
        "3": "coding system of the name",
    },
)
def cwe_named(x: str, s: Sink) -> FhirJson | None:
    """CWE -> logical reference to something that has no record of its own (rooms, equipment)."""
    c = [s.leaf(p) for p in x.split(s.env.comp)] + [""] * 9
    if not c[0] and not c[1]:
        return None
    out: FhirJson = {}
    if c[0]:
        out["identifier"] = {"value": c[0]}
    out["display"] = c[8] or c[1] or c[0]
    return out


@finisher("charge")
def finish_charge(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """An item must say what it is for; a negative quantity takes a charge back."""
    if "code" not in out:
        items = [e for e in out.get("extension", ()) if "valueCodeableConcept" in e]
        procedure = next((e for e in items if e["url"].endswith(":procedure")), None)
        out["code"] = procedure["valueCodeableConcept"] if procedure else {"text": "not stated"}
        weak.append("code")
        m.issue("element-missing", seg, 7, 0, "ChargeItem.code")


@finisher("problem")
def finish_problem(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """A resolved problem is not active (con-4); an erroneous one has no clinical status (con-5)."""
    system = "http://terminology.hl7.org/CodeSystem/condition-"
    verification = {c.get("code") for c in out.get("verificationStatus", {}).get("coding", ())}
    if "entered-in-error" in verification:
        out.pop("clinicalStatus", None)
        return
    clinical = {c.get("code") for c in out.get("clinicalStatus", {}).get("coding", ())}
    ended = "abatementDateTime" in out
    if ended and not clinical & {"resolved", "remission", "inactive"}:
        resolved = {"system": f"{system}clinical", "code": "resolved", "display": "Resolved"}
        known = [
            c for c in out.get("clinicalStatus", {}).get("coding", ()) if c["code"] != "active"
        ]
        out["clinicalStatus"] = {"coding": [resolved, *known]}
    elif not clinical:
        active = {"system": f"{system}clinical", "code": "active", "display": "Active"}
        out["clinicalStatus"] = {"coding": [active]}
        weak.append("clinicalStatus")
