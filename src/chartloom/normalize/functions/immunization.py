"""Immunization: what OBX says about a dose (VIS, eligibility, funding, series); places (LA2)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg, Prim, Sink
from chartloom.normalize.functions.codes import cwe_codeable
from chartloom.normalize.functions.organisations import pl_reference
from chartloom.normalize.functions.times import dtm_datetime
from chartloom.normalize.registry import datatype, finisher, segment_function

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_OBSERVATION = "urn:chartloom:extension:vaccine-observation"
#: LOINC codes that US registries use in VXU (CDC implementation guide) -> element.
_ELIGIBILITY, _FUNDING = "64994-7", "30963-3"
_DOCUMENT = frozenset({"69764-9", "30956-7", "38890-0"})
_PUBLISHED, _PRESENTED = "29768-9", "29769-7"
_DOSE, _SERIES, _SERIES_DOSES = "30973-2", "59779-9", "59782-3"
_DISEASE = "59784-9"


@segment_function("OBX.aboutVaccine")
def obx_about_vaccine(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-3 and OBX-5 of a dose: the element that the code names, else an extension."""
    text = f[5].split(m.env.rep, 1)[0]
    if not text or text == '""':
        return
    code = cwe_codeable(f[3], m, None) if f[3] else None
    codes = {c.get("code", "") for c in (code or {}).get("coding", ())}
    kind = m.part(f[2], 1).upper()
    if not _known(codes, kind, text, f, m, out):
        _keep(code, kind, text, m, out)
    if m.bad:
        m.flush(seg, 5)


@segment_function("OBX.vaccineFact")
def obx_vaccine_fact(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-3: decides where OBX-5 goes, which is read together with it."""


def _known(codes: set[str], kind: str, text: str, f: list[str], m: Msg, out: FhirJson) -> bool:
    if _ELIGIBILITY in codes and (concept := cwe_codeable(text, m, None)):
        out.setdefault("programEligibility", []).append(concept)
    elif _FUNDING in codes and (concept := cwe_codeable(text, m, None)):
        out["fundingSource"] = concept
    elif codes & _DOCUMENT and (concept := cwe_codeable(text, m, None)):
        _education(f, m, out)["documentType"] = _shown(concept)
    elif _PUBLISHED in codes and (when := _time(text, m)):
        _education(f, m, out)["publicationDate"] = when
    elif _PRESENTED in codes and (when := _time(text, m)):
        _education(f, m, out)["presentationDate"] = when
    elif _DISEASE in codes and (concept := cwe_codeable(text, m, None)):
        _protocol(out).setdefault("targetDisease", []).append(concept)
    elif _SERIES in codes:
        concept = cwe_codeable(text, m, None) or {}
        _protocol(out)["series"] = _shown(concept) or m.leaf(text)
    elif _DOSE in codes or _SERIES_DOSES in codes:
        return _number("doseNumber" if _DOSE in codes else "seriesDoses", text, m, out)
    else:
        return False
    return True


def _number(name: str, text: str, m: Msg, out: FhirJson) -> bool:
    said = m.leaf(text.split(m.env.comp, 1)[0])
    if said.isdigit() and 0 < int(said) < 1000:
        _protocol(out)[f"{name}PositiveInt"] = int(said)
    elif said:
        _protocol(out)[f"{name}String"] = said
    return bool(said)


def _time(text: str, m: Msg) -> str:
    value = dtm_datetime(text, m)
    return value if isinstance(value, str) else ""


def _shown(concept: FhirJson) -> str:
    first = (concept.get("coding") or [{}])[0]
    return str(concept.get("text") or first.get("display") or first.get("code") or "")


def _education(f: list[str], m: Msg, out: FhirJson) -> FhirJson:
    """The education item of an OBX-4 group."""
    group = m.leaf(f[4])
    items: list[FhirJson] = out.setdefault("education", [])
    for item in items:
        if item["_group"] == group:
            return item
    items.append({"_group": group})
    return items[-1]


def _protocol(out: FhirJson) -> FhirJson:
    result: FhirJson = out.setdefault("protocolApplied", [{}])[0]
    return result


def _keep(code: FhirJson | None, kind: str, text: str, m: Msg, out: FhirJson) -> None:
    """What has no element of its own, with its code."""
    parts: list[FhirJson] = []
    if code:
        parts.append({"url": "code", "valueCodeableConcept": code})
    value: Any = None
    if kind in ("CE", "CWE", "CNE", "CF", "IS", "ID"):
        value = cwe_codeable(text, m, None)
        name = "valueCodeableConcept"
    elif kind in ("DT", "TS", "DTM"):
        found = dtm_datetime(text, m)
        value = None if isinstance(found, Prim) else found
        name = "valueDateTime"
    if value is None:
        words = [m.leaf(p) for p in text.split(m.env.comp)]
        value, name = " ".join(w for w in words if w), "valueString"
    if value:
        parts.append({"url": "value", name: value})
    if parts:
        out.setdefault("extension", []).append({"url": _OBSERVATION, "extension": parts})


@finisher("immunization")
def finish_immunization(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """FHIR needs code and time; an information statement needs its type; a refusal has no dose."""
    for item in out.get("education", ()):
        item.pop("_group", None)
        if "documentType" not in item:
            item["documentType"] = "not stated"
    _finish_protocol(out)
    if "vaccineCode" not in out:
        out["vaccineCode"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
        weak.append("vaccineCode")
        m.issue("element-missing", seg, 5, 0, "Immunization.vaccineCode")
    if "occurrenceDateTime" not in out and "_occurrenceDateTime" not in out:
        out["_occurrenceDateTime"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
        weak.append("occurrenceDateTime")
        m.issue("element-missing", seg, 3, 0, "Immunization.occurrence")
    if out.get("status") == "not-done":
        out.pop("doseQuantity", None)


def _finish_protocol(out: FhirJson) -> None:
    for item in out.get("protocolApplied", ()):
        if "doseNumberPositiveInt" not in item and "doseNumberString" not in item:
            item["_doseNumberString"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}


# -- places as VXU and pharmacy messages write them

_LA = {str(n): "" for n in range(1, 17)}


@datatype("LA.string", _LA)
def la_string(x: str, s: Sink) -> str | None:
    """LA1, LA2 -> the place as one line of text."""
    words = [s.leaf(p.replace(s.env.sub, " ")) for p in x.split(s.env.comp)]
    return ", ".join(w for w in words if w) or None


@datatype(
    "LA.Location",
    {str(n): "" for n in range(1, 9)},
    {
        "9": "address of the place: kept with the place's own records",
        **{
            str(n): "address of the place: kept with the place's own records" for n in range(10, 17)
        },
    },
)
def la_location(x: str, s: Sink) -> FhirJson | None:
    """LA2 -> Reference(Location); its first eight components are those of PL."""
    result: FhirJson | None = pl_reference(s.env.comp.join(x.split(s.env.comp)[:8]), s)
    return result


@datatype("CQ.text", {"1": "", "2": ""})
def cq_text(x: str, s: Sink) -> str | None:
    """CQ -> amount and unit as text."""
    words = [s.leaf(p.replace(s.env.sub, " ")) for p in x.split(s.env.comp)]
    return " ".join(w for w in words if w) or None


_SUPPLY = ("day", "days", "d")


@datatype("ST.daysSupply")
def st_days_supply(x: str, s: Sink) -> FhirJson | None:
    """``Supply for 30 days`` in a dispense note -> Duration; other notes stay notes."""
    words = s.leaf(x).lower().replace(".", " ").split()
    for number, unit in pairwise(words):
        if number.isdigit() and unit in _SUPPLY and "supply" in words:
            days = {"unit": "d", "system": "http://unitsofmeasure.org", "code": "d"}
            return {"value": int(number), **days}
    return None


@datatype("RXD.note")
def rxd_note(x: str, s: Sink) -> FhirJson | None:
    """RXD-9 -> Annotation."""
    text = s.leaf(x)
    return {"text": text} if text else None
