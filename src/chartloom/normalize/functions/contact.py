"""XTN (telephone, e-mail) and XAD pieces that need more than a row."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import ALTERNATE_CODES, Prim, Sink
from chartloom.normalize.functions.times import dtm_datetime
from chartloom.normalize.registry import datatype

#: HL7 table 0202 -> ContactPoint.system (R4 value set contact-point-system).
_SYSTEMS = {
    "PH": "phone",
    "FX": "fax",
    "BP": "pager",
    "CP": "phone",
    "SAT": "phone",
    "TDD": "other",
    "TTY": "other",
    "MD": "other",
    "INTERNET": "email",
    "X.400": "email",
}
#: HL7 table 0201 -> ContactPoint.use.
_USES = {"PRN": "home", "ORN": "home", "VHN": "home", "WPN": "work", "PRS": "mobile"}
_READS = {
    "1": "value",
    "2": "use extension",
    "3": "system use extension",
    "4": "value",
    "5": "value",
    "6": "value",
    "7": "value",
    "8": "value",
    "9": "extension",
    "10": "value",
    "11": "value",
    "12": "value",
    "13": "period.start period._start",
    "14": "period.end period._end",
    "18": "rank",
}
_IGNORES = {
    "15": "reason of expiry: the period says when",
    "16": "protection code",
    "17": "id of the number at the sender",
}


_PIECES = (
    # index, what HL7's extensions of a ContactPoint call it
    (4, "contactpoint-country"),
    (5, "contactpoint-area"),
    (6, "contactpoint-local"),
    (7, "contactpoint-extension"),
    (3, "contactpoint-comment"),
    (11, "contactpoint-comment"),
    (8, "contactpoint-comment"),
)
_BASE = "http://hl7.org/fhir/StructureDefinition/"


def _number(c: list[str]) -> tuple[str, list[FhirJson]]:
    """The number or address as one text, and the pieces that are not in it as extensions."""
    if c[3] and ("@" in c[3] or not c[0]):
        whole, used, rest = c[3], {3}, [(0, "contactpoint-comment"), *_PIECES]
    elif c[0] or c[11]:
        whole, used, rest = c[0] or c[11], {0} if c[0] else {11}, list(_PIECES)
    else:
        pieces = [f"+{c[4].lstrip('+')}" if c[4] else "", f"({c[5]})" if c[5] else "", c[6]]
        whole, used, rest = " ".join(p for p in pieces if p), {4, 5, 6, 7, 10}, list(_PIECES)
        whole += "".join(f" x{c[i]}" for i in (7, 10) if c[i])
    told = [
        {"url": _BASE + name, "valueString": c[i]} for i, name in rest if c[i] and i not in used
    ]
    if c[10] and 10 not in used:
        told.append({"url": _BASE + "contactpoint-comment", "valueString": c[10]})
    return whole.strip(), told


@datatype("XTN.ContactPoint", _READS, _IGNORES, param=True)
def xtn_contact(x: str, s: Sink, param: str = "") -> FhirJson | None:
    """XTN -> ContactPoint. ``param`` is the use where XTN-2 says none (``home``, ``work``)."""
    if s.env.comp not in x:  # mostly a bare number
        value = s.leaf(x)
        if not value:
            return None
        bare = {"system": "email" if "@" in value else "phone", "value": value}
        return {**bare, "use": param} if param else bare
    c = [s.leaf(p) if p else "" for p in x.split(s.env.comp)]
    c += [""] * (18 - len(c))
    value, extensions = _number(c)
    if not value:
        return None
    use, equipment = c[1].upper(), c[2].upper()
    if kept := _kept_codes(c, use, equipment, s):
        extensions.append({"url": ALTERNATE_CODES, "valueCodeableConcept": {"coding": kept}})
    system = _SYSTEMS.get(equipment)
    if system is None or value == c[3]:
        system = "email" if use == "NET" or "@" in value else system or "phone"
    out: FhirJson = {"extension": extensions} if extensions else {}
    out["system"] = system
    out["value"] = value
    finished_use = "mobile" if equipment == "CP" else _USES.get(use) or param
    if finished_use:
        out["use"] = finished_use
    if c[17].isdigit() and 0 < int(c[17][:10]) < 2**31:
        out["rank"] = int(c[17][:10])
    _period(c, out, s)
    return out


#: Codes that FHIR says as well: these need not be kept beside the result.
_TOLD = {"0201": ("PRN", "WPN"), "0202": ("PH", "FX", "BP", "CP")}
_KNOWN = {
    "0201": {*_USES, "ASN", "EMR", "NET", "BPN"},
    "0202": set(_SYSTEMS),
}


def _kept_codes(c: list[str], use: str, equipment: str, s: Sink) -> list[FhirJson]:
    """The codes of XTN-2 and XTN-3 that FHIR cannot say exactly; unknown ones are Issues."""
    kept = []
    for table, code, sent in (("0201", use, c[1]), ("0202", equipment, c[2])):
        if not code:
            continue
        if code not in _KNOWN[table]:
            s.complain("code-unmapped", f"HL7{table}")
        if code not in _TOLD[table] or (table == "0201" and equipment == "CP"):
            system = f"http://terminology.hl7.org/CodeSystem/v2-{table}"
            kept.append({"system": system, "code": "-".join(sent.split())})
    return kept


def _period(c: list[str], out: FhirJson, s: Sink) -> None:
    period: FhirJson = {}
    for index, name in ((12, "start"), (13, "end")):
        value = dtm_datetime(c[index], s) if c[index] else None
        if isinstance(value, Prim):
            period["_" + name] = {"extension": [value.extension]}
        elif value:
            period[name] = value
    if period:
        out["period"] = period
