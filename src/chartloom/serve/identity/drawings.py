"""Small pictures of weights: what speaks for one person, what against. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from markupsafe import Markup, escape

from chartloom.serve.identity.evidence_words import signed
from chartloom.serve.identity.statistics import Day

_W, _H = 320, 48
_BAR_W, _BAR_H = 88, 12
#: Weights beyond these are drawn at the edge.
_LOW, _HIGH = -12.0, 42.0
_BAR_BITS: Final = 16.0
_DAYS_W, _DAYS_H = 1280, 140


def scale(weight: float, review: float, link: float) -> Markup:
    """The weight on a line from apart over ask to join, 320 x 48."""
    at, ask, join = (_x(v) for v in (weight, review, link))
    label = f"Weight {weight:.1f} bits; asked from {review:.0f}, joined from {link:.0f}"
    return Markup(
        '<svg class="w-scale" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<rect class="w-apart" x="0" y="12" width="{:.1f}" height="8"/>'
        '<rect class="w-ask" x="{:.1f}" y="12" width="{:.1f}" height="8"/>'
        '<rect class="w-join" x="{:.1f}" y="12" width="{:.1f}" height="8"/>'
        '<path class="w-at" d="M{:.1f} 22l-5 8h10z"/><path class="w-line" d="M{:.1f} 8v16"/>'
        '<text class="w-text" x="0" y="45">apart</text>'
        '<text class="w-text w-middle" x="{:.1f}" y="45">ask</text>'
        '<text class="w-text w-end" x="{}" y="45">one person</text></svg>'
    ).format(
        _W, _H, label, ask, ask, join - ask, join, _W - join, at, at, (ask + join) / 2, _W
    )  # fmt: skip


def _x(bits: float) -> float:
    share = (min(max(bits, _LOW), _HIGH) - _LOW) / (_HIGH - _LOW)
    return 6 + share * (_W - 12)


def bar(bits: float) -> Markup:
    """Bits as a bar to the right (for) or left (against) of a middle line, 88 x 12."""
    middle = _BAR_W / 2
    width = min(abs(bits) / _BAR_BITS, 1.0) * (middle - 1)
    x = middle if bits >= 0 else middle - width
    kind = "for" if bits >= 0 else "against"
    return Markup(
        '<svg class="w-bar" viewBox="0 0 {} {}" aria-hidden="true" focusable="false">'
        '<rect class="w-{}" x="{:.1f}" y="2" width="{:.1f}" height="8" rx="1"/>'
        '<path class="w-mid" d="M{:.1f} 0v{}"/></svg>'
    ).format(_BAR_W, _BAR_H, kind, x, width, middle, _BAR_H)


def days_chart(days: Sequence[Day]) -> Markup:
    """Decisions per day as columns, 1280 x 140; same below, different on top."""
    top = max((d.same + d.different for d in days), default=0) or 1
    step = _DAYS_W / max(len(days), 1)
    bars = []
    for n, day in enumerate(days):
        same, different = (v / top * (_DAYS_H - 24) for v in (day.same, day.different))
        x, base = n * step + 2, _DAYS_H - 16
        for kind, height, y in (
            ("same", same, base - same),
            ("different", different, base - same - different),
        ):
            if height:
                bars.append(
                    f'<rect class="d-{kind}" x="{x:.1f}" y="{y:.1f}" width="{step - 4:.1f}" '
                    f'height="{height:.1f}"/>'
                )
    first, last = (days[0].date, days[-1].date) if days else ("", "")
    total = sum(d.same + d.different for d in days)
    label = f"Decisions per day, {first} to {last}: {total} in all, at most {top} a day"
    return Markup(  # noqa: S704 - numbers and dates of ours
        f'<svg class="chart d-chart" viewBox="0 0 {_DAYS_W} {_DAYS_H}" role="img" '
        f'aria-label="{escape(label)}">{"".join(bars)}'
        f'<path class="grid" d="M0 {_DAYS_H - 15.5}h{_DAYS_W}"/>'
        f'<text class="axis" x="2" y="{_DAYS_H - 3}">{escape(first)}</text>'
        f'<text class="axis axis-y" x="{_DAYS_W - 2}" y="{_DAYS_H - 3}">{escape(last)}</text></svg>'
    )


__all__ = ["bar", "days_chart", "scale", "signed"]
