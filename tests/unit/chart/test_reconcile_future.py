"""What is dated in the future is of a time that is not known, in lists of every kind."""

from __future__ import annotations

from typing import Any

from tests.support.lists import (
    NOW_US,
    allergy,
    chart,
    line,
    misfits,
    order,
    problem,
    results,
    visit,
)

from chartloom.chart.reconcile import (
    reconcile_allergies,
    reconcile_problems,
    reconcile_results,
)
from chartloom.chart.reconcile.future import without_future
from chartloom.chart.reconcile.rules import builtin_rules
from chartloom.domain.chart import Section

RULES = builtin_rules()
_FAR = "2062-01-01"


def _refuted(said: str) -> dict[str, Any]:
    return allergy("b", "Penicillin", said, said=said, owner="b", verification="refuted")


def test_a_refutation_from_the_future_refutes_nothing() -> None:
    listed = allergy("a", "Penicillin", "2026-05-01")
    found = line(reconcile_allergies(chart(listed, _refuted(_FAR)), RULES, NOW_US), "Penicillin")
    assert (found.status, found.reason) == ("active", "listed-after-refuted")
    assert misfits(found) == {"refuted-elsewhere"}
    assert "time-unknown" in found.because


def test_an_allergy_listed_at_an_unknown_time_is_not_refuted() -> None:
    listed = allergy("a", "Penicillin", _FAR, said=_FAR)
    told = chart(listed, _refuted("2026-05-01"))
    found = line(reconcile_allergies(told, RULES, NOW_US), "Penicillin")
    assert found.status == "active"
    assert "time-unknown" in found.because


def test_a_problem_over_in_the_future_is_not_over_yet() -> None:
    told = chart(problem("a", "I10"), problem("b", "I10", said=_FAR, verification="refuted"))
    (found,) = reconcile_problems(told, RULES, NOW_US).lines
    assert (found.status, found.reason) == ("active", "listed-again")
    assert {"time-unknown", "sources-disagree"} <= set(found.because)
    (found,) = reconcile_problems(chart(problem("a", "I10", abated=_FAR)), RULES, NOW_US).lines
    assert found.status == "active"


def test_a_result_from_the_future_is_not_the_newest() -> None:
    told = chart(results("r", "4548-4", "%", (_FAR, "14"), ("2026-05-01", "6.1")))
    (found,) = reconcile_results(told, RULES, NOW_US).lines
    assert found.detail["value"] == "6.1"
    assert "time-unknown" in found.because
    assert [f.at_us == 0 for f in found.facts] == [False, True]


def test_a_chart_without_future_times_stays_as_it_is() -> None:
    told = chart(
        allergy("a", "Penicillin"), problem("b", "I10"), order("m", "Lisinopril 10 mg tablet"),
        results("r", "4548-4", "%", ("2026-06-02", "6.1")),
    )  # fmt: skip
    assert without_future(told, NOW_US) is told


def test_a_stay_that_ends_in_the_future_has_not_ended_and_the_chart_is_not_changed() -> None:
    told = chart({**visit("v", "IMP"), "start": "2026-05-30", "end": _FAR})
    (known,) = without_future(told, NOW_US).section(Section.ENCOUNTERS).entries
    assert "end" not in known
    assert known["start"] == "2026-05-30"
    assert told.section(Section.ENCOUNTERS).entries[0]["end"] == _FAR
