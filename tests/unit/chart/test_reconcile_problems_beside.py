"""Problems beside each other: kinds of one disease, what ends one, and what was never confirmed."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.lists import NOW_US, chart, doses, line, misfits, problem, results, visit

from chartloom.chart.reconcile import Line, ReconciledList, builtin_rules, reconcile_problems
from chartloom.serve.lists.shown import status_words

ONE, TWO = "Type 1 diabetes mellitus", "Type 2 diabetes mellitus"
INSULIN = doses("i", "Insulin glargine", "2026-05-01", type="MedicationDispense")
A1C = results("r", "4548-4", "%", ("2026-05-20", "8.6"), ("2026-02-20", "8.1"))
BILLED = "billing"


def _made(*entries: dict[str, Any]) -> ReconciledList:
    return reconcile_problems(chart(*entries), builtin_rules(), NOW_US)


def _said(one: Line) -> tuple[str, str]:
    return one.status, one.reason


def test_insulin_does_not_make_a_code_on_a_bill_the_other_kind_of_diabetes() -> None:
    made = _made(problem("a", "E11.65"), problem("b", "E10.9", category=BILLED), INSULIN, A1C)
    assert _said(line(made, ONE)) == ("unknown", "billed-only")
    assert _said(line(made, TWO)) == ("active", "listed")
    assert "another-kind" in misfits(line(made, ONE))
    assert "another-kind" not in misfits(line(made, TWO))
    both = _made(problem("a", "E11.65"), problem("b", "E10.9", owner="clinic"))
    assert [misfits(x) for x in both.lines] == [{"another-kind"}] * 2


def test_of_two_kinds_that_only_bills_name_neither_is_believed() -> None:
    made = _made(problem("a", "E11.9", category=BILLED), problem("b", "E10.9", category=BILLED),
                 INSULIN)  # fmt: skip
    assert {_said(x) for x in made.lines} == {("unknown", "billed-only")}


@pytest.mark.parametrize("closed", [{"verification": "refuted"}, {"status": "resolved"}])
def test_a_kind_that_was_closed_takes_no_evidence_away(closed: dict[str, Any]) -> None:
    made = _made(problem("a", "E11.9", **closed), problem("b", "E10.9", category=BILLED), INSULIN)
    assert _said(line(made, ONE)) == ("active", "billed-and-supported")
    assert "another-kind" not in misfits(line(made, ONE))


def test_results_suggest_no_other_kind_of_what_is_known() -> None:
    made = _made(problem("a", "E10.9"), A1C)
    assert [x.text for x in made.lines] == [ONE]
    assert [x.text for x in _made(A1C).lines] == [TWO]


def test_a_birth_ends_a_pregnancy_and_a_later_one_is_another() -> None:
    stay = visit("v", "IMP")
    born = problem("b", "O80", "2026-03-01", category="encounter-diagnosis",
                   encounter="Encounter/v")  # fmt: skip
    listed = problem("a", "sct|77386006", "2025-08-01", text="Pregnancy")
    seen = problem("c", "Z34.01", "2025-11-01", category="encounter-diagnosis")
    over = line(_made(listed, seen, born, stay), "Pregnancy")
    assert _said(over) == ("resolved", "ended-since")
    assert "ended" in {f.says for f in over.facts}
    assert over.detail["codes"].split() == ["Z34.01", "77386006"]
    again = problem("d", "Z34.01", "2026-05-20", category="encounter-diagnosis")
    assert line(_made(listed, seen, born, again, stay), "Pregnancy").status == "active"
    refuted = {**born, "verification": "refuted"}
    assert line(_made(listed, seen, refuted, stay), "Pregnancy").status == "active"


def test_a_pregnancy_on_bills_after_a_birth_is_another_one_to_be_confirmed() -> None:
    born = problem("b", "O80", "2025-03-01", category="encounter-diagnosis")
    listed = problem("a", "sct|77386006", "2024-08-01", text="Pregnancy")
    late = problem("c", "Z34.01", "2025-03-20", category=BILLED)
    assert _said(line(_made(listed, born, late), "Pregnancy")) == ("resolved", "ended-since")
    again = problem("d", "Z34.01", "2026-05-20", category=BILLED)
    assert _said(line(_made(listed, born, again), "Pregnancy")) == ("unknown", "billed-only")


@pytest.mark.parametrize("verification", ["provisional", "differential", "unconfirmed"])
def test_what_a_problem_list_only_considers_is_suspected(verification: str) -> None:
    found = _made(problem("a", "I26.99", "2026-05-20", verification=verification)).lines[0]
    assert _said(found) == ("unknown", "suspected-only")


@pytest.mark.parametrize("more", [{"verification": "provisional"}, {"category": BILLED}])
def test_what_was_never_confirmed_is_not_said_to_have_been_there(more: dict[str, Any]) -> None:
    told = {"category": "encounter-diagnosis"} | more
    found = line(_made(problem("a", "I21.4", "2026-01-01", **told)), "Myocardial infarction")
    assert _said(found) == ("inactive", "never-confirmed")


def test_a_line_says_the_stage_and_the_side_that_its_name_lacks() -> None:
    made = _made(
        problem("a", "N18.30", "2024-01-01", text="CKD stage 3"),
        problem("b", "N18.4", "2026-01-01", text="CKD stage 4", owner="clinic"),
        problem("c", "N18.5", "2026-02-01", text="CKD stage 5", category=BILLED),
    )
    assert line(made, "Chronic kidney disease").detail["said"] == "CKD stage 4"


@pytest.mark.parametrize("code", ["I21.4", "I63.9", "I26.99"])
def test_an_old_infarction_or_stroke_is_history_and_not_resolved(code: str) -> None:
    made = _made(problem("a", code, "2024-01-01", category="encounter-diagnosis"))
    (one,) = made.lines
    assert _said(one) == ("inactive", "past-event")
    assert status_words(one) == "History of"


def test_an_infarction_that_its_source_closed_is_history_too() -> None:
    old = problem("a", "I21.4", "2024-01-01", category="encounter-diagnosis")
    for status in ("resolved", "inactive"):
        closed = problem("b", "I21.4", "2024-03-01", status=status)
        for told in ((closed,), (old, closed)):
            (one,) = _made(*told).lines
            assert (_said(one), status_words(one)) == (("inactive", "past-event"), "History of")
    refuted = problem("b", "I21.4", "2024-03-01", verification="refuted")
    (one,) = _made(old, refuted).lines
    assert one.status == "refuted"


def test_a_cancer_in_remission_is_not_resolved() -> None:
    (one,) = _made(problem("a", "C50.911", status="remission")).lines
    assert _said(one) == ("inactive", "inactive")
