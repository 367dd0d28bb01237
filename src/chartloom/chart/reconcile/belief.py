"""How much speaks against a therapy that stands as current: the longer ago its last sign, the more.

An open order says that somebody once wanted it; whether it is still taken shows only in what people
do: they fill it, they name it when asked, somebody renews it. Since the last of these signs some
have given it up without a word, and more so if the next fill is overdue by more than this person's
habit.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.reconcile.pieces import Piece
from chartloom.chart.reconcile.rules_medications import Belief, MedicationRules
from chartloom.chart.reconcile.supply import Supply

_YEAR_US: Final = 365.25 * DAY_US
#: Lists are often copied from each other: more of them say no more.
_OMITTED_MAX: Final = 3
_BEGINS: Final = frozenset(("filled", "order-active", "order-completed", "order-stopped"))
_ENDS: Final = frozenset(
    ("order-stopped", "order-cancelled", "order-on-hold", "listed-stopped", "listed-not-taken",
     "listed-completed", "listed-on-hold", "not-to-do")
)  # fmt: skip


class Habit(msgspec.Struct, frozen=True):
    """What the fills of all therapies show of a person.

    gaps, late_us: of how many next fills, how late these came in all. given_up: therapies that
    nobody ended and that are not filled any more, or never were; seen_us: how long therapies were
    filled in all.
    """

    gaps: int = 0
    late_us: int = 0
    given_up: int = 0
    seen_us: int = 0


class Followed(msgspec.Struct, frozen=True):
    """A therapy as far as it shows a habit. pieces: all that is said of it."""

    pieces: list[Piece]
    classes: tuple[str, ...]
    supply: Supply | None


def habit_of(known: Iterable[Followed], rules: MedicationRules, now_us: int) -> Habit:
    """The habit that fills show; what is taken when needed, or by nature for days, shows none."""
    lasting = [
        f
        for f in known
        if not any(p.as_needed or p.setting == "ward" for p in f.pieces)
        and rules.order_days_of_class.keys().isdisjoint(f.classes)
    ]
    filled_us = max((f.supply.last_us for f in lasting if f.supply), default=0)
    expected_us = min(filled_us, now_us - rules.fill_expected_days * DAY_US)
    gaps = late_us = given_up = seen_us = 0
    for one in lasting:
        supply = one.supply
        begun_us = min(
            (p.at_us for p in one.pieces if p.at_us > 0 and p.says in _BEGINS), default=0
        )
        says = {p.says for p in one.pieces}
        open_still = "order-active" in says and says.isdisjoint(_ENDS)
        if supply is None:
            given_up += open_still and 0 < begun_us <= expected_us
            continue
        gaps, late_us = gaps + supply.gaps, late_us + supply.late_us
        seen_us += max(0, min(supply.covered_us, now_us) - begun_us)
        given_up += open_still and now_us > supply.believed_us
    return Habit(gaps, late_us, given_up, seen_us)


class Waiting(msgspec.Struct, frozen=True):
    """For a next fill that did not come. us: so long; 0 or less if none is due.

    mean_us: how long people usually wait. times, in_all_us: how often this one waited, and how
    long in all.
    """

    us: int = 0
    mean_us: int = 1
    times: int = 0
    in_all_us: int = 0

    def still(self, weight: float) -> float:
        """The probability that somebody who goes on is still waiting; what is usual counts as much
        as ``weight`` times. Waiting is exponential with a mean that is not surely known, so that
        its tail is a power."""
        scale_us = self.mean_us * weight + self.in_all_us
        return float((1.0 + max(self.us, 0) / max(scale_us, 1.0)) ** -(weight + self.times))


def doubt(since_us: int, waiting: Waiting, habit: Habit, belief: Belief, omitted: int = 0) -> float:
    """The probability that it was given up without a word, 0 to 1.

    since_us: since the last sign that it is taken. waiting: for the next fill. omitted: so many
    lists since then do not name it.
    How often this person gives up, and how late fills come, is drawn
    towards what is usual where little is known. Whoever comes late gives up more often.
    """
    scale_us = belief.late_days * belief.late_fills * DAY_US + habit.late_us
    weight = belief.late_fills + habit.gaps
    lateness = scale_us / weight / (belief.late_days * DAY_US)
    usual = belief.given_up_per_year * belief.given_up_years * lateness**belief.late_gives_up
    a_year = (usual + habit.given_up) / (belief.given_up_years + habit.seen_us / _YEAR_US)
    still_waiting = belief.skipped + (1.0 - belief.skipped) * waiting.still(belief.late_fills)
    odds = a_year * max(since_us, 0) / _YEAR_US / max(still_waiting, 1e-9)
    odds /= belief.forgotten ** min(omitted, _OMITTED_MAX)
    return float(odds / (1.0 + odds))
