"""One list of problems: what is believed, what is over, what nobody should believe alone."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.lists import NOW_US, chart, line, misfits, order, problem, results, visit

from chartloom.chart.reconcile import Decision, ListKind, ReconciledList, reconcile_problems
from chartloom.chart.reconcile.conditions import builtin_conditions, within
from chartloom.chart.reconcile.rules import builtin_rules, load_rules
from chartloom.chart.times import to_us
from chartloom.domain.chart import Section

RULES = builtin_rules()
DX = "encounter-diagnosis"


def made(*entries: dict[str, Any], decisions: tuple[Decision, ...] = ()) -> ReconciledList:
    return reconcile_problems(chart(*entries), RULES, NOW_US, decisions=decisions)


def bill(id: str, code: str, day: str) -> dict[str, Any]:
    return problem(id, code, day, category="billing", text="Billed")


def test_codes_of_one_problem_are_one_line() -> None:
    told = made(
        problem("a", "J45.40"), problem("b", "J45.41", category=DX),
        problem("c", "sct|195967001", owner="clinic"), problem("d", "|", text="bronchial asthma"),
    )  # fmt: skip
    one = line(told, "Asthma")
    assert (one.status, one.reason, one.confidence.value) == ("active", "listed", "high")
    assert len(one.facts) == 4


def test_codes_without_a_row_stand_by_their_category() -> None:
    told = made(problem("a", "Q21.0", text="VSD"), problem("b", "Q21.9", text="Heart defect"))
    assert [(x.key, len(x.facts)) for x in told.lines] == [("problem:icd10:Q21", 2)]


@pytest.mark.parametrize(
    ("entries", "status", "reason"),
    [
        ([problem("a", "I10")], "active", "listed"),
        ([problem("a", "I10", category=DX, encounter=None)], "active", "registered"),
        ([problem("a", "I10", category=DX)], "unknown", "diagnosed-once"),
        ([problem("a", "I10", category=DX), visit("visit-a", "IMP")], "active",
         "diagnosed-in-hospital"),
        ([problem("a", "I10", category=DX), problem("b", "I10", "2025-01-01", category=DX)],
         "unknown", "diagnosed-once"),
        ([problem("a", "I10", category=DX), problem("b", "I10", "2025-02-01", category=DX)],
         "active", "diagnosed-repeatedly"),
        ([problem("a", "I10", category=DX), order("m", "Lisinopril 10 mg tablet")], "active",
         "diagnosed-and-supported"),
        ([problem("a", "I10", category=DX, verification="provisional"),
          problem("b", "I10", "2025-02-01", category=DX, verification="provisional")], "unknown",
         "suspected-only"),
        ([bill("a", "I10", "2025-01-01")], "unknown", "billed-only"),
        ([bill("a", "I10", "2025-01-01"), bill("b", "I10", "2025-02-01")], "unknown",
         "billed-only"),
        ([bill("a", "I10", "2025-01-01"), bill("b", "I10", "2025-02-01"),
          bill("c", "I10", "2025-03-01")], "active", "billed-repeatedly"),
        ([bill("a", "I10", "2025-01-01"), order("m", "Lisinopril 10 mg tablet")], "active",
         "billed-and-supported"),
        ([problem("a", "J06.9", "2026-05-25", category=DX)], "active", "acute-recent"),
        ([problem("a", "J06.9", "2026-01-25", category=DX)], "resolved", "acute-course-over"),
        ([problem("a", "S52.5", "2026-05-25", category=DX)], "active", "acute-recent"),
        ([problem("a", "S52.5", "2025-05-25", category=DX)], "resolved", "acute-course-over"),
        ([problem("a", "Z00.00", category=DX)], "inactive", "reason-for-visit"),
        ([problem("a", "Z85.3", category=DX)], "inactive", "history-of"),
        ([problem("a", "Z38.00", category=DX)], "resolved", "happened"),
        ([problem("a", "I10", status="resolved")], "resolved", "resolved"),
        ([problem("a", "I10", abated="2025-05-01")], "resolved", "resolved"),
        ([problem("a", "I10", status="inactive")], "inactive", "inactive"),
        ([problem("a", "I10", verification="refuted")], "refuted", "refuted"),
        ([problem("a", "I10"), problem("b", "I10", status="resolved", said="2025-06-01",
                                       owner="b")], "resolved", "resolved-later"),
        ([problem("a", "I10", "2025-09-01"), problem("b", "I10", status="resolved",
                                                     said="2025-06-01", owner="b")], "active",
         "listed-again"),
    ],
)  # fmt: skip
def test_what_is_believed(entries: list[dict[str, Any]], status: str, reason: str) -> None:
    told = [{k: v for k, v in e.items() if v is not None} for e in entries]
    (one,) = made(*told).lines
    assert (one.status, one.reason) == (status, reason)


def test_diagnoses_on_charges_are_bills() -> None:
    charge = {
        "section": Section.CHARGES, "owner": "house", "id": "c", "type": "ChargeItem",
        "sort_us": to_us("2025-01-01"), "said_us": 1, "text": "Visit",
        "reasons": [{"code": "http://hl7.org/fhir/sid/icd-10|E11.9", "text": "Diabetes"}],
    }  # fmt: skip
    one = line(made(charge), "Type 2 diabetes mellitus")
    assert (one.reason, misfits(one)) == ("billed-only", {"billed-only"})


def test_results_support_contradict_and_suggest() -> None:
    high = results("a1c", "4548-4", "%", ("2026-03-01", "8.1"), ("2025-12-01", "7.7"))
    normal = results("a1c", "4548-4", "%", ("2026-03-01", "5.4"))
    once = problem("a", "E11.9", category=DX)
    assert made(once, high).lines[0].reason == "diagnosed-and-supported"
    one = made(once, normal).lines[0]
    assert (one.reason, misfits(one)) == ("diagnosed-once", {"results-do-not-support"})
    suggested = line(made(high), "Type 2 diabetes mellitus")
    assert (suggested.status, suggested.reason) == ("unknown", "suggested-by-results")
    assert misfits(suggested) == {"suggested-not-listed"}
    assert made(results("a1c", "4548-4", "%", ("2026-03-01", "8.1"))).lines == ()
    long_ago = results("a1c", "4548-4", "%", ("2020-03-01", "8.1"), ("2020-01-01", "8.1"))
    assert made(long_ago).lines == ()
    ifcc = results("a1c", "4548-4", "mmol/mol", ("2026-03-01", "70"), ("2026-01-01", "70"))
    assert made(ifcc).lines == (), "a unit that leads nowhere supports nothing"


def test_a_visit_in_another_record_counts_as_that_visit() -> None:
    told = made(problem("a", "I10", category=DX, owner="b"), visit("visit-a", "IMP", owner="b"))
    assert told.lines[0].reason == "diagnosed-in-hospital"


def test_decisions() -> None:
    resolved = Decision("d", ListKind.PROBLEMS, "problem:hypertension", "resolved", "user:ada",
                        to_us("2026-01-01"), "house", ("a",))  # fmt: skip
    assert (
        line(made(problem("a", "I10"), decisions=(resolved,)), "Hypertension").status == "resolved"
    )
    again = problem("b", "I10", "2026-03-01", category=DX)
    one = line(made(problem("a", "I10"), again, decisions=(resolved,)), "Hypertension")
    assert (one.status, one.decided.stale) == ("active", True)
    assert "changed-since-reconciled" in misfits(one)


def test_a_site_changes_rules_and_conditions() -> None:
    own = load_rules(
        {
            "problems.toml": b"billed_count = 1\nbilled_days_apart = 0\n",
            "conditions.csv": b"key,name,icd10,snomed,names,course,days\n"
            b"vsd,Hole in the heart,Q21.0,,,chronic,\n",
        }
    )
    told = reconcile_problems(
        chart(bill("a", "I10", "2025-01-01"), problem("b", "Q21.0")), own, NOW_US
    )
    assert line(told, "Hypertension").reason == "billed-repeatedly"
    assert line(told, "Hole in the heart").status == "active"
    assert own.fingerprint != RULES.fingerprint


def test_ranges_and_prefixes_of_icd10() -> None:
    assert within("J03", ("J00-J06",))
    assert not within("J07", ("J00-J06",))
    assert within("S93", ("S", "T"))
    assert not within("R10", ("S", "T"))
    keys = builtin_conditions()
    assert (
        keys.find(["http://hl7.org/fhir/sid/icd-10|I25.2"], "", RULES.problems).key
        == "old-infarction"
    )
    assert (
        keys.find(["http://hl7.org/fhir/sid/icd-10|I25.1"], "", RULES.problems).key
        == "coronary-disease"
    )
