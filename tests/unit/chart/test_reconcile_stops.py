"""A stop counts however early it comes; only a renewal by the same source answers it."""

from __future__ import annotations

import pytest
from tests.support.medication_lists import (
    Told,
    day,
    ended,
    fill,
    given,
    listed,
    misfits,
    only,
    order,
    reconciled,
)

from chartloom.chart.reconcile import Confidence

_W = "Warfarin 5 mg tablet"
_COPY = order("c", _W, 20, who="pharmacy")
_FILL = fill("f", _W, 20, who="pharmacy", of="c")


@pytest.mark.parametrize("after", [0, 1, 8, 14])
@pytest.mark.parametrize("status", ["stopped", "cancelled"])
def test_an_early_stop_is_not_hidden_by_another_source_s_copy(status: str, after: int) -> None:
    cpoe = ended(order("o", _W, 20, who="cpoe"), status, 20 - after)
    line = only(reconciled(cpoe, _COPY, _FILL))
    assert (line.status, line.reason) == ("unknown", "stopped-in-one-source")
    assert misfits(line) == {"stopped-elsewhere"}
    assert "sources-disagree" in line.because
    assert line.confidence is Confidence.LOW


def test_not_taken_soon_after_the_order_is_believed() -> None:
    line = only(reconciled(_COPY, _FILL, listed("l", _W, 11, status="not-taken")))
    assert (line.status, line.reason) == ("stopped", "not-taken")
    assert misfits(line) == {"stopped-elsewhere"}


def test_a_renewal_answers_only_stops_of_its_own_source() -> None:
    old = ended(order("o", _W, 300, who="cpoe"), "stopped", 10)
    new = order("n", _W, 20, who="cpoe")
    assert only(reconciled(old, new, _FILL)).status == "active"
    assert only(reconciled(old, new, _COPY, _FILL)).status == "active"
    other = order("n", _W, 20, who="clinic")
    line = only(reconciled(old, other, _FILL))
    assert (line.status, misfits(line)) == ("unknown", {"stopped-elsewhere"})


def test_a_stop_long_after_the_renewal_is_no_renewal() -> None:
    old = ended(order("o", _W, 300, who="cpoe"), "stopped", 10)
    line = only(reconciled(old, order("n", _W, 30, who="cpoe"), _FILL))
    assert line.status == "unknown"


def test_what_its_source_stopped_itself_is_no_renewal_of_an_older_open_order() -> None:
    forgotten = order("a", _W, 40, who="cpoe")
    stopped = ended(order("b", _W, 35, who="cpoe"), "stopped", 30)
    line = only(reconciled(forgotten, stopped))
    assert (line.status, line.reason) == ("unknown", "stopped-in-one-source")


@pytest.mark.parametrize(
    "told",
    [
        fill("g", _W, -3650, who="pharmacy"),
        given("g", _W, -3650),
        order("g", _W, -3650, who="clinic"),
        listed("g", _W, -3650),
        listed("g", _W, -2),
    ],
)
def test_nothing_dated_in_the_future_revives_what_was_stopped(told: Told) -> None:
    line = only(reconciled(ended(order("o", _W, 200), "stopped", 100), told))
    assert line.status != "active"
    assert "time-unknown" in line.because
    assert {f.at_us for f in line.facts if f.resource_id == "g"} == {0}


def test_what_is_dated_in_the_future_is_not_recent() -> None:
    line = only(reconciled(listed("l", _W, -3650)))
    assert (line.status, line.reason) == ("unknown", "listed-long-ago")
    assert only(reconciled(given("g", _W, -3650))).reason == "given-in-past"
    tomorrow = only(reconciled(listed("l", _W, -0.9)))
    assert tomorrow.reason == "listed-recently"


def test_a_stop_of_unknown_time_is_not_older_than_an_order() -> None:
    stopped = ended(order("o", _W, -3000, who="cpoe"), "stopped", -3650)
    line = only(reconciled(stopped, _COPY, _FILL))
    assert line.status == "unknown"
    assert misfits(line) & {"stopped-elsewhere", "stopped-elsewhere-but-filled"}


def test_a_course_may_well_end_in_the_future() -> None:
    line = only(reconciled(order("o", "Amoxicillin 500 mg capsule", 2, until=-5)))
    assert line.status == "active"


def test_a_list_after_another_source_s_stop_names_it() -> None:
    stopped = ended(order("o", _W, 90, who="cpoe"), "stopped", 43)
    line = only(reconciled(stopped, listed("l", _W, 29)))
    assert line.reason == "listed-recently"
    assert misfits(line) == {"stopped-elsewhere"}
    assert line.confidence is Confidence.LOW
    own = only(reconciled(stopped, listed("l", _W, 29, who="cpoe")))
    assert not misfits(own)


def test_a_list_that_says_since_when_it_is_over_contradicts_an_older_order() -> None:
    """A summary of a discharge says so of what it ended, and another's order still stands."""
    period = {"effectivePeriod": {"start": day(120), "end": day(5)}}
    over = listed("l", _W, 5, status="completed", who="summary")
    del over[1]["effectiveDateTime"]
    line = only(reconciled(_COPY, _FILL, (over[0], over[1] | period)))
    assert (line.status, line.reason) == ("unknown", "stopped-in-one-source")
    assert misfits(line) == {"stopped-elsewhere"}


def test_a_completed_course_of_an_unknown_day_contradicts_nothing() -> None:
    line = only(reconciled(_COPY, _FILL, listed("l", _W, 5, status="completed", who="summary")))
    assert line.status == "active"


def test_a_course_that_was_over_before_the_order_contradicts_nothing() -> None:
    period = {"effectivePeriod": {"start": day(120), "end": day(60)}}
    over = listed("l", _W, 5, status="completed", who="summary")
    del over[1]["effectiveDateTime"]
    line = only(reconciled(_COPY, _FILL, (over[0], over[1] | period)))
    assert line.status == "active"
