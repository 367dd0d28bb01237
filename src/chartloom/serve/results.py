"""Results as a chart shows them: flags in words, ranges, trends, and the page of one series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from markupsafe import Markup

from chartloom.serve import words
from chartloom.serve.svg import Band, Point, mini_trend

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: Codes of HL7 v3 ObservationInterpretation -> (kind, words). What is not here shows as it came.
_FLAGS = {
    "H": ("high", "High"),
    "HU": ("high", "Significantly high"),
    "L": ("low", "Low"),
    "LU": ("low", "Significantly low"),
    "HH": ("critical", "Critically high"),
    "LL": ("critical", "Critically low"),
    "AA": ("critical", "Critically abnormal"),
    ">": ("critical", "Off scale high"),
    "<": ("critical", "Off scale low"),
    "A": ("abnormal", "Abnormal"),
    "POS": ("abnormal", "Positive"),
    "DET": ("abnormal", "Detected"),
    "R": ("abnormal", "Resistant"),
}
_UNREMARKABLE = {"N", "NEG", "ND", "S", ""}


class Flag(msgspec.Struct, frozen=True):
    """What the source said about a value."""

    kind: str
    words: str
    code: str


def flags(point: dict[str, Any]) -> list[Flag]:
    """The point's flags, without those that say that it is normal."""
    found = []
    for code in point.get("flags", ()):
        if code not in _UNREMARKABLE:
            kind, words = _FLAGS.get(code, ("abnormal", code))
            found.append(Flag(kind, words, code))
    return found


def band(point: dict[str, Any]) -> Band | None:
    """The reference range as numbers, if the source sent one that can be read."""
    limits = point.get("range", {})
    low, high = _number(limits.get("low", "")), _number(limits.get("high", ""))
    return Band(low, high) if low is not None or high is not None else None


def range_words(point: dict[str, Any]) -> str:
    """The reference range with the source's digits."""
    limits = point.get("range", {})
    low, high, text = (str(limits.get(k, "")) for k in ("low", "high", "text"))
    if low and high:
        return f"{low}–{high}"
    if text or not (low or high):
        return text  # "<20" is not "up to 20"
    return f"≥ {low}" if low else f"≤ {high}"


def value_words(point: dict[str, Any]) -> str:
    """Value and unit as sent; if there is none, why ("" if the source did not say)."""
    if "value" in point:
        comparator = point.get("comparator", "")
        return f"{comparator}{point['value']} {words.unit(point.get('unit', ''))}".rstrip()
    parts = [
        f"{c.get('text', '')} {c.get('value', '')} {words.unit(c.get('unit', ''))}".strip()
        for c in point.get("components", ())
    ]
    return ", ".join(parts) or str(point.get("absent", ""))


def plotted(points: Sequence[dict[str, Any]], zone: ZoneInfo) -> list[Point]:
    """The numeric points with a time, oldest first."""
    drawn = []
    for point in points:
        value = _number(point.get("value", "")) if point.get("kind") == "quantity" else None
        if value is None or point["sort_us"] == 0:
            continue
        found = flags(point)
        drawn.append(
            Point(
                at=(_EPOCH + timedelta(microseconds=point["sort_us"])).astimezone(zone),
                value=value,
                text=value_words(point),
                flag=found[0].kind if found else "",
                corrected=bool(point.get("corrected")),
            )
        )
    return sorted(drawn, key=lambda p: p.at)


def trend(series: dict[str, Any], zone: ZoneInfo) -> Markup:
    """The small drawing in a row of the results table; empty for fewer than two numbers."""
    points = plotted(series["points"], zone)
    if len(points) < 2:
        return Markup("")
    direction = "rising" if points[-1].value > points[0].value else "falling"
    if points[-1].value == points[0].value:
        direction = "level"
    label = f"{len(points)} results, {direction}, from {points[0].text} to {points[-1].text}"
    return mini_trend(points, band(series["points"][0]), label)


def _number(text: object) -> float | None:
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if abs(value) < 1e15 else None
