"""OBX: the value by its type, units, reference range, and whether they agree."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from chartloom.domain.resource import FhirJson
from chartloom.formats.fhir import keep
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import MEMO_ENTRIES_MAX, Instance, Msg, Prim, Sink
from chartloom.normalize.functions.codes import cwe_codeable
from chartloom.normalize.functions.numbers import (
    UNIT_IGNORES,
    number,
    quantity,
    reference_range,
    structured,
    with_unit,
)
from chartloom.normalize.functions.times import dr_period, dtm_datetime, tm_time
from chartloom.normalize.registry import datatype, finisher, segment_function

#: R4 has no Observation.valueAttachment; this is R5's, as an extension.
VALUE_ATTACHMENT = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Observation.value"
_TEXTS = frozenset({"ST", "TX", "FT", ""})
_CODED = frozenset({"CE", "CWE", "CNE", "CF", "IS", "ID"})
_TIMES = frozenset({"DT", "TS", "DTM"})
#: What OBX-5 ``""`` takes back, by value type.
_ELEMENTS = {
    **dict.fromkeys(_CODED, "valueCodeableConcept"),
    **dict.fromkeys(_TIMES, "valueDateTime"),
    "NM": "valueQuantity",
    "SN": "valueQuantity",
    "TM": "valueTime",
    "DR": "valuePeriod",
    "NR": "valueRange",
}


@segment_function("OBX.value")
def obx_value(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-5 -> value[x] as OBX-2 says; several repetitions of other than text -> component[]."""
    text = f[5]
    if not text:
        return
    env = m.env
    kind = f[2].split(env.comp, 1)[0].strip().upper() if f[2] else ""
    if text == '""':
        cleared.append(_ELEMENTS.get(kind, "valueString"))
        return
    if not kind:
        m.complain("value-type-missing")
    unit = _unit(f, m)
    if env.rep not in text:
        _put(out, _value(text, kind, m, unit))
    elif kind in _TEXTS:
        lines = "\n".join(m.leaf(r) for r in text.split(env.rep)).strip("\n")
        if lines.strip():
            out["valueString"] = lines
    else:
        _many(text.split(env.rep), kind, m, out, unit, f)
    if m.bad:
        m.flush(seg, 5)


def _unit(f: list[str], m: Msg) -> FhirJson | None:
    text = f[6]
    if not text or text == '""':
        return None
    unit: FhirJson | None = m.env.memos[m.unit_slot][text][0]  # the row for OBX-6 reports the rest
    return unit


def _put(out: FhirJson, value: tuple[str, Any] | None) -> None:
    if value is None:
        return
    name, content = value
    if isinstance(content, Prim):
        out[f"_{name}"] = {"extension": [content.extension]}
    elif name == "extension":
        out.setdefault("extension", []).append(content)
    else:
        out[name] = content


def _many(
    reps: list[str], kind: str, m: Msg, out: FhirJson, unit: FhirJson | None, f: list[str]
) -> None:
    values = [v for r in reps if r and (v := _value(r, kind, m, unit)) is not None]
    if len(values) == 1:
        _put(out, values[0])
        return
    code = cwe_codeable(f[3], m, None) if f[3] else None
    for value in values:
        if value[0] == "extension":
            _put(out, value)
            continue
        item: FhirJson = {"code": code or {"text": "value"}}
        _put(item, value)
        out.setdefault("component", []).append(item)


def _value(x: str, kind: str, m: Sink, unit: FhirJson | None) -> tuple[str, Any] | None:
    """(element, content) for one repetition of OBX-5."""
    if kind == "NM":
        text = m.leaf(x)
        if not text:
            return None
        found = quantity(text, unit)
        if found is not None:
            return "valueQuantity", found
        m.complain("number-invalid")
        return "valueString", text
    if kind in _TEXTS:
        text = m.leaf(x)
        return ("valueString", text) if text else None
    if kind in _CODED:
        concept = cwe_codeable(x, m, None)
        return ("valueCodeableConcept", concept) if concept else None
    return _rare(x, kind, m, unit)


def _rare(x: str, kind: str, m: Sink, unit: FhirJson | None) -> tuple[str, Any] | None:
    comp = m.env.comp
    if kind == "SN":
        found = structured([m.leaf(c) for c in x.split(comp)], unit)
        if found:
            return f"value{found[0]}", found[1]
        return _as_text(x, m)
    if kind in _TIMES:
        value = dtm_datetime(x, m)
        return ("valueDateTime", value) if value else None
    if kind == "TM":
        value = tm_time(x, m)
        return ("valueTime", value) if value else None
    if kind == "DR":
        period = dr_period(x, m)
        return ("valuePeriod", period) if period else None
    if kind == "NR":
        low, high = ([number(m.leaf(c)) for c in x.split(comp)] + [None, None])[:2]
        sides = {"low": low, "high": high}
        content = {k: with_unit(v, unit) for k, v in sides.items() if v is not None}
        return ("valueRange", content) if content else _as_text(x, m)
    if kind in ("ED", "RP"):
        attachment = (ed_attachment if kind == "ED" else rp_attachment)(x, m)
        if attachment:
            return "extension", {"url": VALUE_ATTACHMENT, "valueAttachment": attachment}
        return _as_text(x, m)
    m.complain("value-type-unsupported", kind if kind.isalnum() and len(kind) < 4 else "")
    return _as_text(x, m)


def _as_text(x: str, m: Sink) -> tuple[str, Any] | None:
    """The components as one text."""
    parts = [m.leaf(p.replace(m.env.sub, " ")) for p in x.split(m.env.comp)]
    text = " ".join(p for p in parts if p)
    return ("valueString", text) if text else None


_TYPES = {
    "PDF": "application/pdf",
    "JPEG": "image/jpeg",
    "JPG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "TIF": "image/tiff",
    "HTML": "text/html",
    "XML": "application/xml",
    "RTF": "application/rtf",
    "PLAIN": "text/plain",
    "TXT": "text/plain",
    "DICOM": "application/dicom",
    "BASIC": "audio/basic",
    "WORD": "application/msword",
}


def content_type(kind: str, subtype: str) -> str:
    """A MIME type from ED-2/RP-3 (HL7 table 0191) and ED-3/RP-4 (table 0291)."""
    kind, subtype = "".join(kind.split()), "".join(subtype.split())
    if "/" in kind:
        return kind.lower()
    if "/" in subtype:
        return subtype.lower()
    if known := _TYPES.get(subtype.upper()) or _TYPES.get(kind.upper()):
        return known
    family = kind.lower()
    if (
        family in ("application", "audio", "image", "text", "video", "model", "multipart")
        and subtype
    ):
        return f"{family}/{subtype.lower()}"
    return "text/plain" if kind.upper() in ("TEXT", "TX", "FT") else "application/octet-stream"


@datatype(
    "ED.Attachment",
    {"1": "title", "2": "contentType", "3": "contentType", "4": "data", "5": "data"},
)
def ed_attachment(x: str, s: Sink) -> FhirJson | None:
    """ED -> Attachment with the data inside, re-encoded in Base64 where it came otherwise."""
    c = [*x.split(s.env.comp), "", "", "", ""]
    # Senders often leave the delimiters inside the data unescaped.
    body = s.env.comp.join(c[4:-4]) if len(c) > 9 else c[4]
    data = encoded(s.leaf(body), s.leaf(c[3]).upper(), s)
    if not data:
        return None
    out: FhirJson = {"contentType": content_type(s.leaf(c[1]), s.leaf(c[2]))}
    out["data"] = data
    if title := s.leaf(c[0].split(s.env.sub, 1)[0]):
        out["title"] = title
    return out


def encoded(text: str, encoding: str, s: Sink) -> str:
    """The data as valid Base64; text that cannot be decoded is kept as the text's own bytes."""
    if not text:
        return ""
    try:
        if encoding in ("BASE64", "B64"):
            plain = base64.b64decode("".join(text.split()), validate=True)
        elif encoding == "HEX":
            plain = bytes.fromhex(text)
        else:
            plain = text.encode("utf-8", "replace")
    except (binascii.Error, ValueError):
        s.complain("attachment-invalid")
        plain = text.encode("utf-8", "replace")
    return base64.b64encode(plain).decode("ascii")


@datatype("RP.Attachment", {"1": "url", "2": "title", "3": "contentType", "4": "contentType"})
def rp_attachment(x: str, s: Sink) -> FhirJson | None:
    """RP -> Attachment that points to the data."""
    c = [*x.split(s.env.comp), "", "", ""]
    url = "".join(s.leaf(c[0]).split())
    if not url:
        return None
    out: FhirJson = {"url": url}
    if s.leaf(c[2]) or s.leaf(c[3]):
        out["contentType"] = content_type(s.leaf(c[2]), s.leaf(c[3]))
    if title := s.leaf(c[1].split(s.env.sub, 1)[0]):
        out["title"] = title
    return out


@segment_function("OBX.referenceRange")
def obx_reference_range(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-7 -> referenceRange: numbers where the text says them, and the text."""
    if f[7] == '""':
        cleared.append("referenceRange")
        return
    key = (f[7], f[6])
    known = m.env.ranges.get(key)
    if known is None:
        text = m.leaf(f[7])
        known = reference_range(text, _unit(f, m)) if text else ({}, "")
        if len(m.env.ranges) >= MEMO_ENTRIES_MAX:
            m.env.ranges.clear()
        m.env.ranges[key] = known
        keep(known[0])
    value, issue = known
    if value:
        out["referenceRange"] = [value]
    if issue:
        m.issue(issue, seg, 7)


@segment_function("OBX.unit", {"1": "code", "2": "unit", "3": "system"}, UNIT_IGNORES)
def obx_unit(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-6: part of the value's Quantity; kept as text beside a value that has none."""
    value, bad, _ = m.env.memos[m.unit_slot][f[6]]
    if value is None:
        return
    if bad and f[2].strip().upper() in ("NM", "SN", "NR"):
        m.flush(seg, 6, 0, bad)
    if "valueQuantity" in out or not _HOLD_UNITS.isdisjoint(out):
        return
    out.setdefault("extension", []).append({"url": _UNIT, "valueCoding": _coding(value)})


_HOLD_UNITS = frozenset({"valueQuantity", "valueRange", "valueRatio", "component"})
#: The unit of a value that is no Quantity.
_UNIT = "urn:chartloom:extension:unit"


def _coding(unit: FhirJson) -> FhirJson:
    coding: FhirJson = {k: unit[k] for k in ("system", "code") if k in unit}
    coding["display"] = unit["unit"]
    return coding


@finisher("observation")
def finish_observation(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """Code and status must be there; a value outside its own range must not be flagged normal."""
    if "code" not in out:
        out["code"] = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
        m.issue("element-missing", seg, 3)
    _check_flag(out, m, seg)


_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def _check_flag(out: FhirJson, m: Msg, seg: Segment | None) -> None:
    quantity_ = out.get("valueQuantity")
    if not quantity_ or "comparator" in quantity_ or "referenceRange" not in out:
        return
    limits, value = out["referenceRange"][0], quantity_["value"]
    low, high = limits.get("low"), limits.get("high")
    below = low is not None and value < low["value"]
    if not below and (high is None or value <= high["value"]):
        return
    for flag in out.get("interpretation", ()):
        if any(c.get("code") == "N" for c in flag.get("coding", ())):
            m.issue("flag-contradicts-range", seg, 8)
            return


@segment_function("OBX.type", {"1": ""})
def obx_type(
    f: list[str], m: Msg, out: FhirJson, instance: Instance, seg: Segment, cleared: list[str]
) -> None:
    """OBX-2: sets nothing by itself, ``OBX.value`` reads it."""
