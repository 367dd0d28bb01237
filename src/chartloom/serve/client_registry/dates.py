"""Spans of dates as searches name them: a day, a month, a year, or from one to another. Pure."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Final

import msgspec

_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_FIRST, _LAST = date(1800, 1, 1), date(2199, 12, 31)
#: A longer span is looked up by something else, and only compared.
DAYS_MAX: Final = 400


class Span(msgspec.Struct, frozen=True):
    """From the first to the last day. text: as it was asked."""

    first: date
    last: date
    text: str = ""

    def holds(self, value: str) -> bool:
        """Whether a FHIR date lies in it with all its days."""
        other = span_of(value)
        return other is not None and self.first <= other.first and other.last <= self.last

    def values(self) -> list[str]:
        """All FHIR dates that it holds; none if they are too many to be looked up."""
        days = (self.last - self.first).days + 1
        if not 0 < days <= DAYS_MAX:
            return []
        all_days = [self.first + timedelta(days=n) for n in range(days)]
        wider = dict.fromkeys(s for d in all_days for s in (f"{d:%Y-%m}", f"{d:%Y}"))
        return [d.isoformat() for d in all_days] + [w for w in wider if self.holds(w)]


def span_of(text: str) -> Span | None:
    """The days of a FHIR date; ``None`` if it is none."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2] or 0), int(match[3] or 0)
    try:
        first = date(year, month or 1, day or 1)
        if day:
            return Span(first, first, text)
        following = date(year + (month in (0, 12)), month % 12 + 1 if month else 1, 1)
        return Span(first, following - timedelta(days=1), text)
    except (ValueError, OverflowError):
        return None


def asked_span(text: str) -> Span | None:
    """The days of a FHIR search value with its prefix (``ge1984-01``); ``None`` if it is none."""
    prefix, value = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    span = span_of(value)
    if span is None:
        return None
    if prefix == "eq":
        return Span(span.first, span.last, text)
    if prefix in ("ge", "gt", "sa"):
        first = span.first if prefix == "ge" else span.last + timedelta(days=1)
        return Span(first, _LAST, text)
    if prefix in ("le", "lt", "eb"):
        last = span.last if prefix == "le" else span.first - timedelta(days=1)
        return Span(_FIRST, last, text)
    return None


def both(one: Span, other: Span) -> Span:
    """The days that are in both; from a later to an earlier one, if there are none."""
    text = f"{one.text} {other.text}".strip()
    return Span(max(one.first, other.first), min(one.last, other.last), text)
