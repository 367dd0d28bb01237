"""Chart entries of the clinical sections; keys are described in ``chart/README.md``."""

from __future__ import annotations

import re
from typing import Any, Final

from chartloom.chart.elements import (
    all_codes,
    code_of,
    drop_empty,
    named,
    notes,
    number,
    plain_code,
    quantity,
    text_of,
    texts_of,
    unit,
)
from chartloom.formats.documents.lists import document_lists, text_lists

_Json = dict[str, Any]
#: Why a laboratory has no result, as it writes it in the place of the value.
_WHY_NOT: Final = re.compile(
    r"ha?emoly[sz]|clot|lipemic|icteric|insufficient|not sufficient|\bqns\b|specimen"
    r"|sample|cancel|not (?:performed|done|tested)|unable|contaminat|labell?ed|duplicate|lost"
    r"|broken|expired|leak|recollect|redraw",
    re.IGNORECASE,
)
_LOINC: Final = "http://loinc.org|"

#: R4 has no Observation.valueAttachment; this is R5's, as an extension.
_VALUE_ATTACHMENT: Final = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.value"


def condition(r: _Json) -> _Json:
    """A problem or diagnosis."""
    return {
        "status": plain_code(r.get("clinicalStatus")),
        "verification": plain_code(r.get("verificationStatus")),
        "text": text_of(r.get("code")),
        "code": code_of(r.get("code")),
        "codes": all_codes(r.get("code")),
        "category": [plain_code(c) for c in r.get("category", ())],
        "severity": text_of(r.get("severity")),
        "onset": _choice(r, "onset"),
        "abated": _choice(r, "abatement"),
        "recorded": r.get("recordedDate"),
        "recorder": named(r.get("recorder")),
        "asserter": named(r.get("asserter")),
        "encounter": r.get("encounter", {}).get("reference"),
        "notes": notes(r),
    }


def allergy(r: _Json) -> _Json:
    """An allergy or intolerance; criticality and the severity of reactions are two things."""
    return {
        "status": plain_code(r.get("clinicalStatus")),
        "verification": plain_code(r.get("verificationStatus")),
        "text": text_of(r.get("code")),
        "code": code_of(r.get("code")),
        "codes": all_codes(r.get("code")),
        "kind": r.get("type"),
        "category": list(r.get("category", ())),
        "criticality": r.get("criticality"),
        "reactions": [
            drop_empty(
                {
                    "text": ", ".join(texts_of(x.get("manifestation"))) or x.get("description"),
                    "severity": x.get("severity"),
                    "onset": x.get("onset"),
                }
            )
            for x in r.get("reaction", ())
        ],
        "onset": _choice(r, "onset"),
        "recorded": r.get("recordedDate"),
        "notes": notes(r),
    }


def observation(r: _Json) -> _Json:
    """One result, as a point of its series. ``value`` has the digits that the source sent.

    Written out, because it is made for every result: what is not said is not looked at.
    """
    if r.get("status") == "cancelled":
        return _not_obtained(r)
    point: _Json = {}
    if time := r.get("effectiveDateTime") or _choice(r, "effective") or r.get("issued"):
        point["time"] = time
    amount = r.get("valueQuantity")
    measured = ""
    if amount:
        if (value := amount.get("value")) is not None:
            point["value"] = number(value)
        point["kind"] = "quantity"
        if measured := unit(amount):
            point["unit"] = measured
        if comparator := amount.get("comparator"):
            point["comparator"] = comparator
    else:
        kind, value = _value(r)
        if value:
            point["value"] = value
        if kind:
            point["kind"] = kind
            if kind == "text" and "\n" in value:
                point.update(text_lists(value))
        elif "extension" in r:
            point.update(_attached(r))
    if status := r.get("status"):
        point["status"] = status
        if status in ("corrected", "amended"):
            point["corrected"] = True
    if interpretation := r.get("interpretation"):
        point["flags"] = [plain_code(i) for i in interpretation]
    if (ranges := r.get("referenceRange")) and (normal := _range(ranges[0], measured)):
        point["range"] = normal
    if (reason := r.get("dataAbsentReason")) and (absent := text_of(reason)):
        point["absent"] = absent
    if components := r.get("component"):
        point["components"] = [_component(c) for c in components]
    if performers := r.get("performer"):
        point["performer"] = [named(p) for p in performers]
    if "note" in r and (written := notes(r)):
        point["notes"] = written
    return point


def _attached(r: _Json) -> _Json:
    """A value that is a document (PDF, picture): what it is; its bytes stay in the resource."""
    for index, extension in enumerate(r["extension"]):
        if extension.get("url") == _VALUE_ATTACHMENT:
            attachment = extension.get("valueAttachment", {})
            data = attachment.get("data", "")
            size_bytes = len(data) * 3 // 4 - data.count("=")
            content_type = attachment.get("contentType")
            return {
                "kind": "document",
                "element": f"extension[{index}].valueAttachment",
                "value": attachment.get("title") or content_type or "document",
                **drop_empty(
                    {
                        "content_type": content_type,
                        "size_bytes": attachment.get("size") or size_bytes or None,
                    }
                ),
                **document_lists(r),
            }
    return {}


def _not_obtained(r: _Json) -> _Json:
    """A result that cannot be obtained (OBX-11 = X). What was sent before it as its value does not
    hold, so that it is neither read nor drawn; but a laboratory writes there, or in a comment, why
    there is none."""
    told = [str(r.get("valueString", "")), text_of(r.get("valueCodeableConcept"))]
    why = [text for text in told if _WHY_NOT.search(text)] + notes(r)
    absent = text_of(r.get("dataAbsentReason")) or "not obtained"
    return drop_empty(
        {
            "time": _choice(r, "effective") or r.get("issued"),
            "status": "cancelled",
            "absent": ": ".join((absent, *why[:1])),
            "performer": [named(p) for p in r.get("performer", ())],
            "notes": notes(r),
        }
    )


def observation_series(r: _Json) -> _Json:
    """What all points of a result series have in common, from its newest point."""
    common: _Json = {}
    concept = r.get("code")
    if text := text_of(concept):
        common["text"] = text
    if code := code_of(concept):
        common["code"] = code
        if not code.startswith(_LOINC) and (loinc := _loinc_in(concept or {})):
            common["loinc"] = loinc
    if categories := r.get("category"):
        common["category"] = [plain_code(c) for c in categories]
    if "valueQuantity" in r and (measured := unit(r["valueQuantity"])):
        common["unit"] = measured
    return common


def _loinc_in(concept: _Json) -> str:
    """The LOINC code beside a laboratory's own."""
    for coding in concept.get("coding", ()):
        if coding.get("system") == "http://loinc.org" and coding.get("code"):
            return str(coding["code"])
    return ""


def _component(c: _Json) -> _Json:
    kind, value = _value(c)
    return drop_empty(
        {
            "text": text_of(c.get("code")),
            "code": code_of(c.get("code")),
            "kind": kind,
            "value": value,
            "unit": unit(c["valueQuantity"]) if "valueQuantity" in c else "",
        }
    )


def _value(r: _Json) -> tuple[str, str]:
    """(kind, text) of ``value[x]``: ``quantity``, ``concept``, ``text``, ... or two empty texts."""
    if "valueQuantity" in r:
        value = r["valueQuantity"].get("value")
        return "quantity", "" if value is None else number(value)
    for name, value in r.items():
        if not name.startswith("value"):
            continue
        if name == "valueCodeableConcept":
            return "concept", text_of(value)
        if name in ("valueRange", "valueRatio"):
            mark = "–" if name == "valueRange" else ":"
            return name[5:].lower(), mark.join(quantity(q) for q in value.values())
        if name == "valuePeriod":
            return "period", f"{value.get('start', '')}/{value.get('end', '')}"
        if name == "valueSampledData":
            return "samples", ""
        if name == "valueBoolean":
            return "boolean", "true" if value else "false"
        return "text" if name == "valueString" else name[5:].lower(), number(value)
    return "", ""


def _range(reference: _Json, measured: str) -> _Json:
    """The normal range; its unit is named only where it differs from the value's."""
    shown: _Json = {}
    for name in ("low", "high"):
        limit = reference.get(name)
        if limit and "value" in limit:
            shown[name] = number(limit["value"])
            if (other := unit(limit)) and other != measured:
                shown["unit"] = other
    if text := reference.get("text"):
        shown["text"] = text
    return shown


def immunization(r: _Json) -> _Json:
    """A vaccination, given or not."""
    return {
        "status": r.get("status"),
        "status_reason": text_of(r.get("statusReason")),
        "text": text_of(r.get("vaccineCode")),
        "code": code_of(r.get("vaccineCode")),
        "time": r.get("occurrenceDateTime") or r.get("occurrenceString"),
        "dose": quantity(r.get("doseQuantity")),
        "site": text_of(r.get("site")),
        "route": text_of(r.get("route")),
        "lot_number": r.get("lotNumber"),
        "manufacturer": named(r.get("manufacturer")),
        "notes": notes(r),
    }


def service_request(r: _Json) -> _Json:
    """An order."""
    return {
        "status": r.get("status"),
        "intent": r.get("intent"),
        "priority": r.get("priority"),
        "text": text_of(r.get("code")),
        "code": code_of(r.get("code")),
        "time": r.get("authoredOn") or _choice(r, "occurrence"),
        "requester": named(r.get("requester")),
        "reason": texts_of(r.get("reasonCode")),
        "encounter": r.get("encounter", {}).get("reference"),
        "notes": notes(r),
    }


def report(r: _Json) -> _Json:
    """A diagnostic report; ``results`` are ids of Observations."""
    return {
        "status": r.get("status"),
        "text": text_of(r.get("code")),
        "code": code_of(r.get("code")),
        "category": [plain_code(c) for c in r.get("category", ())],
        "time": _choice(r, "effective") or r.get("issued"),
        "issued": r.get("issued"),
        "conclusion": r.get("conclusion"),
        "performer": [named(p) for p in r.get("performer", ())],
        "results": [str(x.get("reference", "")).rpartition("/")[2] for x in r.get("result", ())],
        "documents": len(r.get("presentedForm", ())),
        **(document_lists(r) if "presentedForm" in r else {}),
    }


def _choice(r: _Json, stem: str) -> str:
    """A time given as dateTime, Period, Age or words, as the source said it."""
    for suffix in ("DateTime", "Instant", "String"):
        if found := r.get(stem + suffix):
            return str(found)
    if period := r.get(stem + "Period"):
        return str(period.get("start") or period.get("end", ""))
    return quantity(r.get(stem + "Age"))
