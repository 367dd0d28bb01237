"""Rows of reconciled results: what a chart keeps ready of a series, and how many there are."""

from __future__ import annotations

from tests.support.medication_lists import NOW_US, Told, chart_of, day

from chartloom.chart.fold import BOUNDS
from chartloom.chart.reconcile import builtin_rules, reconcile_results
from chartloom.domain.chart import Section
from chartloom.serve.lists.result_rows import rows


def _potassium(number: int) -> Told:
    return "lab", {
        "resourceType": "Observation", "id": f"k{number}", "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2823-3"}]},
        "effectiveDateTime": day(number), "valueQuantity": {"value": 4, "unit": "mmol/L"},
    }  # fmt: skip


def _row(count: int) -> dict[str, int]:
    chart = chart_of([_potassium(n) for n in range(1, count + 1)])
    made = reconcile_results(chart, builtin_rules(), NOW_US)
    (row,) = rows(made, chart.section(Section.RESULTS), {})
    return {name: row[name] for name in ("count", "shown", "total")}


def test_more_results_than_a_chart_keeps_ready_are_counted() -> None:
    kept = BOUNDS[Section.RESULTS].points
    assert _row(kept) == {"count": kept, "shown": kept, "total": kept}
    assert _row(kept + 19) == {"count": kept, "shown": kept, "total": kept + 19}
