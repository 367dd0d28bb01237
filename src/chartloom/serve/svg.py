"""Charts drawn on the server as SVG, without scripts or inline styles. Pure functions.

Every chart has its numbers in a table beside it; the drawing only adds the shape. Marks differ in
form, not only in colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from math import floor, log10

import msgspec
from markupsafe import Markup

from chartloom.serve.words import number

#: For numbers and words of ours, which need no escaping; ``Markup.format`` is slow.
_drawn = Markup


def sparkline(counts: Sequence[int], label: str) -> Markup:
    """Counts per equal step as a small area chart, 120 x 32; ``label`` is read aloud instead."""
    width, height, top = 120.0, 32.0, max(counts, default=0)
    if not counts:
        return Markup("")
    step = width / max(len(counts) - 1, 1)

    def y(n: int) -> float:
        return height - 2 - (height - 5) * (n / top if top else 0)

    line = " ".join(f"{i * step:.1f},{y(n):.1f}" for i, n in enumerate(counts))
    return Markup(
        '<svg class="spark" viewBox="0 0 120 32" preserveAspectRatio="none" role="img" '
        'aria-label="{}" focusable="false">'
        '<polygon class="spark-area" points="0,{h} {line} 120,{h}"/>'
        '<polyline class="spark-line" points="{line}"/></svg>'
    ).format(label, h=height - 1, line=line)


class Point(msgspec.Struct, frozen=True):
    """One result. flag, as the source said: ``high``, ``low``, ``critical``, ``abnormal`` or ""."""

    at: datetime
    value: float
    text: str  #: value and unit as sent
    flag: str = ""
    corrected: bool = False


class Band(msgspec.Struct, frozen=True):
    """A reference range; None where it is open."""

    low: float | None
    high: float | None


def mini_trend(points: Sequence[Point], band: Band | None, label: str) -> Markup:
    """The newest results of a series at row height (96 x 28), oldest at the left."""
    if len(points) < 2:
        return Markup("")
    scale = _Scale.around(points, band, left=4, right=92, top=4, bottom=24)
    parts = [
        Markup('<svg class="trend" viewBox="0 0 96 28" role="img" aria-label="{}">').format(label)
    ]
    parts.append(_band(scale, band))
    xs = [4 + 88 * i / (len(points) - 1) for i in range(len(points))]
    line = " ".join(f"{x:.1f},{scale.y(p.value):.1f}" for x, p in zip(xs, points, strict=True))
    parts.append(_drawn(f'<polyline class="trend-line" points="{line}"/>'))
    parts.append(_mark(xs[-1], scale.y(points[-1].value), points[-1].flag, 3.2))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def series_chart(points: Sequence[Point], band: Band | None, title: str, unit: str) -> Markup:
    """A result over time, 960 x 290: points (oldest first), reference band, axes with units."""
    if not points:
        return Markup("")
    scale = _Scale.around(points, band, left=64, right=940, top=24, bottom=242)
    parts = [
        Markup(
            '<svg class="chart" viewBox="0 0 960 290" role="img" '
            'aria-labelledby="chart-title chart-desc">'
            '<title id="chart-title">{}</title><desc id="chart-desc">{}</desc>'
        ).format(title, describe(points, band, unit))
    ]
    parts.append(_band(scale, band))
    parts.extend(_y_axis(scale, unit))
    parts.extend(_x_axis(scale, points[0].at.tzinfo))
    line = " ".join(f"{scale.x(p.at):.1f},{scale.y(p.value):.1f}" for p in points)
    parts.append(_drawn(f'<polyline class="chart-line" points="{line}"/>'))
    parts.extend(
        Markup("<g>{}<title>{}</title></g>").format(
            _mark(scale.x(point.at), scale.y(point.value), point.flag, 5, point.corrected),
            _tooltip(point),
        )
        for point in points
    )
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def describe(points: Sequence[Point], band: Band | None, unit: str) -> str:
    """The chart in a sentence, for those who do not see it."""
    low, high = min(p.value for p in points), max(p.value for p in points)
    flagged = sum(1 for p in points if p.flag)
    parts = [
        f"{len(points)} result{'' if len(points) == 1 else 's'} "
        f"from {points[0].at:%Y-%m-%d} to {points[-1].at:%Y-%m-%d}, "
        f"between {_short(low)} and {_short(high)} {unit}".rstrip(),
        f"newest {points[-1].text}",
    ]
    if flagged:
        parts.append(f"{flagged} flagged")
    if band and (band.low is not None or band.high is not None):
        parts.append(f"reference range {range_text(band)}")
    return "; ".join(parts) + "."


def range_text(band: Band) -> str:
    """``3.5 to 5.1``, ``up to 5``, ``3 or more``."""
    if band.low is None:
        return f"up to {_short(band.high)}" if band.high is not None else ""
    return (
        f"{_short(band.low)} to {_short(band.high)}"
        if band.high is not None
        else (f"{_short(band.low)} or more")
    )


class _Scale:
    """Data to picture coordinates."""

    def __init__(
        self, t0: float, t1: float, v0: float, v1: float, box: tuple[float, float, float, float]
    ) -> None:
        self.t0, self.t1, self.v0, self.v1 = t0, t1, v0, v1
        self.left, self.right, self.top, self.bottom = box

    @classmethod
    def around(
        cls,
        points: Sequence[Point],
        band: Band | None,
        *,
        left: float,
        right: float,
        top: float,
        bottom: float,
    ) -> _Scale:
        values = [p.value for p in points]
        if band:
            values += [v for v in (band.low, band.high) if v is not None]
        low, high = min(values), max(values)
        pad = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
        floor_at_zero = low >= 0
        low, high = low - pad, high + pad
        times = [p.at.timestamp() for p in points]
        t0, t1 = min(times), max(times)
        if t0 == t1:
            t0, t1 = t0 - 43_200, t1 + 43_200
        return cls(
            t0, t1, max(low, 0.0) if floor_at_zero else low, high, (left, right, top, bottom)
        )

    def x(self, at: datetime) -> float:
        inset = (self.right - self.left) * 0.02
        share = (at.timestamp() - self.t0) / (self.t1 - self.t0)
        return self.left + inset + share * (self.right - self.left - 2 * inset)

    def y(self, value: float) -> float:
        share = (value - self.v0) / (self.v1 - self.v0)
        return self.bottom - min(max(share, 0.0), 1.0) * (self.bottom - self.top)


def _band(scale: _Scale, band: Band | None) -> Markup:
    if band is None or (band.low is None and band.high is None):
        return Markup("")
    top = scale.y(band.high) if band.high is not None else scale.top
    bottom = scale.y(band.low) if band.low is not None else scale.bottom
    width, height = scale.right - scale.left, max(bottom - top, 0.5)
    return _drawn(
        f'<rect class="chart-band" x="{scale.left}" y="{top:.1f}" width="{width}"'
        f' height="{height:.1f}"/>'
    )


_SHAPES: dict[str, list[tuple[float, float]]] = {
    "high": [(0, -1.3), (1.2, 0.9), (-1.2, 0.9)],
    "low": [(0, 1.3), (1.2, -0.9), (-1.2, -0.9)],
    "critical": [(0, -1.5), (1.5, 0), (0, 1.5), (-1.5, 0)],
    "abnormal": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
}


def _mark(x: float, y: float, flag: str, r: float, corrected: bool = False) -> Markup:
    """High: triangle up; low: triangle down; critical: diamond; abnormal: square; else a dot."""
    ring = (
        _drawn(f'<circle class="mark-corrected" cx="{x:.1f}" cy="{y:.1f}" r="{r + 4}"/>')
        if corrected
        else Markup("")
    )
    if flag not in _SHAPES:
        return ring + _drawn(f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>')
    corners = " ".join(f"{x + dx * r:.1f},{y + dy * r:.1f}" for dx, dy in _SHAPES[flag])
    return ring + _drawn(f'<polygon class="mark mark-{flag}" points="{corners}"/>')


def _y_axis(scale: _Scale, unit: str) -> list[Markup]:
    parts = [Markup('<text class="axis-unit" x="{}" y="14">{}</text>').format(scale.left - 8, unit)]
    for value in _ticks(scale.v0, scale.v1):
        y = scale.y(value)
        parts.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{y:.1f}" y2="{y:.1f}"/>'
                '<text class="axis axis-y" x="{}" y="{ty:.1f}">{}</text>'
            ).format(scale.left, scale.right, scale.left - 8, _short(value), y=y, ty=y + 4)
        )
    return parts


def _x_axis(scale: _Scale, zone: tzinfo | None) -> list[Markup]:
    parts = []
    for i in range(7):
        at = datetime.fromtimestamp(scale.t0 + (scale.t1 - scale.t0) * i / 6, tz=zone)
        x = scale.x(at)
        long_span = scale.t1 - scale.t0 > 4 * 86_400
        first, second = (
            (f"{at.day} {at:%b}", f"{at:%Y}") if long_span else (f"{at:%H:%M}", f"{at.day} {at:%b}")
        )
        parts.append(
            Markup(
                '<text class="axis axis-x" x="{x:.1f}" y="262">{}</text>'
                '<text class="axis axis-x" x="{x:.1f}" y="278">{}</text>'
            ).format(first, second, x=x)
        )
    return parts


def _ticks(low: float, high: float) -> list[float]:
    """About five round values between low and high."""
    raw = (high - low) / 5
    base = 10.0 ** floor(log10(raw)) if raw > 0 else 1.0
    step = next((m * base for m in (1, 2, 2.5, 5, 10) if m * base >= raw), 10 * base)
    first = floor(low / step) + 1
    return [round(n * step, 10) for n in range(first, floor(high / step) + 1)]


def _short(value: float | None) -> str:
    if value is None:
        return ""
    text = f"{value:.4g}"
    return number(int(float(text))) if "e" in text and abs(value) < 1e9 else text


def _tooltip(point: Point) -> str:
    flag = f", {point.flag}" if point.flag else ""
    corrected = ", corrected" if point.corrected else ""
    return f"{point.text}{flag}{corrected}; {point.at:%Y-%m-%d %H:%M %Z}".rstrip()
