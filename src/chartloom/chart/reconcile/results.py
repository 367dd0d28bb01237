"""Series of results from all laboratories: together where comparable, else apart with a reason.

The same analyte, specimen and method, in units that lead to each other, is one line. A result that
came through several feeds is shown once, with all that said it. What looks like the same test but
cannot be compared stands in a line of its own that says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from chartloom.chart.reconcile.comparable_tests import Test
from chartloom.chart.reconcile.future import without_future
from chartloom.chart.reconcile.heard import columns, fact_of, folded, stripped
from chartloom.chart.reconcile.lines import (
    Confidence,
    Discrepancy,
    Fact,
    Line,
    ListKind,
    ReconciledList,
)
from chartloom.chart.reconcile.problem_evidence import loinc_of
from chartloom.chart.reconcile.rules import Rules
from chartloom.chart.reconcile.rules_results import ResultRules
from chartloom.chart.reconcile.units import Unit, as_number, convert, turned_text
from chartloom.chart.summary import ChartSection, ChartSummary
from chartloom.domain.chart import Section

_SECOND_US: Final = 1_000_000
#: Of numbers without a unit.
_NO_UNIT: Final = "1"
_Point = dict[str, Any]


class Measured(msgspec.Struct, frozen=True):
    """One result of a line. value: in the line's unit, None for what is no number.

    facts: everything that said it, the one that is shown first.
    """

    at_us: int
    value: Decimal | None
    text: str
    facts: tuple[Fact, ...]


class _Series(msgspec.Struct):
    """A series of the chart with what it can be compared by."""

    entry: dict[str, Any]
    test: Test | None
    unit: Unit | None
    numbers: bool

    @property
    def group(self) -> tuple[str, str, str, str]:
        """Series of one group can be compared, if their units lead to each other."""
        if self.test is not None and self.numbers:
            return (self.test.key, self.test.specimen, self.test.method, "")
        return ("", "", "", self.entry["series"])


def reconcile_results(
    chart: ChartSummary,
    rules: Rules,
    now_us: int,
    *,
    speakers: Mapping[str, str] | None = None,
) -> ReconciledList:
    """The results of a chart, the newest line first.

    speakers: resource id -> the feed that spoke of it last; without it a source is whose record it
    is. Pure; the order of entries does not matter.
    """
    section = without_future(chart, now_us).section(Section.RESULTS)
    said = speakers or {}
    groups: dict[tuple[str, str, str, str], list[_Series]] = {}
    for entry in section.entries:
        one = _read(entry, rules)
        groups.setdefault(one.group, []).append(one)
    lines = []
    for group in groups.values():
        parts = _convertible(group)
        keys = [_key(series[0], unit) for series, unit in parts]
        for (series, unit), key in zip(parts, keys, strict=True):
            own = key if keys.count(key) == 1 else f"{key}:{series[0].entry['series']}"
            lines.append(_line(own, series, unit, section, said, rules))
    lines = _apart(lines, rules.results)
    lines.sort(key=lambda line: (-_newest(line), line.text.casefold(), line.key))
    return ReconciledList(ListKind.RESULTS, tuple(lines), rules.fingerprint, "", now_us)


def _newest(line: Line) -> int:
    return max((f.at_us for f in line.facts), default=0)


def _read(entry: dict[str, Any], rules: Rules) -> _Series:
    test = rules.tests.by_loinc.get(loinc_of(entry))
    numbers = any(p.get("kind") == "quantity" for p in entry["points"])
    unit = rules.units.find(entry["unit"]) if entry.get("unit") else _plain(test, rules)
    return _Series(entry, test, unit, numbers)


def _plain(test: Test | None, rules: Rules) -> Unit | None:
    """The unit of a test that has none: an INR is a number, whether or not "{INR}" is written."""
    unit = rules.units.find(test.unit) if test is not None else None
    return unit if unit is not None and unit.code == _NO_UNIT else None


def _convertible(group: Sequence[_Series]) -> list[tuple[list[_Series], Unit | None]]:
    """The series of a group in parts whose units lead to each other, each with the unit shown.

    A unit that is not known is comparable with the same spelling only.
    """
    parts: list[tuple[list[_Series], Unit | None]] = []
    for series in sorted(group, key=_weight):
        for members, unit in parts:
            if _leads(series, members[0], unit):
                members.append(series)
                break
        else:
            parts.append(([series], series.unit))
    return parts


def _weight(series: _Series) -> tuple[bool, int, str, str]:
    """The unit of the test's table first, then the fuller series."""
    test, unit = series.test, series.unit
    own = test is not None and unit is not None and unit.code == test.unit
    return (not own, -series.entry["count"], series.entry["series"], series.entry["id"])


def _leads(series: _Series, first: _Series, unit: Unit | None) -> bool:
    if series.unit is None or unit is None:
        spelling = first.entry.get("unit", "").replace(" ", "").casefold()
        return bool(spelling == series.entry.get("unit", "").replace(" ", "").casefold())
    return _turned(Decimal(1), series, unit) is not None


def _turned(value: Decimal, series: _Series, unit: Unit) -> Decimal | None:
    assert series.unit is not None
    test = series.test
    mass, valence = (test.molar_mass, test.valence) if test else (None, 0)
    return convert(value, series.unit, unit, mass, valence, test.key if test else "")


def _line(
    key: str,
    members: Sequence[_Series],
    unit: Unit | None,
    section: ChartSection,
    said: Mapping[str, str],
    rules: Rules,
) -> Line:
    table = rules.results
    measured = [
        _measured(series, point, unit, section, said)
        for series in members
        for point in series.entry["points"]
    ]
    results, found = _once(measured, table)
    shown = results[: table.points]
    facts = tuple(f for result in shown for f in result.facts)
    first = members[0]
    sources = columns(facts, {})
    newest = shown[0] if shown else None
    because = ["several-feeds"] if any(len(r.facts) > 1 for r in shown) else []
    if len({m.unit.code if m.unit else m.entry.get("unit", "") for m in members}) > 1:
        because.append("units-converted")
    if any(r.at_us == 0 for r in shown):
        because.append("time-unknown")
    return Line(
        key=key,
        text=first.test.name if first.test else first.entry.get("text", "Unnamed result"),
        status=facts[0].detail.get("status", "unknown") if facts else "unknown",
        reason="comparable" if len(members) > 1 else "one-series",
        confidence=Confidence.HIGH if first.test or len(members) == 1 else Confidence.MODERATE,
        because=tuple(because),
        sources=sources,
        facts=facts,
        discrepancies=tuple(d for d in found if d.code in table.discrepancies),
        detail=stripped(
            {
                "value": newest.text if newest else "",
                "unit": unit.code if unit and _several(members) else first.entry.get("unit"),
                "count": len(results),
                "specimen": first.test.specimen if first.test else "",
                "method": first.test.method if first.test else "",
                "test": first.test.key if first.test else "",
                "name": folded(first.entry.get("text", "")),
                "numbers": "yes" if first.numbers else "",
                "obtained": "" if all(map(_is_absent, members)) else "yes",
                "loinc": " ".join(sorted({loinc_of(m.entry) for m in members} - {""})),
                "series": " ".join(sorted(m.entry["series"] for m in members)),
            }
        ),
    )


def _several(members: Sequence[_Series]) -> bool:
    """Whether what is shown is no unit of one source."""
    return len(members) > 1 and any(m.unit and m.unit.code != _NO_UNIT for m in members)


def _is_absent(series: _Series) -> bool:
    """Whether none of its results was obtained."""
    return all(p.get("status") == "cancelled" for p in series.entry["points"])


def _key(series: _Series, unit: Unit | None) -> str:
    key, specimen, method, own = series.group
    if own:
        return f"series:{own}"
    return ":".join(("test", key, specimen, method, unit.dimension if unit else "")).rstrip(":")


def _measured(
    series: _Series,
    point: _Point,
    unit: Unit | None,
    section: ChartSection,
    said: Mapping[str, str],
) -> Measured:
    value = as_number(point.get("value")) if point.get("kind") == "quantity" else None
    text = f"{point.get('comparator', '')}{point.get('value', '')}"
    own = str(point.get("unit") or series.entry.get("unit", ""))
    detail = {
        "value": str(point.get("value", "")),
        "comparator": str(point.get("comparator", "")),
        "unit": own,
        "status": str(point.get("status", "")),
        "flags": " ".join(point.get("flags", ())),
        "absent": str(point.get("absent", "")),
        "series": series.entry["series"],
    }
    if value is not None and unit is not None and series.unit is not None and series.unit != unit:
        turned = _turned(value, series, unit)
        if turned is not None:
            value = turned_text(value, series.unit, turned, unit)
            text = f"{point.get('comparator', '')}{value}"
            detail["converted"] = str(value)
            detail["converted_unit"] = unit.code
    fact = fact_of(
        point, section, said, "result", point["sort_us"], series.entry.get("text", ""),
        stripped(detail), "Observation",
    )  # fmt: skip
    return Measured(point["sort_us"], value, text, (fact,))


def _once(
    measured: Iterable[Measured], table: ResultRules
) -> tuple[list[Measured], list[Discrepancy]]:
    """Newest first, each result once; and those that stand at one moment with different values.

    Two results of one source are two results, however near they are.
    """
    order = sorted(measured, key=lambda m: (-m.at_us, m.facts[0].source, m.facts[0].resource_id))
    results: list[Measured] = []
    differing: list[Fact] = []
    window_us = table.same_seconds * _SECOND_US
    for one in order:
        for place in range(len(results) - 1, -1, -1):
            other = results[place]
            if other.at_us - one.at_us > window_us or not one.at_us:
                place = -1
                break
            if one.facts[0].source in {f.source for f in other.facts}:
                continue
            if _same(one, other, table):
                results[place] = msgspec.structs.replace(other, facts=(*other.facts, *one.facts))
                break
            if one.value is not None and other.value is not None:
                differing += [*other.facts, *one.facts]
        else:
            place = -1
        if place < 0:
            results.append(one)
    if not differing:
        return results, []
    ids = tuple(dict.fromkeys(f.resource_id for f in differing))
    return results, [Discrepancy("values-differ", ids)]


def _same(one: Measured, other: Measured, table: ResultRules) -> bool:
    if one.value is None or other.value is None:
        return folded(one.text) == folded(other.text)
    if one.facts[0].detail.get("comparator") != other.facts[0].detail.get("comparator"):
        return False
    larger = max(abs(one.value), abs(other.value))
    return abs(one.value - other.value) <= larger * Decimal(str(table.same_share))


def _apart(lines: Sequence[Line], table: ResultRules) -> list[Line]:
    """Lines that look like the same test say why they are not one line."""
    groups: dict[str, list[Line]] = {}
    for line in lines:
        groups.setdefault(line.detail.get("test") or line.detail.get("name", ""), []).append(line)
    by_name = {
        line.detail.get("name", ""): line.detail["test"]
        for line in lines
        if line.detail.get("test")
    }
    for name, key in by_name.items():
        if name != key and name in groups and key in groups:
            groups[key] += groups.pop(name)
    result = []
    for group in groups.values():
        for line in group:
            others = [other for other in group if other is not line]
            codes = sorted({_why_apart(line, other) for other in others} - {""})
            found = tuple(
                Discrepancy(code, tuple(f.resource_id for f in line.facts[:1]))
                for code in codes
                if code in table.discrepancies
            )
            if found:
                line = msgspec.structs.replace(
                    line, reason=found[0].code, discrepancies=(*line.discrepancies, *found)
                )
            result.append(line)
    return result


def _why_apart(line: Line, other: Line) -> str:
    mine, theirs = line.detail, other.detail
    if not mine.get("obtained") or not theirs.get("obtained"):
        return "not-obtained" if theirs.get("obtained") else ""
    if mine.get("numbers") != theirs.get("numbers"):
        return "not-comparable-kind"
    if not mine.get("test") or not theirs.get("test"):
        return "not-comparable-code"
    for what in ("specimen", "method"):
        if mine.get(what) != theirs.get(what):
            return f"not-comparable-{what}"
    return "not-comparable-unit"
