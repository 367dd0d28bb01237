"""What supports a problem besides diagnoses: results over a limit, drugs that treat it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from chartloom.chart.reconcile.heard import DAY_US, fact_of, folded, ordered, stripped
from chartloom.chart.reconcile.lines import Fact
from chartloom.chart.reconcile.rules_problems import Limit, ProblemRules, Support
from chartloom.chart.reconcile.units import Units, as_number, convert
from chartloom.chart.summary import ChartSummary
from chartloom.domain.chart import Section

_LOINC: Final = "http://loinc.org|"
_NOT_MEANT: Final = frozenset(("cancelled", "entered-in-error", "stopped", "draft"))


class Evidence(msgspec.Struct, frozen=True):
    """What was found for one problem. results: over the limit; looked: any result of those tests
    there is; suggesting: so many of the results name the problem by themselves."""

    results: tuple[Fact, ...] = ()
    drugs: tuple[Fact, ...] = ()
    looked: bool = False
    suggesting: int = 0


_NOTHING: Final = Evidence()


class Evidences:
    """The results and drugs of a chart, looked up problem by problem."""

    def __init__(
        self,
        chart: ChartSummary,
        rules: ProblemRules,
        units: Units,
        said: Mapping[str, str],
        now_us: int,
    ) -> None:
        self._rules, self._units, self._said = rules, units, said
        self._since_us = now_us - rules.results_days * DAY_US
        self._results = chart.section(Section.RESULTS)
        self._drugs = chart.section(Section.MEDICATIONS)
        self._by_loinc: dict[str, list[dict[str, Any]]] = {}
        for entry in self._results.entries:
            if loinc := loinc_of(entry):
                self._by_loinc.setdefault(loinc, []).append(entry)
        self._texts = [
            (folded(entry["text"]), entry)
            for entry in self._drugs.entries
            if entry.get("text") and entry.get("status") not in _NOT_MEANT
        ]

    def of(self, problem: str) -> Evidence:
        """What supports a problem (key of ``conditions.csv``)."""
        support = self._rules.evidence.get(problem)
        if support is None:
            return _NOTHING
        results, looked, suggesting = self._measured(support)
        return Evidence(tuple(results), tuple(self._treated(support)), looked, suggesting)

    def suggested(self) -> list[str]:
        """Problems that results alone name."""
        return [
            problem
            for problem, support in self._rules.evidence.items()
            if any(limit.suggests and limit.loinc in self._by_loinc for limit in support.results)
            and self._measured(support)[2] >= self._rules.suggest_count
        ]

    def _measured(self, support: Support) -> tuple[list[Fact], bool, int]:
        found: list[Fact] = []
        looked, suggesting = False, 0
        for limit in support.results:
            for series in self._by_loinc.get(limit.loinc, ()):
                for point in series["points"]:
                    over = self._over(point, limit)
                    if over is None or point["sort_us"] < self._since_us:
                        continue
                    looked = True
                    if over:
                        suggesting += limit.suggests
                        found.append(self._fact(series, point))
        return ordered(found), looked, suggesting

    def _over(self, point: Mapping[str, Any], limit: Limit) -> bool | None:
        """Whether a result reaches a limit; None if it cannot be told."""
        if point.get("kind") != "quantity" or point.get("status") in _NOT_MEANT:
            return None
        value, unit = as_number(point.get("value")), self._units.find(point.get("unit", ""))
        to = self._units.find(limit.unit)
        if value is None or unit is None or to is None:
            return None
        turned = convert(value, unit, to)
        if turned is None:
            return None
        if limit.at_least is not None and turned < Decimal(str(limit.at_least)):
            return False
        return limit.at_most is None or turned <= Decimal(str(limit.at_most))

    def _fact(self, series: Mapping[str, Any], point: Mapping[str, Any]) -> Fact:
        detail = stripped({"value": point.get("value"), "unit": point.get("unit")})
        text = series.get("text", "")
        return fact_of(
            point, self._results, self._said, "result", point["sort_us"], text, detail,
            "Observation",
        )  # fmt: skip

    def _treated(self, support: Support) -> list[Fact]:
        found = []
        for text, entry in self._texts:
            if any(text.startswith(drug) or f" {drug}" in text for drug in support.drugs):
                one = entry["points"][0] if "series" in entry else entry
                at_us = one["sort_us"] or one["said_us"]
                found.append(
                    fact_of(
                        one,
                        self._drugs,
                        self._said,
                        "treated",
                        at_us,
                        entry["text"],
                        None,
                        entry["type"],
                    )
                )
        return ordered(found)


def loinc_of(entry: Mapping[str, Any]) -> str:
    """The LOINC code of a series of results; "" if it has none."""
    if found := entry.get("loinc"):
        return str(found)
    code = str(entry.get("code", ""))
    return code.removeprefix(_LOINC) if code.startswith(_LOINC) else ""
