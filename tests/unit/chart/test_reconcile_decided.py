"""What clinicians decided, when records change or come together afterwards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from tests.support import lists
from tests.support import medication_lists as drugs

from chartloom.chart import shape_decision
from chartloom.chart.reconcile import (
    Decision,
    Line,
    ListKind,
    builtin_rules,
    contents_of,
    reconcile_allergies,
    reconcile_problems,
)
from chartloom.chart.times import to_us
from chartloom.normalize.steward import decision

CHANGED = "changed-since-reconciled"
RULES = builtin_rules()


def _said(
    kind: ListKind, key: str, said: str, *items: str, day: str = "2026-01-10", text: str = ""
) -> Decision:
    return Decision("d", kind, key, said, "user:ada", to_us(day), "house", items, text)


def _drug(key: str, said: str, *items: str, text: str = "") -> Decision:
    return _said(ListKind.MEDICATIONS, key, said, *items, day="2026-02-20", text=text)


def _allergies(*entries: dict[str, Any], decisions: Sequence[Decision]) -> dict[str, Line]:
    chart = lists.chart(*entries)
    made = reconcile_allergies(chart, RULES, lists.NOW_US, decisions=decisions)
    return {line.key: line for line in made.lines}


def _stale(line: Line) -> bool:
    shown = CHANGED in {d.code for d in line.discrepancies}
    assert line.decided is not None
    assert line.decided.stale == shown
    return shown


def test_a_decision_does_not_follow_an_order_to_another_drug() -> None:
    warfarin = _drug("warfarin|oral", "stopped", "o", text="Warfarin 5 mg tablet")
    found = drugs.reconciled(drugs.order("o", "Apixaban 5 mg tablet", 4), decisions=[warfarin])
    by_key = {line.key: line for line in found.lines}
    assert by_key["apixaban|oral"].decided is None
    assert by_key["apixaban|oral"].status == "active"
    assert by_key["warfarin|oral"].because == ("facts-gone",)


def test_a_decision_follows_its_drug_to_another_way_of_giving_it() -> None:
    vague = _drug("warfarin|unspecified", "stopped", "o", text="Warfarin")
    line = drugs.only(
        drugs.reconciled(drugs.order("o", "Warfarin 5 mg tablet", 40), decisions=[vague])
    )
    assert (line.key, line.status) == ("warfarin|oral", "stopped")


def test_a_decision_follows_the_same_words_that_a_table_came_to_know() -> None:
    own = _drug("entry:o|unspecified", "stopped", "o", text="WARFARIN 5 mg  tablet")
    told = drugs.order("o", "Warfarin 5 mg tablet", 40)
    line = drugs.only(drugs.reconciled(told, decisions=[own]))
    assert (line.key, line.status) == ("warfarin|oral", "stopped")


def test_another_record_s_order_that_was_not_seen_contradicts_a_stop() -> None:
    seen = drugs.order("o", "Warfarin 5 mg tablet", 100)
    stopped = [_drug("warfarin|oral", "stopped", "o")]
    assert not _stale(drugs.only(drugs.reconciled(seen, decisions=stopped)))
    other = drugs.order("p", "Warfarin 5 mg tablet", 90, who="clinic")
    line = drugs.only(drugs.reconciled(seen, other, decisions=stopped))
    assert _stale(line)
    assert line.status != "stopped"
    history = drugs.fill("f", "Warfarin 5 mg tablet", 60)
    assert not _stale(drugs.only(drugs.reconciled(seen, history, decisions=stopped)))


@pytest.mark.parametrize("verification", ["confirmed", "unconfirmed"])
def test_an_old_allergy_of_another_record_contradicts_a_refutation(verification: str) -> None:
    here = lists.allergy("a", "Penicillin", "2024-01-01")
    (key,) = _allergies(here, decisions=())
    refuted = [_said(ListKind.ALLERGIES, key, "refuted", "a")]
    assert not _stale(_allergies(here, decisions=refuted)[key])
    there = lists.allergy(
        "b", "Penicillin", "2019-01-01", owner="clinic", verification=verification,
        reactions=[{"text": "Anaphylaxis", "severity": "severe"}],
    )  # fmt: skip
    line = _allergies(here, there, decisions=refuted)[key]
    assert _stale(line)
    assert line.status == "active"


def test_an_older_refutation_does_not_take_a_confirmed_allergy_off_the_list() -> None:
    here = lists.allergy("a", "Penicillin", "2018-01-01")
    (key,) = _allergies(here, decisions=())
    confirmed = [_said(ListKind.ALLERGIES, key, "confirmed", "a")]
    there = lists.allergy(
        "b", "Penicillin", "2019-01-01", owner="clinic", said="2019-06-01", verification="refuted"
    )
    line = _allergies(here, there, decisions=confirmed)[key]
    assert (line.status, _stale(line)) == ("active", False)


def test_an_old_problem_of_another_record_contradicts_a_refutation() -> None:
    here, there = lists.problem("a", "I10"), lists.problem("b", "I10", "2019-01-01", owner="b")
    for said in ("refuted", "resolved", "inactive"):
        told = [_said(ListKind.PROBLEMS, "problem:hypertension", said, "a")]
        for entries, stale in (((here,), False), ((here, there), True)):
            chart = lists.chart(*entries)
            (line,) = reconcile_problems(chart, RULES, lists.NOW_US, decisions=told).lines
            assert _stale(line) == stale


def test_a_confirmed_denial_does_not_hold_beside_an_allergy() -> None:
    none = lists.allergy("n", "No known allergies", "2026-01-01")
    (key,) = _allergies(none, decisions=())
    confirmed = [_said(ListKind.ALLERGIES, key, "confirmed", "n")]
    line = _allergies(none, decisions=confirmed)[key]
    assert (line.status, _stale(line)) == ("active", False)
    for day in ("2019-01-01", "2026-02-01"):
        allergy = lists.allergy("b", "Penicillin", day, owner="clinic")
        found = _allergies(none, allergy, decisions=confirmed)
        assert _stale(found[key])
        assert found[key].status != "active"
        (other,) = set(found) - {key}
        over = [*confirmed, _said(ListKind.ALLERGIES, other, "refuted", "b", day="2026-02-05")]
        assert _allergies(none, allergy, decisions=over)[key].status == "active"


def test_a_denial_that_became_an_allergy_is_no_denial() -> None:
    none = lists.allergy("n", "No known allergies", "2026-01-01")
    (key,) = _allergies(none, decisions=())
    confirmed = [_said(ListKind.ALLERGIES, key, "confirmed", "n", text="No known allergies")]
    found = _allergies(lists.allergy("n", "Penicillin", "2019-01-01"), decisions=confirmed)
    assert (found[key].status, _stale(found[key])) == ("unknown", True)


def test_a_denial_holds_beside_what_it_does_not_deny() -> None:
    none = lists.allergy("n", "No known drug allergies", "2026-01-01")
    (key,) = _allergies(none, decisions=())
    confirmed = [_said(ListKind.ALLERGIES, key, "confirmed", "n")]
    peanut = lists.allergy("b", "Peanut", "2026-02-01")
    line = _allergies(none, peanut, decisions=confirmed)[key]
    assert (line.status, _stale(line)) == ("active", False)


def test_a_decision_names_orders_before_doses() -> None:
    items = [("MedicationAdministration", f"g{n}") for n in range(300)]
    items += [("MedicationRequest", "o"), ("MedicationStatement", "l")]
    body = decision(
        "medications", "warfarin|oral", "stopped", "house", items, by="user:ada", text="Warfarin",
        labels=0, said_us=to_us("2026-02-20"),
    )  # fmt: skip
    named = [e["item"]["reference"] for e in json.loads(body)["entry"]]
    assert named[:3] == [
        "MedicationRequest/o", "MedicationStatement/l", "MedicationAdministration/g0",
    ]  # fmt: skip
    assert len(named) < len(items)


def _as_seen(told: Decision, seen: Line) -> Decision:
    return msgspec.structs.replace(told, contents=contents_of(seen.facts))


@pytest.mark.parametrize("day", ["2024-01-01", "2026-05-20"])
def test_a_refuted_allergy_that_is_told_again_with_a_worse_reaction_comes_back(day: str) -> None:
    seen = lists.allergy("a", "Penicillin", "2024-01-01")
    (key,) = (known := _allergies(seen, decisions=()))
    refuted = [_as_seen(_said(ListKind.ALLERGIES, key, "refuted", "a"), known[key])]
    worse = lists.allergy(
        "a", "Penicillin", day, said="2026-05-20", criticality="high",
        reactions=[{"text": "Anaphylaxis", "severity": "severe"}],
    )  # fmt: skip
    line = _allergies(worse, decisions=refuted)[key]
    assert (line.status, _stale(line)) == ("active", True)
    again = lists.allergy("a", "Penicillin", "2024-01-01", said="2026-05-20")
    assert _allergies(again, decisions=refuted)[key].status == "refuted"


def test_a_resolved_problem_that_recurs_in_the_same_entry_comes_back() -> None:
    seen = lists.problem("a", "I26.99", "2024-01-01")
    (known,) = reconcile_problems(lists.chart(seen), RULES, lists.NOW_US).lines
    resolved = [_as_seen(_said(ListKind.PROBLEMS, known.key, "resolved", "a"), known)]
    for onset, stale in (("", False), ("2026-03-01", True)):
        told = lists.problem("a", "I26.99", "2024-01-01", **({"onset": onset} if onset else {}))
        chart = lists.chart(told)
        (line,) = reconcile_problems(chart, RULES, lists.NOW_US, decisions=resolved).lines
        assert _stale(line) == stale


def test_what_was_seen_of_each_resource_is_kept_with_the_decision() -> None:
    body = decision(
        "allergies", "substance:peanut", "refuted", "p", [("AllergyIntolerance", "a")],
        by="user:ada", text="Peanut", labels=0, said_us=5, contents={"a": "0f", "other": "1e"},
    )  # fmt: skip
    (entry,) = json.loads(body)["entry"]
    assert entry["extension"] == [{"url": "urn:chartloom:extension:content", "valueString": "0f"}]
    assert shape_decision.decision(json.loads(body))["contents"] == {"a": "0f"}
