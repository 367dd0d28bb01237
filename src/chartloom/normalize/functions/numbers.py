"""Numbers and quantities: NM, SN, CQ, NR, units (UCUM) and reference ranges. Digits are kept."""

from __future__ import annotations

import re
from decimal import Decimal

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import Prim, Sink, raw
from chartloom.normalize.registry import datatype

UCUM = "http://unitsofmeasure.org"
_NUMBER = r"[+-]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})"
_NM = re.compile(_NUMBER, re.ASCII)
_WITH_COMPARATOR = re.compile(rf"(<=|>=|<|>|≤|≥)\s*({_NUMBER})", re.ASCII)
_COMPARATORS = {
    "<": "<",
    ">": ">",
    "<=": "<=",
    ">=": ">=",
    "≤": "<=",
    "≥": ">=",
    "=<": "<=",
    "=>": ">=",
}
#: Blanks are taken whole (``*+``): to try each split of a long run of them would take its square.
_RANGE = re.compile(
    rf"\(?\s*+({_NUMBER})\s*+(?:-|–|—|to|TO|\.\.)\s*+({_NUMBER})\s*+\)?"
    r"(?:\s*+([A-Za-zµ°%/(\[].*))?",
    re.ASCII,
)
_BOUND = re.compile(
    rf"(<=|>=|=<|=>|<|>|≤|≥|up to|UP TO)\s*({_NUMBER})(?:\s*([A-Za-zµ°%/(\[].*))?", re.ASCII
)


def number(text: str) -> Decimal | None:
    """The decimal that a text says, with its digits; None if it says none."""
    return Decimal(text) if _NM.fullmatch(text) else None


@datatype("NM.decimal", {"1": ""}, primitive=True)
def nm_decimal(x: str, s: Sink) -> Decimal | Prim | None:
    """NM -> decimal."""
    text = s.leaf(x.split(s.env.comp, 1)[0])
    if not text:
        return None
    value = number(text)
    if value is None:
        s.complain("number-invalid")
        return raw(text)
    return value


@datatype("NM.positiveInt", {"1": ""}, primitive=True)
def nm_positive(x: str, s: Sink) -> int | Prim | None:
    """NM, SI -> positiveInt."""
    text = s.leaf(x.split(s.env.comp, 1)[0])
    if not text:
        return None
    if text.isascii() and text.isdigit() and 0 < int(text[:12]) < 2**31:
        return int(text)
    s.complain("number-invalid")
    return raw(text)


#: What a unit begins with whose "^" the sender took for a letter, and what stands after it.
_POWER_OF = frozenset(("10", "x10", "X10"))
_POWER = re.compile(r"\d{1,2}(?:\s*/.{1,12})?")

UNIT_READS = {"1": "code unit", "2": "unit", "3": "system"}
UNIT_IGNORES = {
    "4": "second code of a unit",
    "5": "second text of a unit",
    "6": "second code system of a unit",
    "7": "version of the units' code system",
    "8": "version of the units' second code system",
    "9": "original text of a unit: its text or code is kept",
}


@datatype("CWE.unit", UNIT_READS, UNIT_IGNORES, memo=True)
def unit_of(x: str, s: Sink) -> FhirJson | None:
    """OBX-6 and other units -> the unit part of a Quantity: UCUM where known, else text."""
    c = [*x.split(s.env.comp), "", ""]
    code, text, system = s.leaf(c[0]), s.leaf(c[1]), s.leaf(c[2]).upper()
    if not code and not text:
        return None
    if code in _POWER_OF and _POWER.fullmatch(text):  # "10^9/L", its "^" not escaped
        code, text = f"{code}^{text}", ""
    if system == "UCUM" and code:
        return {"unit": text or code, "system": UCUM, "code": code}
    units = s.env.units
    for word in (code, text):
        ucum = units.get(word) or units.get(word.lower()) if word else None
        if ucum:
            return {"unit": text or code, "system": UCUM, "code": ucum}
    if len(c) > 7 and s.leaf(c[5]).upper() == "UCUM" and s.leaf(c[3]):
        return {"unit": text or code, "system": UCUM, "code": s.leaf(c[3])}
    s.complain("unit-not-ucum")
    return {"unit": text or code}


def with_unit(value: Decimal, unit: FhirJson | None, comparator: str = "") -> FhirJson:
    """A Quantity."""
    out: FhirJson = {"value": value}
    if comparator:
        out["comparator"] = comparator
    if unit:
        out.update(unit)
    return out


def quantity(text: str, unit: FhirJson | None) -> FhirJson | None:
    """A Quantity of ``1.50`` or ``<5``; None if the text is no number."""
    value = number(text)
    if value is not None:
        return with_unit(value, unit)
    found = _WITH_COMPARATOR.fullmatch(text)
    if found:
        return with_unit(Decimal(found[2]), unit, _COMPARATORS[found[1]])
    return None


def structured(c: list[str], unit: FhirJson | None) -> tuple[str, FhirJson] | None:
    """SN (comparator, number, separator, number) as (kind of value, value)."""
    c = [*c, "", "", "", ""]
    comparator, first, separator, second = c[0].strip(), number(c[1]), c[2], number(c[3])
    if first is None or comparator not in ("", "=", *_COMPARATORS):
        return None
    mark = _COMPARATORS.get(comparator, "")
    if not separator and not c[3]:
        return "Quantity", with_unit(first, unit, mark)
    if separator == "-" and second is not None and not mark:
        return "Range", {"low": with_unit(first, unit), "high": with_unit(second, unit)}
    if separator in ("/", ":") and second is not None:
        return "Ratio", {
            "numerator": with_unit(first, unit, mark),
            "denominator": {"value": second},
        }
    return None


@datatype("CQ.Quantity", {"1": "value", "2": "unit code system"})
def cq_quantity(x: str, s: Sink) -> FhirJson | None:
    """CQ -> Quantity."""
    amount, _, unit = x.partition(s.env.comp)
    text = s.leaf(amount)
    if not text and not s.leaf(unit):
        return None
    parts = unit_of(unit.replace(s.env.sub, s.env.comp), s) if unit else None
    value = quantity(text, parts)
    if value is None:
        if text:
            s.complain("number-invalid")
        return {"unit": " ".join(p for p in (text, (parts or {}).get("unit", "")) if p)}
    return value


def reference_range(text: str, unit: FhirJson | None) -> tuple[FhirJson, str]:
    """A reference range text as low and high (where it says so) plus text; and an Issue code."""
    out: FhirJson = {}
    found = _RANGE.fullmatch(text)
    if found:
        low, high = Decimal(found[1]), Decimal(found[2])
        if low > high:
            return {"text": text}, "reference-range-inverted"
        out["low"], out["high"] = with_unit(low, unit), with_unit(high, unit)
    elif found := _BOUND.fullmatch(text):
        side = "low" if found[1][0] in ">≥" or found[1] == "=>" else "high"
        out[side] = with_unit(Decimal(found[2]), unit)
    out["text"] = text
    return out, ""
