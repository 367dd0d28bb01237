"""Silence that is evidence: a list that leaves out, a drug or a course not fetched again."""

from __future__ import annotations

import pytest
from tests.support.medication_lists import (
    Told,
    ended,
    fill,
    given,
    listed,
    order,
    reconciled,
)

from chartloom.chart.reconcile import Line, builtin_rules
from chartloom.chart.reconcile.belief import Habit, Waiting, doubt
from chartloom.chart.reconcile.heard import DAY_US

_M = "Metformin 500 mg ER tablet"
_L = "Lisinopril 10 mg tablet"
_A = "Amlodipine 5 mg tablet"
_BELIEF = builtin_rules().medications.belief


def _line(key: str, *told: Told) -> Line:
    return next(x for x in reconciled(*told).lines if x.key == key)


def _metformin(*told: Told) -> Line:
    mine = [order("o", _M, 200, who="clinic"), fill("f", _M, 35, 90, of="o")]
    return _line("metformin|oral-er", *mine, *told)


def _lisinopril(who: str = "clinic") -> list[Told]:
    return [order("l", _L, 150, who=who), fill("x", _L, 20, 90, of="l")]


def test_a_list_of_one_by_somebody_who_orders_nothing_leaves_out() -> None:
    assert _metformin(*_lisinopril()).status == "active"
    line = _metformin(*_lisinopril(), listed("y", _L, 2))
    assert (line.status, line.standing) == ("unknown", "unconfirmed")
    assert "not-on-later-list" in line.because


def test_who_orders_drugs_and_lists_one_says_nothing_of_others() -> None:
    own = listed("y", _L, 2, who="clinic")
    line = _metformin(*_lisinopril(), own)
    assert (line.status, "not-on-later-list" in line.because) == ("active", False)


def test_a_list_of_one_of_many_says_nothing_of_the_others() -> None:
    many = [order("a", _A, 90), order("b", "Sertraline 50 mg tablet", 80)]
    line = _metformin(*_lisinopril(), *many, listed("y", _L, 2))
    assert "not-on-later-list" not in line.because


def test_what_is_named_as_not_taken_makes_a_list_longer() -> None:
    """Two lines of whoever orders as well: one is taken, of the other it says that it is not."""
    lines = [listed("y", _L, 2, who="house"), listed("z", _A, 2, who="house", status="not-taken")]
    orders = [*_lisinopril("house"), order("a", _A, 90, who="house")]
    assert "not-on-later-list" in _metformin(*orders, *lines).because
    only_ended = [ended(x, "not-taken", 2) for x in lines]
    assert "not-on-later-list" not in _metformin(*orders, *only_ended).because


@pytest.mark.parametrize(
    "over",
    [
        [
            fill("c", "Amoxicillin 500 mg capsule", 80, 7),
            order("d", "Amoxicillin 500 mg capsule", 80),
        ],
        [order("d", "Prednisone 20 mg tablet", 60, until=55)],
        [given("d", "Ceftriaxone 1 g vial", 40)],
    ],
)
def test_no_list_is_expected_to_name_what_was_over(over: list[Told]) -> None:
    two = [*over, order("e", "Nitrofurantoin 100 mg capsule", 70, until=65)]
    line = _metformin(*_lisinopril(), *two, listed("y", _L, 2))
    assert "not-on-later-list" in line.because


_PRN = "Cyclobenzaprine 10 mg tablet"


def _prn(*ago: float) -> Line:
    when = [{"asNeededBoolean": True}]
    mine = order("p", _PRN, 400, dosageInstruction=when)
    fills = [fill(f"p{n}", _PRN, at, 15, of="p") for n, at in enumerate(ago)]
    return _line("cyclobenzaprine|oral", mine, *fills)


def test_what_is_taken_when_needed_is_doubted_if_it_lasts_longer_than_before() -> None:
    assert _prn(40, 130, 220).reason == "order-active-and-filled"  # every three months
    assert _prn(40, 50, 60).reason == "filled-some-time-ago"  # every ten days
    assert _prn(8, 18, 28).reason == "order-active-and-filled"


def test_a_single_short_fill_that_is_used_up_was_a_course() -> None:
    course = order("c", "Prednisone 20 mg tablet", 9)
    once = [course, fill("d", "Prednisone 20 mg tablet", 9, 7, of="c")]
    assert _line("prednisone|oral", *once).status == "unknown"
    assert (
        _line(
            "prednisone|oral", course, once[1], fill("e", "Prednisone 20 mg tablet", 16, 7)
        ).status
        == "active"
    )
    month = fill("d", "Prednisone 20 mg tablet", 32, 30, of="c")
    assert (
        _line("prednisone|oral", order("c", "Prednisone 20 mg tablet", 32), month).status
        == "active"
    )


def test_a_next_fill_that_is_not_seen_is_never_the_whole_proof() -> None:
    held = doubt(30 * DAY_US, Waiting(), Habit(), _BELIEF)
    gone = doubt(30 * DAY_US, Waiting(10_000 * DAY_US, DAY_US, 50, 0), Habit(), _BELIEF)
    most = held / (1 - held) / _BELIEF.skipped
    assert held < gone <= most / (1 + most) + 1e-9
