"""Reconciled results as rows of the table of results: one row per line, values in one unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chartloom.chart import ChartSection
from chartloom.chart.reconcile import Line, ListKind, ReconciledList, Role, why
from chartloom.domain.feed import Feed
from chartloom.serve import words


def rows(
    made: ReconciledList, section: ChartSection, feeds: Mapping[str, Feed]
) -> list[dict[str, Any]]:
    """An entry per line, as the table of results takes them, with ``sources`` and ``remarks``.

    shown, total: how many results of its series a chart keeps ready, and how many there are.

    The newest value keeps what its source sent; older ones and those of other units are converted.
    """
    points = {
        p["id"]: {**p, "series": entry["series"]}
        for entry in section.entries
        for p in entry.get("points", ())
    }
    kept = {e["series"]: (len(e["points"]), e["count"]) for e in section.entries if "points" in e}
    return [words.soft(_row(line, points, kept, feeds)) for line in made.lines if line.facts]


def _row(
    line: Line,
    points: Mapping[str, Any],
    kept: Mapping[str, tuple[int, int]],
    feeds: Mapping[str, Feed],
) -> dict[str, Any]:
    shown: list[dict[str, Any]] = []
    for fact in line.facts:
        point = points.get(fact.resource_id)
        if point is None:
            continue
        if shown and shown[-1]["at"] == (fact.at_us, _value(fact.detail)):
            shown[-1]["also"] = shown[-1].get("also", 0) + 1
            continue
        point = {**point, "at": (fact.at_us, _value(fact.detail))}
        if "converted" in fact.detail:
            point["sent"] = words.unit(point.get("unit", ""))
            point["sent"] = f"{point.get('value', '')} {point['sent']}".strip()
            point["value"], point["unit"] = fact.detail["converted"], fact.detail["converted_unit"]
            point.pop("range", None)
        shown.append(point)
    codes = [d.code for d in line.discrepancies]
    remarks = [why(ListKind.RESULTS, Role.DISCREPANCY, code) for code in codes]
    remarks += [why(ListKind.RESULTS, Role.BECAUSE, code) for code in line.because]
    called = {name: feed.department for name, feed in feeds.items() if feed.department}
    sources = [called.get(source, source) for source in line.sources]
    several = line.detail.get("series", "").split()
    held = [kept[series] for series in several if series in kept]
    return {
        "text": line.text,
        "unit": line.detail.get("unit", ""),
        "series": shown[0]["series"] if shown else "",
        "several": several,
        "shown": sum(n for n, _ in held),
        "total": sum(n for _, n in held),
        "specimen": line.detail.get("specimen", ""),
        "method": line.detail.get("method", ""),
        "count": int(line.detail.get("count", "0") or 0),
        "points": shown,
        "sources": sources if len(sources) > 1 else [],
        "remarks": remarks,
        "warned": bool(codes),
    }


def _value(detail: Mapping[str, str]) -> str:
    return detail.get("converted") or detail.get("value", "")
