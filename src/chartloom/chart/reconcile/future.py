"""Times that cannot have been: what is dated after now is of a time that is not known.

A wrong clock or a slip of the pen must not win every "who spoke last", nor make an old drug look
as if it was given today.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.summary import ChartSection, ChartSummary
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section

_Json = dict[str, Any]

#: Clocks differ, and a time without a zone counts as UTC.
_AHEAD_US: Final = DAY_US
_MOMENTS: Final = ("sort_us", "said_us")
#: What has happened. The end of a course may well lie ahead; that of a stay that is over may not.
_WORDS: Final = ("start", "recorded", "abated", "status_changed")
_WORDS_OF: Final[Mapping[Section, tuple[str, ...]]] = {Section.ENCOUNTERS: (*_WORDS, "end")}
#: Nothing here is told by when it was said: who the person is, and what was decided in this house.
_LEFT: Final = frozenset((Section.DEMOGRAPHICS, Section.DECISIONS))


def without_future(chart: ChartSummary, now_us: int) -> ChartSummary:
    """The chart with every time more than a day after ``now_us`` as unknown: 0, or not there."""
    until_us = now_us + _AHEAD_US
    sections = {name: _section(section, until_us) for name, section in chart.sections.items()}
    if all(sections[name] is section for name, section in chart.sections.items()):
        return chart
    return replace(chart, sections=sections)


def _section(section: ChartSection, until_us: int) -> ChartSection:
    if section.section in _LEFT:
        return section
    words = _WORDS_OF.get(section.section, _WORDS)
    entries = tuple(_entry(e, words, until_us) for e in section.entries)
    if all(one is other for one, other in zip(entries, section.entries, strict=True)):
        return section
    return replace(section, entries=entries)


def _entry(entry: _Json, words: tuple[str, ...], until_us: int) -> _Json:
    known = _known(entry, words, until_us)
    if points := entry.get("points"):
        seen = [_known(p, words, until_us) for p in points]
        if any(one is not other for one, other in zip(seen, points, strict=True)):
            known = {**known, "points": seen}
    return known


def _known(entry: _Json, words: tuple[str, ...], until_us: int) -> _Json:
    """The entry itself if all its times are possible, else a copy."""
    moments: _Json = {}
    for moment in _MOMENTS:
        if entry.get(moment, 0) > until_us:
            moments[moment] = 0
    held = entry.get("since_us")
    if held and any(at_us > until_us for when in held.values() for at_us in when):
        known = {k: [at if at <= until_us else 0 for at in when] for k, when in held.items()}
        moments["since_us"] = known
    gone = [k for k in words if k in entry and to_us(entry[k]) > until_us]
    if not moments and not gone:
        return entry
    return {k: v for k, v in {**entry, **moments}.items() if k not in gone}
