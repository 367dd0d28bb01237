"""Appointment: times in several segments, the status by event, what FHIR demands."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from chartloom.domain.resource import FhirJson
from chartloom.formats.hl7v2 import Segment
from chartloom.normalize.context import Instance, Msg
from chartloom.normalize.functions.numbers import number
from chartloom.normalize.functions.times import dtm_datetime
from chartloom.normalize.registry import finisher, segment_function

#: Statuses of an appointment that need no time (app-3).
_TIMELESS = frozenset({"proposed", "cancelled", "waitlist"})
_MINUTES = {"": 1, "M": 1, "MIN": 1, "MINUTES": 1, "MINUTE": 1, "H": 60, "HR": 60, "HOUR": 60,
            "HOURS": 60, "D": 1440, "DAY": 1440, "DAYS": 1440, "S": 0, "SEC": 0}  # fmt: skip
_LATEST_MINUTES = 527_040  #: a year; anything longer is a mistake


def _time(out: FhirJson, name: str, text: str, m: Msg) -> None:
    """A start or end, if it is exact; the first that is said wins."""
    value = dtm_datetime(text, m) if text else None
    if isinstance(value, str) and len(value) > 10:
        out.setdefault(name, value)


def _minutes(out: FhirJson, amount: str, unit: str, m: Msg) -> None:
    value = number(m.leaf(amount.split(m.env.comp, 1)[0])) if amount else None
    words = [m.leaf(w).upper() for w in unit.split(m.env.comp)] if unit else [""]
    factor = next((_MINUTES[w] for w in words if w in _MINUTES), 0)
    if value is None or not factor:
        return
    minutes = value * factor
    if minutes == minutes.to_integral_value() and Decimal(0) < minutes < _LATEST_MINUTES:
        out.setdefault("minutesDuration", int(minutes))


@segment_function(
    "SCH.timing",
    {
        "3": "minutesDuration",
        "4": "start",
        "5": "end",
        "1": "minutesDuration",
        "2": "extension",
        "6": "priority",
    },
)
def sch_timing(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """SCH-11 (TQ) -> start and end."""
    c = f[11].split(m.env.rep, 1)[0].split(m.env.comp) + [""] * 6
    _time(out, "start", c[3].replace(m.env.sub, m.env.comp), m)
    _time(out, "end", c[4].replace(m.env.sub, m.env.comp), m)
    _minutes(out, c[2], "", m)
    if m.bad:
        m.flush(seg, 11)


@segment_function("SCH.duration")
def sch_duration(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """SCH-9 and SCH-10 -> minutesDuration."""
    _minutes(out, f[9], f[10], m)


@segment_function("TQ1.start")
def tq1_start(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """TQ1-7 -> start."""
    _time(out, "start", f[7], m)
    if m.bad:
        m.flush(seg, 7)


@segment_function("TQ1.end")
def tq1_end(
    f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
) -> None:
    """TQ1-8 -> end."""
    _time(out, "end", f[8], m)
    if m.bad:
        m.flush(seg, 8)


def _resource_times(name: str, start: int, amount: int) -> None:
    @segment_function(f"{name}.start")
    def begin(
        f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
    ) -> None:
        _time(out, "start", f[start], m)
        if m.bad:
            m.flush(seg, start)

    @segment_function(f"{name}.duration")
    def length(
        f: list[str], m: Msg, out: FhirJson, at: Instance, seg: Segment, cleared: list[str]
    ) -> None:
        _minutes(out, f[amount], f[amount + 1], m)


for _name, _start, _amount in (("AIS", 4, 7), ("AIG", 8, 11), ("AIL", 6, 9), ("AIP", 6, 9)):
    _resource_times(_name, _start, _amount)


@finisher("appointment")
def finish_appointment(
    out: FhirJson, m: Msg, instance: Instance, weak: list[str], seg: Segment | None
) -> None:
    """End from start and length; a reason for cancelling only where it was cancelled."""
    for name in ("start", "end"):
        out.pop(f"_{name}", None)
    start, minutes = out.get("start"), out.get("minutesDuration")
    if start and "end" not in out and minutes:
        out["end"] = _later(start, minutes)
    if ("start" in out) != ("end" in out):
        out.setdefault("end", out.get("start"))
        out.setdefault("start", out["end"])
        m.issue("element-missing", seg, 0, 0, "Appointment.end")
    if "start" not in out and out["status"] not in _TIMELESS:
        out["status"] = "proposed"
        weak.append("status")
        m.issue("element-missing", seg, 0, 0, "Appointment.start")
    reason = out.get("cancelationReason")
    if reason and out["status"] not in ("cancelled", "noshow"):
        del out["cancelationReason"]
        out.setdefault("reasonCode", []).append(reason)
    _finish_participants(out)


def _finish_participants(out: FhirJson) -> None:
    """Every participant needs a status, and a type or an actor (app-1)."""
    cancelled = out["status"] == "cancelled"
    kept = [p for p in out.get("participant", ()) if "actor" in p or "type" in p]
    for participant in kept:
        if cancelled:
            participant["status"] = "declined"
        else:
            participant.setdefault("status", "accepted")
    out["participant"] = kept


def _later(start: str, minutes: int) -> str:
    """The same spelling of a time, some minutes later."""
    zone = "Z" if start.endswith("Z") else start[-6:]
    moment = datetime.fromisoformat(start) + timedelta(minutes=minutes)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + zone
