"""XTN (telephone, e-mail) and XAD pieces that need more than a row."""

from __future__ import annotations

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import ALTERNATE_CODES, ORIGINAL_TEXT, Prim, Sink
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


def _number(c: list[str]) -> str:
    """The number or address: one of the whole forms, else its pieces; an extension at the end."""
    whole = c[3] or c[11] or c[0]
    if c[3] and "@" not in c[3] and c[0]:
        whole = c[0]
    if not whole:
        local = c[6]
        pieces = [f"+{c[4].lstrip('+')}" if c[4] else "", f"({c[5]})" if c[5] else "", local]
        whole = " ".join(p for p in pieces if p)
    extension = c[7] or c[10]
    if extension and extension not in whole:
        whole += f" x{extension}"
    return whole


@datatype("XTN.ContactPoint", _READS, _IGNORES, param=True)
def xtn_contact(x: str, s: Sink, param: str = "") -> FhirJson | None:
    """XTN -> ContactPoint. ``param`` is the use where XTN-2 says none (``home``, ``work``)."""
    c = [s.leaf(p) if p else "" for p in x.split(s.env.comp)]
    c += [""] * (18 - len(c))
    value = _number(c)
    use, equipment = c[1].upper(), c[2].upper()
    if not value:
        return None
    out: FhirJson = {}
    if c[3] and value == c[3]:
        system = "email" if "@" in c[3] else _SYSTEMS.get(equipment, "other")
    else:
        system = _SYSTEMS.get(equipment) or ("email" if use == "NET" or "@" in value else "phone")
    kept = [
        {
            "system": f"http://terminology.hl7.org/CodeSystem/v2-{table}",
            "code": "-".join(code.split()),
        }
        for table, code, known in (
            ("0201", c[1], use in _USES),
            ("0202", c[2], equipment in _SYSTEMS),
        )
        if code
        and not (known and table == "0201" and use in ("PRN", "WPN", "PRS"))
        and not (known and table == "0202" and equipment in ("PH", "FX", "BP"))
    ]
    for table, code, known in (
        ("HL70201", use, use in _KNOWN_USES),
        ("HL70202", equipment, equipment in _SYSTEMS),
    ):
        if code and not known:
            s.complain("code-unmapped", table)
    if kept:
        out["extension"] = [{"url": ALTERNATE_CODES, "valueCodeableConcept": {"coding": kept}}]
    if c[8]:
        out.setdefault("extension", []).append({"url": ORIGINAL_TEXT, "valueString": c[8]})
    out["system"] = system
    out["value"] = value
    finished_use = "mobile" if equipment == "CP" else _USES.get(use) or param
    if finished_use:
        out["use"] = finished_use
    if c[17].isdigit() and int(c[17]) > 0 and len(c[17]) < 10:
        out["rank"] = int(c[17])
    _period(c, out, s)
    return out


_KNOWN_USES = {*_USES, "ASN", "EMR", "NET", "BPN"}


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
