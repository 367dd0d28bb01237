"""Amounts whose unit stands in another field, and what FHIR demands of a Dosage."""

from __future__ import annotations

from collections.abc import Callable

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.numbers import number, with_unit
from chartloom.normalize.registry import finisher, segment_function

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ORIGINAL = "http://hl7.org/fhir/StructureDefinition/originalText"


def unit_in(m: Msg, text: str) -> FhirJson | None:
    """The unit part of a Quantity for the text of a units field."""
    if not text or text == '""':
        return None
    unit: FhirJson | None = m.env.memos[m.unit_slot][text.split(m.env.rep, 1)[0]][0]
    return unit


def amount(m: Msg, text: str, unit: str) -> FhirJson | None:
    """A Quantity of an amount field and a units field; ``None`` without any of them."""
    said = m.leaf(text.split(m.env.comp, 1)[0]) if text and text != '""' else ""
    parts = unit_in(m, unit)
    value = number(said) if said else None
    if value is not None:
        return with_unit(value, parts)
    if said:
        m.complain("number-invalid")
        return {**(parts or {}), "extension": [{"url": _ORIGINAL, "valueString": said}]}
    return dict(parts) if parts else None


Put = Callable[[FhirJson, FhirJson], None]


def _register(name: str, value: int, unit: int, put: Put) -> None:
    def call(
        f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
    ) -> None:
        found = amount(m, f[value], f[unit])
        if found:
            put(out, found)
        if m.bad:
            m.flush(seg, value)

    segment_function(name)(call)


def _at(*path: str) -> Put:
    def put(out: FhirJson, quantity: FhirJson) -> None:
        for step in path[:-1]:
            out = out.setdefault(step, {})
        out[path[-1]] = quantity

    return put


def _first_dose(out: FhirJson) -> FhirJson:
    dosage = out.setdefault("dosageInstruction", [{}])[0]
    result: FhirJson = dosage.setdefault("doseAndRate", [{}])[0]
    return result


def _rate(out: FhirJson, quantity: FhirJson) -> None:
    _first_dose(out)["rateQuantity"] = quantity


_register("RXE.dispense", 10, 11, _at("dispenseRequest", "quantity"))
_register("RXO.dispense", 11, 12, _at("dispenseRequest", "quantity"))
_register("RXD.quantity", 4, 5, _at("quantity"))
_register("RXE.rate", 23, 24, _rate)
_register("RXO.rate", 21, 22, _rate)


def _dose(f: list[str], m: Msg, out: FhirJson, seg: Segment, low: int) -> None:
    """The amount to give: minimum, maximum and units in three fields that follow each other."""
    if _first_dose_known(out):
        return
    least = amount(m, f[low], f[low + 2])
    most = amount(m, f[low + 1], f[low + 2]) if m.leaf(f[low + 1]) else None
    if m.bad:
        m.flush(seg, low)
    if not least and not most:
        return
    target = _first_dose(out)
    if most and least and "value" in most and most != least:
        target["doseRange"] = {"low": least, "high": most} if "value" in least else {"high": most}
    else:
        target["doseQuantity"] = least or most


def _first_dose_known(out: FhirJson) -> bool:
    rates = (out.get("dosageInstruction") or [{}])[0].get("doseAndRate") or [{}]
    return "doseQuantity" in rates[0] or "doseRange" in rates[0]


@segment_function("RXE.dose")
def rxe_dose(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """RXE-3, RXE-4, RXE-5 -> the dose of the first dosage instruction."""
    _dose(f, m, out, seg, 3)


@segment_function("RXO.dose")
def rxo_dose(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """RXO-2, RXO-3, RXO-4 -> the dose of the first dosage instruction."""
    _dose(f, m, out, seg, 2)


#: What HL7 v2 senders write when the amount given is not known.
_UNKNOWN_AMOUNT = frozenset({"999", "999.0", "999.00"})


@segment_function("RXA.dose")
def rxa_dose(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """RXA-6, RXA-7 -> MedicationAdministration.dosage.dose; 999 means that it is not known."""
    if m.leaf(f[6]) in _UNKNOWN_AMOUNT:
        return
    found = amount(m, f[6], f[7])
    if found and ("value" in found or "extension" in found):
        out.setdefault("dosage", {})["dose"] = found
    if m.bad:
        m.flush(seg, 6)


@segment_function("RXA.vaccineDose")
def rxa_vaccine_dose(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """RXA-6, RXA-7 -> Immunization.doseQuantity; 999 means that it is not known."""
    if m.leaf(f[6]) in _UNKNOWN_AMOUNT:
        return
    found = amount(m, f[6], f[7])
    if found and ("value" in found or "extension" in found):
        out["doseQuantity"] = found
    if m.bad:
        m.flush(seg, 6)


# -- finishers


@finisher("dosage")
def finish_dosage(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """Several timings (TQ1) share what the other segments say; each gets its place in the order."""
    dosages = out.get("dosageInstruction") or out.get("dosage")
    if not isinstance(dosages, list):
        return
    for dosage in dosages:
        _bounds_once(dosage)
    if len(dosages) < 2:
        return
    for number_, dosage in enumerate(dosages, 1):
        for name, value in dosages[0].items():
            if name not in ("timing", "asNeededBoolean", "sequence", "patientInstruction"):
                dosage.setdefault(name, value)
        dosage["sequence"] = number_


def _bounds_once(dosage: FhirJson) -> None:
    """bounds[x] is one element: where a period is known, the length is said in words."""
    repeat = dosage.get("timing", {}).get("repeat", {})
    length = repeat.get("boundsDuration")
    if length is None or "boundsPeriod" not in repeat:
        return
    del repeat["boundsDuration"]
    text = f"{length.get('value', '')} {length.get('unit', '')}".strip()
    dosage.setdefault("additionalInstruction", []).append({"text": text})


@finisher("medication")
def finish_medication(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """FHIR needs to know what it is; if the message does not say, that is said."""
    if "medicationCodeableConcept" not in out:
        unknown = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
        out["medicationCodeableConcept"] = unknown
        weak.append("medicationCodeableConcept")
        m.issue("element-missing", seg, 0, 0, f"{out['resourceType']}.medication")


@finisher("administration")
def finish_administration(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """A dosage needs a dose (mad-1) and an administration a time; what is unknown is said to be."""
    dosage = out.get("dosage")
    if dosage and not any(k in dosage for k in ("dose", "rateQuantity", "rateRatio")):
        dosage["dose"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
    if not any(k.lstrip("_").startswith("effective") for k in out):
        out["_effectiveDateTime"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
        weak.append("effectiveDateTime")
        m.issue("element-missing", seg, 3, 0, "MedicationAdministration.effective")
