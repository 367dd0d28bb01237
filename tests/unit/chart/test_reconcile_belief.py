"""What stands as current without a sign of late is listed apart, and not as active."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
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
)

from chartloom.chart.reconcile import Line, builtin_rules
from chartloom.chart.reconcile.belief import Habit, Waiting, doubt
from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.reconcile.rules_medications import Belief

_M = "Metformin 500 mg ER tablet"
_L = "Lisinopril 10 mg tablet"
_BELIEF = builtin_rules().medications.belief
_YEAR = 365 * DAY_US


def _metformin(*told: Told) -> Line:
    return next(x for x in reconciled(*told).lines if x.key == "metformin|oral-er")


def _doubted(since_us: int, overdue_us: int, habit: Habit, belief: Belief) -> float:
    late = Waiting(overdue_us, int(belief.late_days * DAY_US), habit.gaps, habit.late_us)
    return doubt(since_us, late, habit, belief)


def test_doubt_grows_with_time_with_delay_and_with_what_was_given_up() -> None:
    plain = _doubted(60 * DAY_US, 0, Habit(), _BELIEF)
    assert 0 < plain < _doubted(120 * DAY_US, 0, Habit(), _BELIEF) < 1
    assert plain < _doubted(60 * DAY_US, 10 * DAY_US, Habit(), _BELIEF)
    assert plain < _doubted(60 * DAY_US, 0, Habit(9, 0, 2, 2 * _YEAR), _BELIEF)
    assert plain > _doubted(60 * DAY_US, 0, Habit(9, 0, 0, 6 * _YEAR), _BELIEF)
    assert _doubted(0, 0, Habit(), _BELIEF) == 0


def test_a_delay_says_less_of_whoever_is_always_late() -> None:
    late, prompt = Habit(10, 200 * DAY_US), Habit(10, 5 * DAY_US)
    now = (40 * DAY_US, 12 * DAY_US)
    assert _doubted(*now, late, _BELIEF) < _doubted(*now, prompt, _BELIEF) / 1.5


def test_whoever_comes_late_gives_up_more_often() -> None:
    late, prompt = Habit(10, 200 * DAY_US), Habit(10, 5 * DAY_US)
    held = 30 * DAY_US  # what was filled lasts, so that nothing is overdue
    assert _doubted(held, 0, prompt, _BELIEF) < _doubted(held, 0, Habit(), _BELIEF)
    assert _doubted(held, 0, Habit(), _BELIEF) < _doubted(held, 0, late, _BELIEF)
    usual = Habit(10, int(10 * _BELIEF.late_days * DAY_US))  # as late as most: as often as most
    assert _doubted(held, 0, usual, _BELIEF) == pytest.approx(_doubted(held, 0, Habit(), _BELIEF))
    plain = replace(_BELIEF, late_gives_up=0.0)
    assert _doubted(held, 0, prompt, plain) == _doubted(held, 0, late, plain)


def test_fills_on_time_keep_what_fills_that_are_late_make_doubtful() -> None:
    """The same drug with tablets left; only how another was filled differs."""
    mine = [order("o", _M, 80), fill("f", _M, 66, 90, of="o")]

    def other(gap: int) -> list[Told]:
        fills = [fill(f"l{n}", _L, 5 + n * (30 + gap), of="l") for n in range(3)]
        return [order("l", _L, 10 + 2 * (30 + gap)), *fills]

    assert _metformin(*mine, *other(0)).reason == "order-active-and-filled"
    assert _metformin(*mine, *other(40)).reason == "filled-some-time-ago"


_OTC = "Acetaminophen 500 mg tablet"


@pytest.mark.parametrize(
    ("told", "reason", "status"),
    [
        ([order("o", _OTC, 40)], "order-of-bought", "active"),  # notes what is taken
        ([order("o", _M, 40)], "order-unconfirmed", "unknown"),  # of others it is a wish
        ([order("o", _OTC, 120)], "order-unconfirmed", "unknown"),  # too long ago
        ([order("o", _OTC, 0, authoredOn="")], "order-old", "unknown"),
        ([order("o", _OTC, 120), listed("l", _OTC, 20)], "order-active", "active"),
        ([order("o", _OTC, 40), listed("l", _OTC, 45)], "order-active", "active"),
        ([order("o", _OTC, 40, who="clinic"), listed("l", _OTC, 300)], "order-of-bought", "active"),
    ],
)
def test_an_order_of_what_is_bought_without_a_prescription(
    told: list[Told], reason: str, status: str
) -> None:
    line = only(reconciled(*told))
    assert (line.reason, line.status) == (reason, status)


def test_fills_of_others_say_nothing_of_what_is_bought() -> None:
    told = [order("o", _OTC, 40), *_steady(_L, "l", 5)]
    line = next(x for x in reconciled(*told).lines if x.key.startswith("acetaminophen"))
    assert (line.reason, line.confidence.value) == ("order-of-bought", "low")
    asked = [listed("x", _L, 10), listed("y", "Amlodipine 5 mg tablet", 10)]
    line = next(x for x in reconciled(*told, *asked).lines if x.key.startswith("acetaminophen"))
    assert line.reason == "order-unconfirmed"  # a later list of what is taken leaves it out


def _steady(name: str, id: str, newest: float) -> list[Told]:
    return [
        order(f"o{id}", name, newest + 365),
        *(fill(f"f{id}{n}", name, newest + 30 * n, of=f"o{id}") for n in range(12)),
    ]


def test_therapies_given_up_before_make_a_long_supply_doubtful() -> None:
    mine = [order("o", _M, 400), fill("f", _M, 60, 90, of="o"), fill("g", _M, 150, 90, of="o")]
    kept = [*_steady("Lisinopril 10 mg tablet", "l", 5), *_steady("Amlodipine 5 mg tablet", "a", 9)]
    gone = [
        told
        for at, name in enumerate(("Lisinopril 10 mg tablet", "Amlodipine 5 mg tablet"))
        for told in (
            order(f"x{at}", name, 300),
            *(fill(f"x{at}{n}", name, 240 + 30 * n, of=f"x{at}") for n in range(2)),
        )
    ]
    assert _metformin(*mine, *kept).status == "active"
    line = _metformin(*mine, *gone)
    assert (line.status, line.standing) == ("unknown", "unconfirmed")
    stopped = [ended(t, "stopped", 200) if t[1]["id"] in ("x0", "x1") else t for t in gone]
    assert _metformin(*mine, *stopped).status == "active"  # ended by somebody, not given up


@pytest.mark.parametrize(
    ("sign", "reason"),
    [
        (listed("l", _M, 20), "order-active"),
        (order("p", _M, 20), "order-active"),
        (given("g", _M, 20), "order-active"),
        (listed("l", _M, 20, status="unknown"), "order-unconfirmed"),
        (order("p", _M, 20, intent="proposal"), "order-unconfirmed"),
        (order("p", _M, 195), "order-unconfirmed"),  # the same prescription, told twice
    ],
)
def test_what_is_a_sign_that_an_order_is_followed(sign: Told, reason: str) -> None:
    assert only(reconciled(order("o", _M, 200), sign)).reason == reason


@pytest.mark.parametrize(
    ("sign", "shown"),
    [
        (listed("l", _M, 70), ("active", "order-active")),  # of a fill 70 days are too long:
        (fill("f", _M, 70, 90, of="o"), ("unknown", "filled-some-time-ago")),
        (listed("l", _M, 90), ("unknown", "order-not-confirmed")),
    ],
)
def test_a_word_is_believed_longer_than_a_fill(sign: Told, shown: tuple[str, str]) -> None:
    """A fill may be sent by itself; a name on a list is what somebody said."""
    line = only(reconciled(order("o", _M, 200), sign))
    assert (line.status, line.reason) == shown


def test_unknown_stands_under_headings_of_its_own() -> None:
    stale = only(reconciled(order("o", _M, 500)))
    assert (stale.standing, misfits(stale)) == ("stale", {"likely-stale"})
    assert only(reconciled(order("o", _M, 100))).standing == "unconfirmed"
    assert only(reconciled(fill("f", _M, 5))).standing == "unconfirmed"
    assert only(reconciled(order("o", _M, 20, status="draft"))).standing == "planned"
    clinic = ended(order("o", _M, 200, who="clinic"), "stopped", 60)
    assert only(reconciled(clinic, order("p", _M, 300))).standing == "contradicted"
    assert only(reconciled(order("o", _M, 5))).standing == ""


def test_lists_show_active_lines_first_then_what_to_confirm_then_what_is_stale() -> None:
    found = reconciled(
        order("a", "Warfarin 5 mg tablet", 500),
        order("b", "Sertraline 50 mg tablet", 100),
        order("c", "Lisinopril 10 mg tablet", 5),
    )
    assert [x.standing or x.status for x in found.lines] == ["active", "unconfirmed", "stale"]


def test_tablets_and_a_dose_by_weight_tell_how_long_a_fill_lasts() -> None:
    told = order("o", "Prednisone 20 mg tablet", 60, dose=(40, "mg", 1))
    filled = fill("f", "Prednisone 20 mg tablet", 50, None, of="o", quantity={"value": 60})
    line = only(reconciled(told, filled))
    assert line.detail["covered_until"] == "2026-02-09"  # two a day: thirty days
    assert "days-supply-unknown" not in line.because
