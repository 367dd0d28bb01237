"""Identifiers: CX, EI, HD, and the URI of who assigned them."""

from __future__ import annotations

from functools import lru_cache

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import MEMO_ENTRIES_MAX, Prim, Sink
from chartloom.normalize.functions.codes import system_uri
from chartloom.normalize.functions.times import dtm_datetime
from chartloom.normalize.registry import datatype

TYPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v2-0203"

_CX_READS = {
    "1": "value",
    "4": "system assigner.display",
    "5": "type.coding[0].code",
    "6": "assigner.display",
    "7": "period.start period._start",
    "8": "period.end period._end",
    "9": "assigner.identifier",
    "10": "assigner.identifier",
}
_CX_IGNORES = {
    "2": "check digit: the value is complete without it",
    "3": "check digit scheme: the value is complete without it",
    "11": "security check of the identifier",
    "12": "security check scheme",
}


@lru_cache(maxsize=256)
def type_of(kind: str) -> FhirJson:
    """Identifier.type for a code of HL7 table 0203; one object per code, not to be changed."""
    return {"coding": [{"system": TYPE_SYSTEM, "code": "-".join(kind.split())}]}


def authority(x: str, s: Sink) -> tuple[str, str]:
    """(URI, name) of an HD whose parts are divided by subcomponent delimiters."""
    known = s.env.authorities.get(x)
    if known is None:
        if len(s.env.authorities) >= MEMO_ENTRIES_MAX:
            s.env.authorities.clear()
        known = s.env.authorities[x] = _authority(x, Sink(s.env))
    return known


def label_of(uri: str, name: str, s: Sink) -> str:
    """What the name of an authority says beyond its URI; ``""`` if the URI comes from the name."""
    return "" if not name or uri == system_uri(name, s) else name


def _authority(x: str, s: Sink) -> tuple[str, str]:
    parts = [s.leaf(p) for p in x.split(s.env.sub)]
    name = parts[0]
    universal = parts[1] if len(parts) > 1 else ""
    kind = parts[2].upper() if len(parts) > 2 else ""
    if universal:
        token = "".join(universal.split())
        if kind == "UUID" or kind == "GUID":
            return f"urn:uuid:{token.lower()}", name
        if kind in ("URI", "DNS", "") and "://" in token:
            return token, name
        if kind == "ISO" or (not kind and token[:2] in ("0.", "1.", "2.")):
            return f"urn:oid:{token}", name
        return f"urn:id:{kind}:{token}" if kind else f"urn:id:{token}", name
    return (system_uri(name, s) if name else ""), name


@datatype("CX.Identifier", _CX_READS, _CX_IGNORES, param=True)
def cx_identifier(x: str, s: Sink, param: str = "") -> FhirJson | None:
    """CX -> Identifier. ``param`` is the type code (HL7 table 0203) where CX-5 is empty."""
    c = x.split(s.env.comp)
    n = len(c)
    out: FhirJson = {}
    kind = (s.leaf(c[4]) if n > 4 else "") or param
    if kind:
        out["type"] = type_of(kind)
    if n > 3 and c[3]:
        system, name = authority(c[3], s)
        if system:
            out["system"] = system
            if label := label_of(system, name, s):
                out["assigner"] = {"display": label}
    value = s.leaf(c[0])
    if value:
        out["value"] = value
    if n > 5:
        _cx_rest(c, out, s)
    return out if value else None


def _cx_rest(c: list[str], out: FhirJson, s: Sink) -> None:
    """CX-6 to CX-10: facility, validity, jurisdiction and department."""
    facility = s.leaf(c[5].split(s.env.sub, 1)[0]) if c[5] else ""
    if c[5] and (facility or s.leaf(c[5])):
        uri, _ = authority(c[5], s)
        assigner = out.setdefault("assigner", {})
        known = assigner.get("display")
        named = facility or uri
        assigner["display"] = f"{known}, {named}" if known and known != named else named
        if s.env.sub in c[5] and uri:
            out["assigner"]["identifier"] = {"value": uri}
    period: FhirJson = {}
    for index, name in ((6, "start"), (7, "end")):
        value = dtm_datetime(c[index], s) if len(c) > index and c[index] else None
        if isinstance(value, Prim):
            period["_" + name] = {"extension": [value.extension]}
        elif value:
            period[name] = value
    if period:
        out["period"] = period
    for text in c[8:10]:
        parts = [s.leaf(p) for p in text.split(s.env.sub)]
        if any(parts):
            identifier: FhirJson = {"value": parts[0] or parts[1]}
            out.setdefault("assigner", {}).setdefault("identifier", identifier)


_EI_READS = {"1": "value", "2": "system assigner.display", "3": "system", "4": "system"}


@datatype("EI.Identifier", _EI_READS, param=True)
def ei_identifier(x: str, s: Sink, param: str = "") -> FhirJson | None:
    """EI -> Identifier; ``param`` is its type code (``PLAC``, ``FILL``; HL7 table 0203)."""
    value, _, rest = x.partition(s.env.comp)
    value = s.leaf(value)
    if not value:
        return None
    out: FhirJson = {}
    if param:
        out["type"] = type_of(param)
    if rest:
        system, name = authority(rest.replace(s.env.comp, s.env.sub), s)
        if system:
            out["system"] = system
            if label := label_of(system, name, s):
                out["assigner"] = {"display": label}
    out["value"] = value
    return out


@datatype("ST.Identifier", {"1": "value"}, param=True)
def st_identifier(x: str, s: Sink, param: str) -> FhirJson | None:
    """Text -> Identifier of the type ``param``, or with the system ``param`` if that is a URI."""
    value = s.leaf(x.split(s.env.comp, 1)[0])
    if not value:
        return None
    if ":" in param:
        return {"system": param, "value": value}
    return {"type": {"coding": [{"system": TYPE_SYSTEM, "code": param}]}, "value": value}


@datatype("HD.string", {"1": "", "2": "", "3": ""}, memo=True)
def hd_string(x: str, s: Sink) -> str | None:
    """HD -> its name, with its universal id in brackets."""
    uri, name = authority(x.replace(s.env.comp, s.env.sub), s)
    return f"{name} ({uri})" if label_of(uri, name, s) else name or uri or None


@datatype(
    "HD.Reference", {"1": "display", "2": "identifier.value", "3": "identifier.value"}, memo=True
)
def hd_reference(x: str, s: Sink) -> FhirJson | None:
    """HD -> logical reference by identifier."""
    uri, name = authority(x.replace(s.env.comp, s.env.sub), s)
    if not (uri or name):
        return None
    out: FhirJson = {"identifier": {"value": uri or name}}
    if name:
        out["display"] = name
    return out
