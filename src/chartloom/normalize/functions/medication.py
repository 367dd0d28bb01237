"""Timing of medication: repeat patterns (RPT), the old TQ, durations and counts."""

from __future__ import annotations

import re
from decimal import Decimal

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import Prim, Sink
from chartloom.normalize.functions.numbers import UCUM, number, with_unit
from chartloom.normalize.functions.times import dtm_datetime, tm_time
from chartloom.normalize.registry import datatype

_ABBREVIATION = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"
_KNOWN = frozenset(
    "BID TID QID AM PM QD QOD Q1H Q2H Q3H Q4H Q6H Q8H BED WK MO".split()  # noqa: SIM905
)
#: HL7 table 0335 and usual abbreviations -> Timing.repeat.
_PATTERNS: dict[str, FhirJson] = {
    "BID": {"frequency": 2, "period": 1, "periodUnit": "d"},
    "TID": {"frequency": 3, "period": 1, "periodUnit": "d"},
    "QID": {"frequency": 4, "period": 1, "periodUnit": "d"},
    "QD": {"frequency": 1, "period": 1, "periodUnit": "d"},
    "DAILY": {"frequency": 1, "period": 1, "periodUnit": "d"},
    "QOD": {"frequency": 1, "period": 2, "periodUnit": "d"},
    "QAM": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["MORN"]},
    "QPM": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["EVE"]},
    "QHS": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]},
    "HS": {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]},
    "QSHIFT": {"frequency": 1, "period": 8, "periodUnit": "h"},
    "ONCE": {"count": 1},
    "1X": {"count": 1},
    **{m: {"when": [m]} for m in ("AC", "PC", "ACM", "ACD", "ACV", "PCM", "PCD", "PCV")},
    "WEEKLY": {"frequency": 1, "period": 1, "periodUnit": "wk"},
    "MONTHLY": {"frequency": 1, "period": 1, "periodUnit": "mo"},
}
_EVERY = re.compile(r"Q(\d{1,3})(S|M|H|D|W|L)", re.ASCII)
_TIMES_A_DAY = re.compile(r"(\d{1,2})ID", re.ASCII)
_ON_DAYS = re.compile(r"Q(\d{0,2})J([1-7]{1,7})", re.ASCII)
_UNITS = {"S": "s", "M": "min", "H": "h", "D": "d", "W": "wk", "L": "mo"}
_WORDS = {
    "SEC": "s", "S": "s", "MIN": "min", "H": "h", "HR": "h", "HOUR": "h", "HOURS": "h", "D": "d",
    "DAY": "d", "DAYS": "d", "W": "wk", "WK": "wk", "WEEK": "wk", "WEEKS": "wk", "L": "mo",
    "MO": "mo", "MONTH": "mo", "MONTHS": "mo", "M": "min", "A": "a", "YR": "a", "YEAR": "a",
}  # fmt: skip
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AS_NEEDED = frozenset({"PRN", "P"})


def _words(text: str) -> list[str]:
    """``Q6H PRN`` and ``PRNBID`` as single words, upper case."""
    words = text.upper().replace(".", "").split()
    return [w for word in words for w in (["PRN", word[3:]] if word[:3] == "PRN" else [word]) if w]


def repeat_of(text: str) -> FhirJson | None:
    """Timing.repeat of a repeat pattern (HL7 table 0335); None if it is none that we know."""
    words = [w for w in _words(text) if w not in _AS_NEEDED]
    if len(words) != 1:
        return None
    word = words[0]
    if known := _PATTERNS.get(word):
        return {k: list(v) if isinstance(v, list) else v for k, v in known.items()}
    if every := _EVERY.fullmatch(word):
        if int(every[1]):
            unit = _UNITS[every[2]]
            return {"frequency": 1, "period": int(every[1]), "periodUnit": unit}
    elif times := _TIMES_A_DAY.fullmatch(word):
        if int(times[1]):
            return {"frequency": int(times[1]), "period": 1, "periodUnit": "d"}
    elif days := _ON_DAYS.fullmatch(word):
        chosen = [_DAYS[int(d) - 1] for d in dict.fromkeys(days[2])]
        weeks = int(days[1] or 1) or 1
        return {"frequency": 1, "period": weeks, "periodUnit": "wk", "dayOfWeek": chosen}
    return None


def timing_of(text: str, spoken: str = "") -> FhirJson:
    """A Timing: the pattern as numbers where we know it, and always as it was written."""
    out: FhirJson = {}
    repeat = repeat_of(text)
    if repeat:
        out["repeat"] = repeat
    code: FhirJson = {}
    word = next((w for w in _words(text) if w in _KNOWN), "")
    if word and repeat:
        code["coding"] = [{"system": _ABBREVIATION, "code": word}]
    code["text"] = f"{text} ({spoken})" if spoken and spoken != text else text
    out["code"] = code
    return out


_RPT = {str(n): "code.text" for n in range(1, 12)} | {"1": "repeat code"}


@datatype("RPT.Timing", _RPT, whole=True)
def rpt_timing(x: str, s: Sink) -> FhirJson | None:
    """RPT (repeat pattern) -> Timing. Several patterns, or more than a code, are kept as text."""
    texts: list[str] = []
    spoken = ""
    for rep in x.split(s.env.rep):
        first, _, rest = rep.partition(s.env.comp)
        code, *names = [s.leaf(p) for p in first.split(s.env.sub)]
        spoken = names[0] if names else ""
        more = " ".join(
            w for w in (s.leaf(p) for p in re.split(_any(s.env.comp, s.env.sub), rest)) if w
        )
        text = " ".join(t for t in (code or spoken, more) if t)
        if text:
            texts.append(text)
    if not texts:
        return None
    return timing_of("; ".join(texts), spoken if len(texts) == 1 else "")


def _any(*marks: str) -> str:
    return "|".join(re.escape(m) for m in marks if m) or r"\x00"


@datatype("RPT.prn", {"1": ""}, whole=True)
def rpt_prn(x: str, s: Sink) -> bool | None:
    """RPT -> true if the pattern says *as needed*."""
    texts = [s.leaf(r.split(s.env.comp, 1)[0].split(s.env.sub, 1)[0]) for r in x.split(s.env.rep)]
    return True if any(w in _AS_NEEDED for t in texts for w in _words(t)) else None


_TQ_READS = {
    "1": "doseAndRate",
    "2": "timing asNeededBoolean",
    "3": "timing.repeat.boundsDuration timing",
    "4": "timing.repeat.boundsPeriod.start",
    "5": "timing.repeat.boundsPeriod.end",
    "7": "additionalInstruction",
    "8": "additionalInstruction",
    "9": "additionalInstruction",
    "10": "additionalInstruction",
    "11": "additionalInstruction",
    "12": "timing.repeat.count",
}
_TQ_IGNORES = {"6": "priority: has a row of its own"}


@datatype("TQ.Dosage", _TQ_READS, _TQ_IGNORES)
def tq_dosage(x: str, s: Sink) -> FhirJson | None:
    """TQ (old form of quantity and timing) -> Dosage."""
    c = x.split(s.env.comp) + [""] * 12
    out: FhirJson = {}
    pattern = s.leaf(c[1].replace(s.env.sub, " "))
    if pattern:
        out["timing"] = timing_of(pattern)
        if any(w in _AS_NEEDED for w in _words(pattern)):
            out["asNeededBoolean"] = True
    bounds = _bounds(c, s)
    if c[11].isdigit() and int(c[11]) > 0:
        bounds["count"] = int(c[11])
    if bounds:
        out.setdefault("timing", {}).setdefault("repeat", {}).update(bounds)
    duration = s.leaf(c[2])
    length = duration_of(duration)
    notes = [s.leaf(c[i].replace(s.env.sub, " ")) for i in (6, 7, 8, 9, 10)]
    if length and "boundsPeriod" not in bounds:
        out.setdefault("timing", {}).setdefault("repeat", {})["boundsDuration"] = length
    elif duration:
        notes.append(duration)
    quantity = s.leaf(c[0].split(s.env.sub, 1)[0])
    if (value := number(quantity)) is not None:
        unit = s.leaf(c[0].partition(s.env.sub)[2].replace(s.env.sub, " "))
        dose = with_unit(value, {"unit": unit} if unit else None)
        out["doseAndRate"] = [{"doseQuantity": dose}]
    elif quantity:
        notes.append(quantity)
    if texts := [{"text": n} for n in notes if n]:
        out["additionalInstruction"] = texts
    return out or None


def _bounds(c: list[str], s: Sink) -> FhirJson:
    period: FhirJson = {}
    for index, name in ((3, "start"), (4, "end")):
        value = dtm_datetime(c[index].replace(s.env.sub, s.env.comp), s) if c[index] else None
        if isinstance(value, Prim):
            period["_" + name] = {"extension": [value.extension]}
        elif value:
            period[name] = value
    return {"boundsPeriod": period} if period else {}


_LENGTH = re.compile(r"([SMHDWL])(\d{1,5})|(\d{1,5})\s*([A-Z]+)", re.ASCII)


def duration_of(text: str) -> FhirJson | None:
    """A Duration of ``D10``, ``10 days``; None if it is none."""
    found = _LENGTH.fullmatch(text.strip().upper())
    if not found:
        return None
    amount = found[2] or found[3]
    unit = _UNITS[found[1]] if found[1] else _WORDS.get(found[4], "")
    return _duration(Decimal(amount), unit) if unit else None


def _duration(amount: Decimal, unit: str) -> FhirJson:
    return {"value": amount, "unit": unit, "system": UCUM, "code": unit}


@datatype("CQ.Duration", {"1": "value", "2": "unit code"})
def cq_duration(x: str, s: Sink) -> FhirJson | None:
    """CQ -> Duration; the unit as UCUM where it is a unit of time."""
    amount, _, unit = x.partition(s.env.comp)
    words = [s.leaf(w) for w in unit.split(s.env.sub)]
    value = number(s.leaf(amount))
    if value is None:
        return None
    code = next((_WORDS[w.upper()] for w in words if w.upper() in _WORDS), "")
    if code:
        return _duration(value, code)
    shown = next((w for w in words if w), "")
    return {"value": value, "unit": shown} if shown else {"value": value}


@datatype("TM.times", {"1": ""})
def tm_times(x: str, s: Sink) -> str | None:
    """TM -> one item of timeOfDay; what is no time is left to Issues."""
    value = tm_time(x, s)
    return value if isinstance(value, str) else None


@datatype("CWE.lines", {"1": "", "2": "", "9": ""}, {"3": "coding system of a text"}, whole=True)
def cwe_lines(x: str, s: Sink) -> str | None:
    """CWE with instructions: the texts of all repetitions, one per line."""
    lines = []
    for rep in x.split(s.env.rep):
        c = [s.leaf(p) for p in rep.split(s.env.comp)] + [""] * 9
        lines.append(c[8] or c[1] or c[0])
    return "\n".join(line for line in lines if line) or None


@datatype("NM.refills", {"1": ""})
def nm_refills(x: str, s: Sink) -> int | None:
    """NM -> a count from zero (refills)."""
    text = s.leaf(x.split(s.env.comp, 1)[0])
    value = number(text)
    if value is None or value < 0 or value != value.to_integral_value() or value > 9999:
        if text:
            s.complain("number-invalid")
        return None
    return int(value)
