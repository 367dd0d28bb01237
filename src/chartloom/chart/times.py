"""FHIR dates and times as microseconds, for ordering. What is shown keeps the source's words."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

_EPOCH_DAY = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
_DAY_US = 86_400_000_000


@lru_cache(maxsize=16_384)  # the results of a report share their times
def _to_us(text: str) -> int:
    """A text as in :func:`to_us`."""
    if len(text) < 10:
        text = f"{text}-01-01"[:10] if len(text) == 4 else f"{text}-01"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return _leap_second(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    offset = moment.utcoffset()
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    if offset:
        seconds -= offset.days * 86_400 + offset.seconds
    days = moment.toordinal() - _EPOCH_DAY
    return days * _DAY_US + seconds * 1_000_000 + moment.microsecond


def to_us(text: Any) -> int:
    """A FHIR date, dateTime or instant as UTC microseconds since 1970; 0 if it is not one.

    A partial date (``2024``, ``2024-05``) stands for its first moment; a date without a zone, and a
    time without one, count as UTC.
    """
    return _to_us(text) if isinstance(text, str) else 0


def _leap_second(text: str) -> int:
    """``...:60`` is a legal FHIR time; everything else that does not parse has no place in time."""
    if len(text) > 18 and text[17:19] == "60":
        before = _to_us(text[:17] + "59" + text[19:])
        return before + 1_000_000 if before else 0
    return 0


def first_us(resource: dict[str, Any], paths: tuple[tuple[str, ...], ...]) -> int:
    """The first known time among ``paths``, each a chain of property names."""
    for path in paths:
        value: Any = resource.get(path[0])
        if value is None:
            continue
        for name in path[1:]:
            value = value.get(name) if isinstance(value, dict) else None
        if found := to_us(value):
            return found
    return 0


def day_of(at_us: int) -> str:
    """The day in UTC, ``2026-03-01``; "" beyond what a calendar holds."""
    try:
        return datetime.fromtimestamp(at_us // 1_000_000, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return ""
