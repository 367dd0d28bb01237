"""HL7 times (DTM, TS, DT, TM, DR) as FHIR dates and times, with their precision and zone.

HL7: ``YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]``. A time without zone is in the feed's zone
(at its offset on that day). FHIR cannot say hours without minutes and seconds, so these are filled
with zeros; coarser precision stays as it is.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chartloom.domain.resource import FhirJson
from chartloom.normalize.context import Prim, Sink, raw
from chartloom.normalize.registry import datatype

_DTM = re.compile(
    r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{0,9}))?)?)?)?)?)?([+-]\d{4}|Z)?",
    re.ASCII,
)
_ISO = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d(:\d\d){0,2}(\.\d+)?([+-]\d\d:?\d\d|Z)?)?)?", re.ASCII)
_TM = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,9}))?)?)?(?:[+-]\d{4})?", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TS_READS = {"1": ""}
_TS_IGNORES = {"2": "degree of precision (deprecated): the digits of the time say it"}


def _offset(zone: tzinfo, minute: str) -> str:
    """The zone's offset at a local minute ``YYYYMMDDHHMM`` as ``+HH:MM``."""
    if int(minute[10:]) > 59:
        raise ValueError("no minute")
    return _offset_of_hour(zone, minute[:10]) or _offset_of_minute(zone, minute)


@lru_cache(maxsize=16384)
def _offset_of_hour(zone: tzinfo, hour: str) -> str:
    """The zone's offset during a local hour ``YYYYMMDDHH``; ``""`` if it changes within it."""
    first = _offset_of_minute(zone, hour + "00")
    return first if first == _offset_of_minute(zone, hour + "59") else ""


def _offset_of_minute(zone: tzinfo, minute: str) -> str:
    year, month, day = int(minute[:4]), int(minute[4:6]), int(minute[6:8])
    delta = datetime(year, month, day, int(minute[8:10]), int(minute[10:]), tzinfo=zone).utcoffset()
    seconds = int(delta.total_seconds()) if delta is not None else 0
    # Local mean times before 1900 have seconds, which FHIR cannot say.
    minutes = round(seconds / 60)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def sender_shift(sent: str, zone: str) -> str:
    """The offset in MSH-7 (``+01:00``), which holds for all times of the message that have none.

    ``""`` if MSH-7 has none or it is what the feed's ``zone`` has then: the zone knows its summer
    time, so it is better (HL7 v2.5.1, 2.15.9.7).
    """
    text = sent.strip()
    if len(text) < 17 or text[-5] not in "+-":
        return ""
    shift, minute = f"{text[-5:-2]}:{text[-2:]}", text[:12]
    if not (text[-4:] + minute).isdigit() or shift[1:3] > "14" or shift[4:] > "59":
        return ""
    try:
        return "" if _offset(ZoneInfo(zone), minute) == shift else shift
    except (ValueError, OverflowError, ZoneInfoNotFoundError):
        return ""


def _compact(text: str) -> str:
    """An ISO 8601 time as HL7 writes it; other text unchanged."""
    if "-" in text[4:5] and _ISO.fullmatch(text):
        day, time = text[:10], text[11:]
        zone = ""
        for sign in "+-":
            if sign in time:
                time, zone = time.split(sign)
                zone = sign + zone.replace(":", "")
        return day.replace("-", "") + time.replace(":", "") + zone
    return text


@lru_cache(maxsize=16384)
def _hour(zone: tzinfo, hour: str) -> tuple[str, str]:
    """The beginning (``2026-03-02T07``) and the offset of all times of a local hour
    ``YYYYMMDDHH``; empty if it is none, or the offset changes within it."""
    try:
        offset = _offset_of_hour(zone, hour)
    except (ValueError, OverflowError):
        return "", ""
    return (f"{hour[:4]}-{hour[4:6]}-{hour[6:8]}T{hour[8:]}", offset) if offset else ("", "")


def to_datetime(text: str, zone: tzinfo) -> str:
    """FHIR dateTime for an HL7 time; ``""`` if it is none."""
    if len(text) == 14 and text.isdecimal() and text.isascii():  # most times are exact to a second
        begin, offset = _hour(zone, text[:10])
        minute, second = text[10:12], text[12:]
        if begin and minute < "60" and second < "60":
            return f"{begin}:{minute}:{second}{offset}"
    found = _DTM.fullmatch(text) or _DTM.fullmatch(_compact(text))
    if not found:
        return ""
    year, month, day, hour, minute, second, fraction, shift = found.groups()
    try:
        date(int(year), int(month or 1), int(day or 1))
        if hour is None:
            return "-".join(p for p in (year, month, day) if p)
        if hour > "23" or (minute or "00") > "59" or (second or "00") > "59":
            return ""
        if shift is None:
            offset = _offset(zone, f"{year}{month}{day}{hour}{minute or '00'}")
        elif shift == "Z":
            offset = "Z"
        else:
            if shift[1:3] > "14" or shift[3:] > "59":
                return ""
            offset = f"{shift[:3]}:{shift[3:]}"
    except (ValueError, OverflowError):
        return ""
    part = f".{fraction}" if fraction else ""
    return f"{year}-{month}-{day}T{hour}:{minute or '00'}:{second or '00'}{part}{offset}"


def to_us(value: str) -> int | None:
    """Microseconds since 1970 of a FHIR dateTime (the beginning of a day, month or year)."""
    try:
        if len(value) > 10:
            stamp = datetime.fromisoformat(_short_fraction(value) if "." in value else value)
        else:
            year, month, day = ([int(p) for p in value.split("-")] + [1, 1])[:3]
            stamp = datetime(year, month, day, tzinfo=UTC)
        return (stamp - _EPOCH) // _MICROSECOND
    except (ValueError, OverflowError):
        return None


def _short_fraction(value: str) -> str:
    """A dateTime with a fraction, with at most six digits of it."""
    head, _, tail = value.partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[: min(digits, 6)]:0<6}{tail[digits:]}"


def instant_of_us(us: int) -> str:
    """A FHIR instant in UTC."""
    minute, rest = divmod(us, 60_000_000)
    second, rest = divmod(rest, 1_000_000)
    return (
        f"{_minute(minute)}{second:02d}.{rest:06d}Z" if rest else f"{_minute(minute)}{second:02d}Z"
    )


@lru_cache(maxsize=1024)
def _minute(since: int) -> str:
    """The beginning (``2026-03-02T07:05:``) of all times in a minute after the epoch."""
    return (_EPOCH + timedelta(minutes=since)).isoformat()[:17]


def _first(x: str, s: Sink) -> str:
    return s.leaf(x.split(s.env.comp, 1)[0].split(s.env.sub, 1)[0])


@datatype("DTM.dateTime", _TS_READS, _TS_IGNORES, memo=True, primitive=True)
def dtm_datetime(x: str, s: Sink) -> str | Prim | None:
    """DTM, TS -> dateTime."""
    text = _first(x, s)
    if not text:
        return None
    value = to_datetime(text, s.env.zone)
    if not value:
        s.complain("date-invalid")
        return raw(text)
    return value


@datatype("DTM.instant", _TS_READS, _TS_IGNORES, memo=True, primitive=True)
def dtm_instant(x: str, s: Sink) -> str | Prim | None:
    """DTM -> instant; coarser times are kept as text, because an instant must be exact."""
    value: str | Prim | None = dtm_datetime(x, s)
    if isinstance(value, str) and len(value) <= 10:
        return raw(_first(x, s))
    return value


@datatype("DTM.date", _TS_READS, _TS_IGNORES, memo=True, primitive=True)
def dtm_date(x: str, s: Sink) -> str | Prim | None:
    """DTM, DT -> date: the day, month or year that was written, whatever the zone."""
    value = dtm_datetime(x, s)
    return value[:10] if isinstance(value, str) else value


@datatype("DTM.exactDateTime", _TS_READS, _TS_IGNORES, memo=True)
def dtm_exact(x: str, s: Sink) -> str | None:
    """DTM -> dateTime only if it is finer than a day; invalid times are reported elsewhere."""
    text = _first(x, s)
    value = to_datetime(text, s.env.zone) if text else ""
    return value if len(value) > 10 else None


@datatype("TM.time", _TS_READS, _TS_IGNORES, memo=True, primitive=True)
def tm_time(x: str, s: Sink) -> str | Prim | None:
    """TM -> time. FHIR times carry no zone."""
    text = _first(x, s)
    if not text:
        return None
    found = _TM.fullmatch(text)
    if not found or found[1] > "23" or (found[2] or "") > "59" or (found[3] or "") > "59":
        s.complain("date-invalid")
        return raw(text)
    hour, minute, second, fraction = found.groups()
    part = f".{fraction}" if fraction else ""
    return f"{hour}:{minute or '00'}:{second or '00'}{part}"


@datatype("DR.Period", {"1": "start _start", "2": "end _end"}, memo=True)
def dr_period(x: str, s: Sink) -> FhirJson | None:
    """DR -> Period."""
    comps = x.split(s.env.comp)
    out: FhirJson = {}
    for name, text in zip(("start", "end"), comps, strict=False):
        value = dtm_datetime(text.replace(s.env.sub, s.env.comp), s) if text else None
        if isinstance(value, Prim):
            out["_" + name] = {"extension": [value.extension]}
        elif value:
            out[name] = value
    return out or None
