"""Values as people read them: times with their zone, ages, sizes, counts. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_FHIR_TIME = re.compile(
    r"(?P<y>\d{4})(?:-(?P<m>\d\d)(?:-(?P<d>\d\d)"
    r"(?:T(?P<H>\d\d):(?P<M>\d\d)(?::(?P<S>\d\d)(?:\.\d+)?)?(?P<z>Z|[+-]\d\d:\d\d)?)?)?)?\Z"
)
ABSENT = "—"


#: What purposes of use are called.
PURPOSES = {
    Purpose.TREATMENT: "Treatment",
    Purpose.OPERATIONS: "Running the hospital and this site",
    Purpose.QUALITY: "Quality improvement",
    Purpose.RESEARCH: "Research",
    Purpose.BREAK_GLASS: "Emergency (glass broken)",
}


def moment(us: int, zone: ZoneInfo) -> datetime | None:
    """Microseconds since 1970 as an aware time in ``zone``; None for 0 and for impossible times."""
    if us <= 0:
        return None
    try:
        return (_EPOCH + timedelta(microseconds=us)).astimezone(zone)
    except OverflowError:
        return None


def clock_time(us: int, zone: ZoneInfo, *, seconds: bool = True) -> Markup:
    """``3 May 2026, 14:05:09 CEST`` as a ``<time>`` element; a dash if there is no time."""
    at = moment(us, zone)
    if at is None:
        return escape(ABSENT)
    shown = f"{_day(at)}, {at:%H:%M:%S}" if seconds else f"{_day(at)}, {at:%H:%M}"
    return Markup('<time datetime="{}">{} {}</time>').format(
        at.isoformat(timespec="milliseconds"), shown, _zone_name(at)
    )


#: What says when something was, of an entry.
_WHEN: Final = ("time", "start", "onset", "recorded")


def fhir_time(value: object, zone: ZoneInfo | None = None) -> str:
    """A FHIR date, dateTime or instant with the precision and the zone it was sent with.

    A time whose offset is the site's own at that moment is shown with the zone's name.
    """
    text = str(value or "")
    match = _FHIR_TIME.match(text)
    if not match:
        return text
    y, m, d = match["y"], match["m"], match["d"]
    if not m:
        return y
    month = _MONTHS[int(m) - 1] if 1 <= int(m) <= 12 else m
    if not d:
        return f"{month} {y}"
    shown = f"{int(d)} {month} {y}"
    if not match["H"]:
        return shown
    return f"{shown}, {match['H']}:{match['M']} {_offset(text, match['z'], zone)}".rstrip()


def day_heading(entry: Mapping[str, Any], sort_us: int, zone: ZoneInfo | None) -> str:
    """The day under which an entry stands in a timeline: in the site's zone, unless its source says
    no more than a date, which is the same everywhere."""
    if not sort_us:
        return "No date"
    said = str(next((entry[k] for k in _WHEN if entry.get(k)), ""))
    if len(said) <= 10 and to_us(said) == sort_us:
        return fhir_time(said)
    at = _EPOCH + timedelta(microseconds=sort_us)
    return fhir_time(at.astimezone(zone).date().isoformat())


def _offset(text: str, offset: str | None, zone: ZoneInfo | None) -> str:
    if not offset:
        return ""
    if zone is not None:
        try:
            at = datetime.fromisoformat(text.replace("Z", "+00:00"))
        except ValueError:
            return offset
        local = at.astimezone(zone)
        if local.utcoffset() == at.utcoffset():
            return _zone_name(local)
    return "UTC" if offset in ("Z", "+00:00") else offset


def _zone_name(at: datetime) -> str:
    name = at.tzname() or ""
    return name if name[:1].isalpha() else f"UTC{name}"


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def duration(us: int) -> str:
    """A length of time in its largest sensible unit: ``3 min``, ``2 h``, ``5 days``."""
    seconds = abs(us) / 1e6
    if seconds < 1:
        return "under 1 s"
    for limit, divisor, unit in (
        (90, 1, "s"),
        (90 * 60, 60, "min"),
        (36 * 3600, 3600, "h"),
        (60 * 86400, 86400, "days"),
        (730 * 86400, 30.44 * 86400, "months"),
    ):
        if seconds < limit:
            n = round(seconds / divisor)
            return f"{n} {unit.removesuffix('s') if unit == 'days' and n == 1 else unit}"
    return f"{round(seconds / (365.25 * 86400))} years"


def ago(us: int, now_us: int) -> str:
    """``3 min ago``; ``in 5 min`` for a time ahead of this clock; a dash for none."""
    if us <= 0:
        return ABSENT
    if now_us - us < -1_000_000:
        return f"in {duration(us - now_us)}"
    if now_us - us < 1_000_000:
        return "just now"
    return f"{duration(now_us - us)} ago"


def age(birth_date: object, now_us: int, deceased: object = "") -> str:
    """Age as wards write it: days under a month, months under two years, else years; "" if unknown.

    ``deceased``: the date of death, when the person has died (age at death).
    """
    born, until = _parse_day(birth_date), _parse_day(deceased)
    if born is None:
        return ""
    today = until or (_EPOCH + timedelta(microseconds=now_us)).date()
    days = (today - born).days
    if days < 0:
        return ""
    months = (today.year - born.year) * 12 + today.month - born.month - (today.day < born.day)
    if months < 1:
        return f"{days} d"
    return f"{months} mo" if months < 24 else f"{months // 12} y"


def _parse_day(value: object) -> date | None:
    try:
        return date.fromisoformat(str(value or "")[:10])
    except ValueError:
        return None


def size(n: int) -> str:
    """``512 bytes``, ``1.4 kB``, ``2.0 MB``."""
    if n < 1000:
        return f"{n} byte{'' if n == 1 else 's'}"
    return f"{n / 1000:.1f} kB" if n < 1_000_000 else f"{n / 1_000_000:.1f} MB"


def number(n: int | float | Decimal) -> str:
    """A count with thin spaces between groups of thousands."""
    return f"{n:,}".replace(",", " ")


def latency(ms: float) -> str:
    """Milliseconds as people say them; a dash when unknown (negative)."""
    if ms < 0:
        return ABSENT
    if ms < 10:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"


def plural(n: int, one: str, many: str = "") -> str:
    """``1 message``, ``2 messages``."""
    return f"{number(n)} {one if n == 1 else many or one + 's'}"


def unled(text: str) -> Markup:
    """Drawn parts without the separator before the first, when what led them is absent."""
    return Markup(text.strip().removeprefix("·").lstrip())  # noqa: S704 - drawn by a template


def gap(text: str) -> Markup:
    """Escaped text in which long unbroken codes may wrap after ``.``, ``-``, ``_``, ``/``."""
    return Markup("<wbr>").join(re.split(r"(?<=[._/|-])(?=\w)", text))


class Soft(dict[str, Any]):
    """A chart entry for a template: what was not said is an empty text."""

    def __missing__(self, key: str) -> str:
        return ""


#: Nearly all that a chart consists of; a call for each would take a tenth of a page's time.
_LEAVES: Final = frozenset((str, int, bool, float, Decimal, type(None)))


def soft(value: Any) -> Any:
    """``value`` with every object in it as :class:`Soft`."""
    if isinstance(value, dict):
        return Soft({k: v if type(v) in _LEAVES else soft(v) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return [v if type(v) in _LEAVES else soft(v) for v in value]
    return value


def runs(items: Iterable[Any], attribute: str) -> list[tuple[Any, list[Any]]]:
    """Neighbours with the same ``attribute`` together, in their order."""
    return [(key, list(group)) for key, group in groupby(items, attrgetter(attribute))]


#: What UCUM writes in braces.
_ANNOTATION: Final = re.compile(r"\{([^{}]*)\}")


def unit(text: str) -> str:
    """A unit as people write it: what UCUM has in braces is an annotation and no unit.

    ``{INR}`` says what the number is, which its name says already; ``{copies}/mL`` is copies/mL,
    and ``mg/g{creat}`` mg/g creat.
    """
    if _ANNOTATION.fullmatch(text):
        return ""
    return _ANNOTATION.sub(_annotated, text)


def _annotated(found: re.Match[str]) -> str:
    """What an annotation says; apart from the unit that it stands behind."""
    behind = found.start() and found.string[found.start() - 1] not in "/.("
    return (" " if behind else "") + found[1].replace("_", " ")
