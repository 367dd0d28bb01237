"""Which status a therapy has, and why: one case for every rule."""

from __future__ import annotations

import pytest
from tests.support.medication_lists import (
    Told,
    ended,
    fill,
    given,
    listed,
    misfits,
    only,
    order,
    reconciled,
    stay,
)

from chartloom.chart.reconcile import Confidence

_M = "Metformin 500 mg ER tablet"
_FILLS = [fill(f"f{n}", _M, ago, of="o") for n, ago in enumerate((100, 69, 40, 8))]
_OTHER = fill("other", "Lisinopril 10 mg tablet", 5)


@pytest.mark.parametrize(
    ("told", "status", "reason"),
    [
        ([order("o", _M, 200), *_FILLS], "active", "order-active-and-filled"),
        ([order("o", _M, 400), order("p", _M, 30)], "active", "order-active"),
        ([order("o", _M, 200), listed("l", _M, 30)], "active", "order-active"),
        ([order("o", _M, 200)], "unknown", "order-unconfirmed"),
        ([order("o", _M, 300), listed("l", _M, 200)], "unknown", "order-not-confirmed"),
        ([order("o", _M, 400), order("p", _M, 200)], "unknown", "order-not-confirmed"),
        ([order("o", _M, 10)], "active", "order-recent"),
        ([order("o", _M, 20), _OTHER], "unknown", "not-filled-yet"),
        ([order("o", _M, 200), fill("f", _M, 100, 110)], "unknown", "filled-some-time-ago"),
        ([listed("l", _M, 150)], "unknown", "listed-some-time-ago"),
        ([order("o", _M, 10), _OTHER], "active", "order-recent"),
        ([order("o", _M, 60), _OTHER], "unknown", "never-filled"),
        ([order("o", _M, 500)], "unknown", "order-old"),
        ([order("o", _M, 200), *_FILLS[:1]], "unknown", "supply-ran-out"),
        (_FILLS, "unknown", "fill-without-order"),
        ([listed("l", _M, 20)], "active", "listed-recently"),
        ([listed("l", _M, 400)], "unknown", "listed-long-ago"),
        ([listed("l", _M, 20, status="not-taken")], "stopped", "not-taken"),
        ([ended(order("o", _M, 200), "stopped", 5), *_FILLS], "stopped", "explicit-stop"),
        ([ended(order("o", _M, 200), "stopped", 50), *_FILLS], "unknown", "filled-after-stop"),
        ([ended(order("o", _M, 200), "cancelled", 199)], "stopped", "order-cancelled"),
        ([ended(order("o", _M, 200), "completed", 100)], "completed", "course-completed"),
        ([order("o", "Amoxicillin 500 mg capsule", 20, until=13)], "completed", "course-ended"),
        ([ended(order("o", _M, 200), "on-hold", 5), *_FILLS], "on-hold", "order-on-hold"),
        ([order("o", _M, 20, intent="proposal")], "unknown", "proposed-only"),
        ([order("o", _M, 20, status="draft")], "unknown", "proposed-only"),
        ([given("g", "Vancomycin 1 g vial", 1)], "active", "given-on-ward"),
        ([given("g", "Vancomycin 1 g vial", 30)], "completed", "given-in-past"),
        (
            [
                stay("e", 20, 15),
                order("o", "Heparin 5000 unit/mL vial", 20, encounter={"reference": "Encounter/e"}),
                given("g", "Heparin 5000 unit/mL vial", 16, of="o"),
            ],
            "completed",
            "stay-ended",
        ),
        (
            [
                ended(order("o", _M, 200, who="clinic"), "stopped", 60),
                order("p", _M, 300, who="house"),
            ],
            "unknown",
            "stopped-in-one-source",
        ),
    ],
)
def test_status_and_reason(told: list[Told], status: str, reason: str) -> None:
    line = next(x for x in reconciled(*told).lines if not x.key.startswith("lisinopril"))
    assert (line.status, line.reason) == (status, reason)


def test_what_never_ran_out_needs_no_new_order() -> None:
    line = only(reconciled(order("o", _M, 700), *_FILLS))
    assert line.status == "active"
    assert line.confidence is Confidence.HIGH
    assert line.detail["last_fill"] == "2026-02-21"
    assert {"filled-recently", "drug-by-name"} <= set(line.because)


def test_early_fills_add_up() -> None:
    early = [fill(f"f{n}", _M, ago, 30) for n, ago in enumerate((80, 70, 60))]
    line = only(reconciled(order("o", _M, 90), *early))
    assert line.detail["covered_until"] == "2026-03-11"  # 80 days ago, and 90 days from then
    assert line.status == "active"


def test_whoever_always_came_late_is_given_that_time() -> None:
    late = [fill(f"f{n}", _M, ago, 30) for n, ago in enumerate((215, 165, 115))]
    regular = [fill(f"f{n}", _M, ago, 30) for n, ago in enumerate((145, 115, 85))]
    believed = only(reconciled(order("o", _M, 300), *late)).detail["believed_until"]
    strict = only(reconciled(order("o", _M, 300), *regular)).detail["believed_until"]
    assert believed == "2025-12-26"  # 85 days ago the supply ended; gaps of 20 days were usual
    assert strict == "2026-01-19"  # 55 days ago, and 14 days more, as of others


def test_gaps_are_not_seen_where_fills_may_be_left_out() -> None:
    """Three names of one drug: of each the chart keeps three fills, so that there are holes."""
    names = (_M, "Glucophage XR 500 mg tablet")
    fills = [fill(f"a{n}", names[0], 40 + 30 * n) for n in range(12)]
    fills += [fill("b0", names[1], 10), fill("b1", names[1], 300)]
    line = only(reconciled(order("o", _M, 600), *fills))
    assert "irregular-fills" not in line.because
    assert len(line.facts) == 1 + 3 + 2


def test_a_stop_ends_what_was_ordered_before_and_not_what_came_after() -> None:
    first = ended(order("o", _M, 300), "stopped", 100)
    again = order("p", _M, 50)
    line = only(reconciled(first, again, fill("f", _M, 10)))
    assert (line.status, line.reason) == ("active", "order-active-and-filled")
    assert not misfits(line)


def test_a_renewal_closes_the_old_order_within_days() -> None:
    old = ended(order("o", _M, 300), "stopped", 40)
    line = only(reconciled(old, order("p", _M, 41), fill("f", _M, 10)))
    assert line.status == "active"


def test_an_unknown_hold_is_stale_after_months() -> None:
    held = only(reconciled(ended(order("o", _M, 300), "on-hold", 200)))
    assert held.status == "on-hold"
    assert misfits(held) == {"likely-stale"}


def test_of_the_dead_nothing_is_active() -> None:
    patient = {"resourceType": "Patient", "id": "p", "deceasedDateTime": "2026-02-01"}
    lines = reconciled(("house", patient), order("o", _M, 200), *_FILLS).lines
    assert {(x.status, x.reason) for x in lines} == {("completed", "person-died")}


def test_a_list_after_the_last_fill_keeps_a_therapy_for_a_while() -> None:
    told = [order("o", _M, 400), fill("f", _M, 200)]
    assert only(reconciled(*told)).reason == "supply-ran-out"
    line = only(reconciled(*told, listed("l", _M, 10)))
    assert (line.status, line.reason) == ("active", "listed-recently")
    assert "sources-disagree" in line.because


def test_what_was_not_to_be_done_is_no_therapy() -> None:
    line = only(reconciled(order("o", _M, 20, doNotPerform=True)))
    assert (line.status, line.reason) == ("stopped", "explicit-stop")


def test_what_a_discharge_leaves_out_is_less_sure() -> None:
    home = {"category": [{"coding": [{"code": "discharge"}]}]}
    told = [order("o", _M, 200), fill("f", _M, 20)]
    lisinopril = order("d", "Lisinopril 10 mg tablet", 5, **home)
    line = next(x for x in reconciled(*told, lisinopril).lines if x.key == "metformin|oral-er")
    assert "not-on-discharge-list" in line.because
    assert line.confidence is Confidence.MODERATE
    again = fill("g", _M, 2)
    line = next(x for x in reconciled(*told, lisinopril, again).lines if x.key.startswith("met"))
    assert "not-on-discharge-list" not in line.because
    named = order("e", _M, 5, **home)
    line = next(x for x in reconciled(*told, lisinopril, named).lines if x.key.startswith("met"))
    assert line.confidence is Confidence.HIGH
