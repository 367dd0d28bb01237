"""Chart entries of medication: orders, lists, fills and doses; keys in ``chart/README.md``."""

from __future__ import annotations

from typing import Any, Final

from chartloom.chart.elements import (
    all_codes,
    as_float,
    code_of,
    drop_empty,
    first,
    named,
    notes,
    plain_code,
    quantity,
    text_of,
)

_Json = dict[str, Any]

#: What our HL7 v2 mapping keeps in extensions, because FHIR has no element for it.
_KEPT: Final = {
    "urn:chartloom:extension:dose-form": "form",
    "urn:chartloom:extension:strength": "strength",
    "urn:chartloom:extension:medication-status-changed": "status_changed",
}
#: Days in a unit of time (UCUM).
_DAYS: Final = {"min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4375, "a": 365.25}
_WORDS: Final = {"hour": "h", "day": "d", "week": "wk", "month": "mo", "year": "a"}


def medication_order(r: _Json) -> _Json:
    """A MedicationRequest or MedicationStatement."""
    dosages = r.get("dosageInstruction") or r.get("dosage") or []
    repeat = first(dosages).get("timing", {}).get("repeat", {})
    period = repeat.get("boundsPeriod") or r.get("effectivePeriod", {})
    supply = r.get("dispenseRequest", {})
    kept = _kept(r)
    concept = r.get("medicationCodeableConcept")
    reason = r.get("statusReason")
    return {
        "status": r.get("status"),
        "status_reason": text_of(reason) if isinstance(reason, dict) else "",
        "status_changed": kept.get("status_changed"),
        "intent": r.get("intent"),
        "category": _categories(r.get("category")),
        "not_to_do": r.get("doNotPerform") or None,
        "text": _drug(r),
        "code": code_of(concept),
        "codes": all_codes(concept),
        "form": kept.get("form"),
        "strength": kept.get("strength"),
        "dosages": [_dosage(d) for d in dosages],
        "time": r.get("authoredOn") or r.get("effectiveDateTime") or r.get("dateAsserted"),
        "start": period.get("start"),
        "end": period.get("end"),
        "course_days": _days(repeat.get("boundsDuration")),
        "supply_days": _days(supply.get("expectedSupplyDuration")),
        "quantity": quantity(supply.get("quantity")),
        "refills": supply.get("numberOfRepeatsAllowed"),
        "valid_until": supply.get("validityPeriod", {}).get("end"),
        "prior": r.get("priorPrescription", {}).get("reference"),
        "requester": named(r.get("requester")),
        "encounter": (r.get("encounter") or r.get("context") or {}).get("reference"),
        "notes": notes(r),
    }


def medication_event(r: _Json) -> _Json:
    """One dispense or administration, as a point of its series."""
    dosage = r.get("dosage") if isinstance(r.get("dosage"), dict) else None
    instruction = first(r.get("dosageInstruction"))
    return drop_empty(
        {
            "time": r.get("whenHandedOver")
            or r.get("effectiveDateTime")
            or r.get("effectivePeriod", {}).get("start")
            or r.get("whenPrepared"),
            "status": r.get("status"),
            "dose": quantity(dosage.get("dose")) if dosage else quantity(r.get("quantity")),
            "route": text_of(dosage.get("route")) if dosage else text_of(instruction.get("route")),
            "supply_days": _days(r.get("daysSupply")),
            "request": (r.get("request") or first(r.get("authorizingPrescription"))).get(
                "reference"
            ),
        }
    )


def medication_series(r: _Json) -> _Json:
    """What all points of a dispense or administration series have in common."""
    concept = r.get("medicationCodeableConcept")
    return drop_empty(
        {
            "text": _drug(r),
            "code": code_of(concept),
            "codes": all_codes(concept),
            "form": _kept(r).get("form"),
        }
    )


def _drug(r: _Json) -> str:
    return text_of(r.get("medicationCodeableConcept")) or named(r.get("medicationReference"))


def _categories(found: Any) -> list[str]:
    """``inpatient``, ``discharge``, ...; a list in a request, one in a statement."""
    return [plain_code(c) for c in (found if isinstance(found, list) else [found] if found else [])]


def _kept(r: _Json) -> _Json:
    """Of our own extensions, dose form, strength and the time of the status, in words."""
    found: _Json = {}
    for extension in r.get("extension", ()):
        name = _KEPT.get(extension.get("url"))
        if name == "status_changed":
            found[name] = extension.get("valueDateTime")
        elif name == "form":
            found[name] = text_of(extension.get("valueCodeableConcept"))
        elif name:
            found[name] = quantity(extension.get("valueQuantity"))
    return found


def _dosage(d: _Json) -> _Json:
    rate = first(d.get("doseAndRate"))
    dose_range = rate.get("doseRange", {})
    low, high = quantity(dose_range.get("low")), quantity(dose_range.get("high"))
    timing = d.get("timing", {})
    return drop_empty(
        {
            "text": d.get("text") or d.get("patientInstruction"),
            "dose": quantity(rate.get("doseQuantity")) or "–".join(p for p in (low, high) if p),
            "rate": quantity(rate.get("rateQuantity")),
            "route": text_of(d.get("route")),
            "timing": text_of(timing.get("code")),
            "per_day": _per_day(timing.get("repeat")),
            "as_needed": d.get("asNeededBoolean") or text_of(d.get("asNeededCodeableConcept")),
        }
    )


def _days(duration: _Json | None) -> str:
    """A Duration in days, ``30``; a bare number is one of days already. "" if it is no time."""
    if not duration or duration.get("value") is None:
        return ""
    unit = str(duration.get("code") or duration.get("unit") or "d")
    factor = _DAYS.get(_WORDS.get(unit.lower().rstrip("s"), unit), 0.0)
    return _figure(as_float(duration["value"]) * factor)


def _per_day(repeat: _Json | None) -> str:
    """How often a day a Timing says, ``2`` or ``0.5``; "" if it does not say it in numbers."""
    if not repeat:
        return ""
    often = repeat.get("frequency") or len(repeat.get("when", ()))
    if not often:
        return ""
    days = as_float(repeat.get("period") or 1) * _DAYS.get(repeat.get("periodUnit", "d"), 0.0)
    times = len(repeat.get("dayOfWeek", ())) or 1
    return _figure(as_float(often) * times / days) if days > 0 else ""


def _figure(value: float) -> str:
    return f"{value:g}" if 0 < value < 1e6 else ""
