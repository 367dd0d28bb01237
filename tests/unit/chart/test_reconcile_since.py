"""A source that repeats its word says nothing new, and what is not said denies nothing."""

from __future__ import annotations

from collections import defaultdict

import pytest
from tests.support.lists import NOW_US as LISTS_NOW_US
from tests.support.lists import SNOMED, allergy, chart, problem
from tests.support.medication_lists import NOW_US, day, listed, order

from chartloom.chart import merge, place, rebuild_part, summary, view_key
from chartloom.chart.reconcile import (
    ReconciledList,
    builtin_rules,
    reconcile_allergies,
    reconcile_medications,
    reconcile_problems,
)
from chartloom.chart.summary import ChartSummary
from chartloom.chart.times import to_us
from chartloom.domain.resource import Contribution, FhirJson, ResourceState, Stamp
from chartloom.registry.formulary import builtin_formulary

#: (days before now, whose record, resource)
Said = tuple[float, str, FhirJson]


def chart_of(*said: Said) -> ChartSummary:
    """The chart of what sources said, one message each, in the order of the list."""
    states: dict[str, ResourceState] = {}
    for position, (ago, who, resource) in enumerate(said, 1):
        stamp = Stamp(1, to_us(day(ago)), position)
        id = resource["id"]
        states[id] = merge(states.get(id), Contribution(resource, who), stamp)
    rows = defaultdict(list)
    for state in states.values():
        placed = place(state)
        if key := view_key(placed):
            rows[key].append(placed)
    return summary([rebuild_part(key, placed) for key, placed in rows.items()], NOW_US)


def statement(kind: str, id: str, text: str, recorded_ago: float, verification: str) -> FhirJson:
    return {
        "resourceType": kind,
        "id": id,
        "code": {"text": text},
        "recordedDate": day(recorded_ago),
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": verification}]},
    }


def only(made: ReconciledList) -> tuple[str, str]:
    (one,) = made.lines
    return one.status, one.reason


@pytest.mark.parametrize("repeats", [(), (1,), (30, 3, 2, 1)])
def test_an_old_stop_that_is_sent_again_stops_nothing_begun_since(repeats: tuple[int, ...]) -> None:
    who, stopped = order("o", "warfarin 5 MG oral tablet", 2000, status="stopped")
    _, current = listed("l", "warfarin 5 MG oral tablet", 20, who="gp")
    said = [(1900, who, stopped), (20, "gp", current), *((ago, who, stopped) for ago in repeats)]
    told = chart_of(*said)
    made = reconcile_medications(told, builtin_formulary(), builtin_rules(), NOW_US)
    assert only(made)[0] == "active"


@pytest.mark.parametrize("repeats", [(), (1,), (30, 3, 2, 1)])
@pytest.mark.parametrize("kind", ["AllergyIntolerance", "Condition"])
def test_an_old_refutation_that_is_sent_again_refutes_nothing_found_since(
    kind: str, repeats: tuple[int, ...]
) -> None:
    refuted = statement(kind, "c", "Penicillin", 3000, "refuted")
    found = statement(kind, "h", "Penicillin", 2000, "confirmed")
    said = [(3000, "clinic", refuted), (2000, "house", found)]
    told = chart_of(*said, *((ago, "clinic", refuted) for ago in repeats))
    reconcile = reconcile_allergies if kind == "AllergyIntolerance" else reconcile_problems
    assert only(reconcile(told, builtin_rules(), NOW_US))[0] == "active"


def test_old_refutations_that_all_arrive_today_refute_nothing_found_since() -> None:
    refuted = statement("AllergyIntolerance", "c", "Penicillin", 3000, "refuted")
    found = statement("AllergyIntolerance", "h", "Penicillin", 2000, "confirmed")
    told = chart_of((2000, "house", found), (1, "clinic", refuted))
    made = reconcile_allergies(told, builtin_rules(), NOW_US)
    assert only(made) == ("active", "listed-after-refuted")


def test_who_changes_their_mind_later_refutes() -> None:
    listed_first = statement("AllergyIntolerance", "c", "Penicillin", 3000, "confirmed")
    refuted = statement("AllergyIntolerance", "c", "Penicillin", 3000, "refuted")
    found = statement("AllergyIntolerance", "h", "Penicillin", 2000, "confirmed")
    said = [(3000, "clinic", listed_first), (2000, "house", found), (90, "clinic", refuted)]
    told = chart_of(*said, (1, "clinic", refuted))
    assert only(reconcile_allergies(told, builtin_rules(), NOW_US)) == ("refuted", "refuted-later")


def test_an_entry_made_in_error_refutes_nothing() -> None:
    slip = allergy("b", "Penicillin", verification="entered-in-error", said="2025-09-01", owner="b")
    denied = allergy("n", "No known allergies", "2010-01-01", owner="lab")
    told = chart(allergy("a", "Penicillin", criticality="high"), slip, denied)
    made = reconcile_allergies(told, builtin_rules(), LISTS_NOW_US)
    (stands,) = [x for x in made.lines if x.detail.get("substance") != "none"]
    assert (stands.status, stands.reason, len(stands.facts)) == ("active", "listed", 1)


def test_a_coded_denial_does_not_hide_the_substance_in_its_words() -> None:
    told = chart(allergy("a", "Penicillin", code=f"{SNOMED}|716186003"))
    (one,) = reconcile_allergies(told, builtin_rules(), LISTS_NOW_US).lines
    assert (one.text, one.status) == ("Penicillin", "active")


@pytest.mark.parametrize(
    "text",
    [
        "No allergies recorded.", "No documented drug allergies", "No allergies on file",
        "No allergies confirmed", "no allergies reviewed", "No allergies asked at this time",
        "No allergies?",
    ],
)  # fmt: skip
def test_that_nobody_asked_is_no_denial(text: str) -> None:
    (one,) = reconcile_allergies(chart(allergy("a", text)), builtin_rules(), LISTS_NOW_US).lines
    assert one.detail.get("substance") != "none"
    assert one.text == text


def test_what_comes_again_is_there_since_it_came_again() -> None:
    """Two episodes of what ends by itself are not four months of it."""
    told = chart(
        problem("a", "A41.9", "2026-01-07", category="encounter-diagnosis", onset="2026-01-07"),
        problem("b", "A41.9", "2026-05-20", category="encounter-diagnosis", onset="2026-05-20"),
        problem("c", "A41.9", "2026-05-25", category="encounter-diagnosis", onset="2026-05-25"),
        problem("d", "E11.9", "2020-05-25", onset="2020-05-25"),
        problem("e", "E11.9", "2026-05-25", onset="2026-05-25", owner="b"),
    )
    made = reconcile_problems(told, builtin_rules(), LISTS_NOW_US)
    assert [x.detail["onset"] for x in made.lines] == ["2026-05-20", "2020-05-25"]
