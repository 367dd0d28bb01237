"""Pieces of orders: devices, parent orders, old-style timing (TQ), durations."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg, Prim, Sink
from chartloom.normalize.functions.identifiers import TYPE_SYSTEM, authority, ei_identifier
from chartloom.normalize.functions.numbers import UCUM, number, with_unit
from chartloom.normalize.functions.organisations import person_name
from chartloom.normalize.functions.times import dtm_datetime
from chartloom.normalize.registry import datatype, finisher


@datatype(
    "EI.Device",
    {
        "1": "identifier.value",
        "2": "identifier.system",
        "3": "identifier.system",
        "4": "identifier.system",
    },
    memo=True,
)
def ei_device(x: str, s: Sink) -> FhirJson | None:
    """EI -> logical reference to a Device."""
    found = ei_identifier(x, s)
    return {"identifier": found, "display": found["value"]} if found else None


@datatype(
    "EI.Reference",
    {
        "1": "identifier.value",
        "2": "identifier.system",
        "3": "identifier.system",
        "4": "identifier.system",
    },
    param=True,
)
def ei_logical(x: str, s: Sink, param: str = "") -> FhirJson | None:
    """EI -> logical reference by identifier; ``param`` is its type."""
    found = ei_identifier(x, s, param)
    return {"identifier": found} if found else None


@datatype("EIP.Reference", {"1": "identifier", "2": "identifier display"})
def eip_reference(x: str, s: Sink) -> FhirJson | None:
    """EIP (placer and filler number of a parent) -> logical reference."""
    placer, _, filler = x.partition(s.env.comp)
    one = ei_identifier(placer.replace(s.env.sub, s.env.comp), s, "PLAC")
    two = ei_identifier(filler.replace(s.env.sub, s.env.comp), s, "FILL")
    if not one and not two:
        return None
    out: FhirJson = {"identifier": two or one}
    if one and two:
        out["display"] = f"{one['value']} / {two['value']}"
    return out


@datatype("EIP.value", {"1": "", "2": "", "3": "", "4": ""})
def eip_value(x: str, s: Sink) -> str | None:
    """One half of an EIP as text: the number with who assigned it."""
    found = ei_identifier(x, s)
    if not found:
        return None
    system = found.get("system", "")
    return f"{found['value']} ({system})" if system else str(found["value"])


@datatype(
    "TQ.Timing",
    {
        "1": "code.text",
        "2": "code.text",
        "3": "code.text",
        "4": "repeat.boundsPeriod.start",
        "5": "repeat.boundsPeriod.end",
        "7": "code.text",
        "8": "code.text",
        "9": "code.text",
        "10": "code.text",
        "11": "code.text",
        "12": "code.text",
    },
)
def tq_timing(x: str, s: Sink) -> FhirJson | None:
    """TQ -> Timing: bounds as dates, everything else as text. The priority has a row of its own."""
    c = x.split(s.env.comp) + [""] * 12
    out: FhirJson = {}
    period: FhirJson = {}
    for index, name in ((3, "start"), (4, "end")):
        value = dtm_datetime(c[index].replace(s.env.sub, s.env.comp), s) if c[index] else None
        if isinstance(value, Prim):
            period["_" + name] = {"extension": [value.extension]}
        elif value:
            period[name] = value
    if period:
        out["repeat"] = {"boundsPeriod": period}
    words = [s.leaf(c[i].replace(s.env.sub, " ")) for i in (0, 1, 2, 6, 7, 8, 9, 10, 11)]
    text = " ".join(w for w in words if w)
    if text:
        out["code"] = {"text": text}
    return out or None


@datatype("NM.days", {"1": "value"})
def nm_days(x: str, s: Sink) -> FhirJson | None:
    """NM -> Duration in days."""
    text = s.leaf(x.split(s.env.comp, 1)[0])
    if not text:
        return None
    value = number(text)
    if value is None:
        s.complain("number-invalid")
        return {"unit": text}
    return with_unit(value, {"unit": "d", "system": UCUM, "code": "d"})


@datatype("DLN.Identifier", {"1": "value", "2": "assigner.display", "3": "period.end"})
def dln_identifier(x: str, s: Sink) -> FhirJson | None:
    """DLN -> Identifier of a driver's licence."""
    c = [*x.split(s.env.comp), "", ""]
    value = s.leaf(c[0])
    if not value:
        return None
    out: FhirJson = {"type": {"coding": [{"system": TYPE_SYSTEM, "code": "DL"}]}, "value": value}
    if state := s.leaf(c[1].replace(s.env.sub, " ")):
        out["assigner"] = {"display": state}
    end = dtm_datetime(c[2], s) if c[2] else None
    if isinstance(end, Prim):
        out["period"] = {"_end": {"extension": [end.extension]}}
    elif end:
        out["period"] = {"end": end}
    return out


@datatype("MSG.code", {"1": ""})
def msg_code(x: str, s: Sink) -> str | None:
    """The first component of MSH-9."""
    return s.leaf(x) or None


@datatype("FC.CodeableConcept", {"1": "coding[0].code text"}, {"2": "since when the class holds"})
def fc_codeable(x: str, s: Sink) -> FhirJson | None:
    """FC -> CodeableConcept."""
    code, *rest = [s.leaf(p) for p in x.split(s.env.comp, 1)[0].split(s.env.sub)]
    if not code:
        return None
    system = "http://terminology.hl7.org/CodeSystem/v2-0064"
    out: FhirJson = {"coding": [{"system": system, "code": " ".join(code.split())}]}
    if rest and rest[0]:
        out["text"] = rest[0]
    return out


@datatype("JCC.CodeableConcept", {"1": "coding[0].code", "2": "coding", "3": "text"}, memo=True)
def jcc_codeable(x: str, s: Sink) -> FhirJson | None:
    """JCC (job code, job class, text) -> CodeableConcept."""
    c = [s.leaf(p.replace(s.env.sub, " ")) for p in x.split(s.env.comp)] + ["", "", ""]
    base = "http://terminology.hl7.org/CodeSystem/v2-"
    coding = [
        {"system": base + table, "code": " ".join(code.split())}
        for table, code in (("0327", c[0]), ("0328", c[1]))
        if code
    ]
    out: FhirJson = {"coding": coding} if coding else {}
    if c[2]:
        out["text"] = c[2]
    return out or None


@datatype("HD.Location", {"1": "display", "2": "reference", "3": "reference"}, memo=True)
def hd_location(x: str, s: Sink) -> FhirJson | None:
    """HD -> Reference(Location)."""
    uri, name = authority(x.replace(s.env.comp, s.env.sub), s)
    if not uri and not name:
        return None
    id = s.env.make_id("Location", "", uri or name)
    resource: FhirJson = {"resourceType": "Location", "id": id}
    if uri:
        resource["identifier"] = [{"value": uri}]
    resource["name"] = name or uri
    resource["mode"] = "instance"
    s.add_directory(resource)
    return {"reference": f"Location/{id}", "display": name or uri}


@datatype(
    "XPN.string",
    {str(n): "" for n in range(1, 7)},
    {
        "7": "kind of name",
        "8": "representation",
        "9": "context",
        "10": "validity",
        "11": "assembly order",
        "12": "since when",
        "13": "until when",
        "14": "professional suffix",
    },
)
def xpn_string(x: str, s: Sink) -> str | None:
    """XPN -> the name as one text, family name first."""
    c = x.split(s.env.comp) + [""] * 6
    family = s.leaf(c[0].replace(s.env.sub, " "))
    name = person_name([c[0], *c[1:6]], s)
    rest = [*name.get("prefix", ()), *name.get("given", ()), *name.get("suffix", ())]
    return ", ".join(p for p in (family, " ".join(rest)) if p) or None


@datatype("XON.name", {"1": ""}, {str(n): "who numbers the organisation" for n in range(2, 11)})
def xon_name(x: str, s: Sink) -> str | None:
    """XON -> its name."""
    return s.leaf(x.split(s.env.comp, 1)[0]) or None


@finisher("occurrence")
def finish_occurrence(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """occurrence[x] is one element: a timing swallows the time that was requested."""
    timing = out.get("occurrenceTiming")
    if timing is None:
        return
    out.pop("_occurrenceDateTime", None)
    when = out.pop("occurrenceDateTime", None)
    repeat = timing.get("repeat", {})
    if when and "boundsPeriod" not in repeat and "boundsDuration" not in repeat:
        timing["repeat"] = {**repeat, "boundsPeriod": {"start": when}}
    elif when:
        url = "urn:chartloom:extension:requested"
        out.setdefault("extension", []).append({"url": url, "valueDateTime": when})
