"""How long the fills of a therapy last, and how much longer it is still believed."""

from __future__ import annotations

import msgspec

from chartloom.chart.reconcile.dose import units_a_day
from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.reconcile.pieces import Piece
from chartloom.chart.reconcile.rules_medications import MedicationRules


class Supply(msgspec.Struct, frozen=True):
    """What the known fills say. Times in microseconds.

    last_us: the newest fill. covered_us: until when all fills last, early ones added up.
    believed_us: until when the therapy is believed. guessed: days' supply of the newest fill was
    not known. irregular: gaps between fills are long. fills: how many were seen. gaps, late_us: how
    many times a next fill followed, and by how much these came late in all; of what is taken when
    needed, how much time passed from fill to fill.
    """

    last_us: int
    covered_us: int
    believed_us: int
    guessed: bool
    irregular: bool
    fills: int
    gaps: int = 0
    late_us: int = 0


def supply_of(
    fills: list[Piece], orders: dict[str, Piece], classes: tuple[str, ...], rules: MedicationRules
) -> Supply | None:
    """The supply from fills that were handed over; None without any of known time.

    orders: by id, for how much of what was filled is taken in a day.
    """
    # One fill told by two feeds lasts once, and two strengths taken together last as long as one.
    once: dict[tuple[int, float, float], Piece] = {}
    for fill in sorted(fills, key=lambda f: (f.at_us, f.id)):
        if fill.at_us > 0:
            once.setdefault((fill.at_us, fill.supply_days, fill.quantity), fill)
    fills_known = list(once.values())
    if not fills_known:
        return None
    latest = max(orders.values(), key=lambda o: (o.at_us, o.id), default=None)
    whole_us = max(f.whole_us for f in fills_known)
    as_needed = any(o.as_needed for o in orders.values())
    covered_us, longest_us, guessed, days, seen = 0, 0, False, 0.0, 0
    gaps, late_us, before_guessed = 0, 0, False
    for fill in fills_known:
        days, guessed = _days(fill, orders.get(fill.request, latest), rules)
        if fill.at_us >= whole_us:
            seen += 1
            if seen > 1:
                longest_us = max(longest_us, fill.at_us - covered_us)
                if not before_guessed:
                    gaps, late_us = gaps + 1, late_us + max(0, fill.at_us - covered_us)
        else:
            covered_us = 0  # between this one and the next there may be others
        covered_us = max(covered_us, fill.at_us) + int(days * DAY_US)
        before_guessed = guessed
    several = seen > rules.grace.rhythm_fills
    single = len(fills_known) == 1 and not as_needed and not guessed
    course = single and days <= rules.grace.course_days
    bridged_us = longest_us if several else None
    grace_us = 0 if course else _grace(days, bridged_us, as_needed, classes, rules)
    return Supply(
        last_us=fills_known[-1].at_us,
        covered_us=covered_us,
        believed_us=covered_us + grace_us,
        guessed=guessed,
        irregular=longest_us > max(rules.grace.days * DAY_US, int(days * DAY_US / 2)),
        fills=len(fills_known),
        gaps=seen - 1 if as_needed else gaps,
        late_us=_passed(fills_known, whole_us) if as_needed else late_us,
    )


def _passed(fills: list[Piece], whole_us: int) -> int:
    """The time from the first to the last of the fills between which none is left out."""
    times = [f.at_us for f in fills if f.at_us >= whole_us]
    return times[-1] - times[0]


def _days(fill: Piece, order: Piece | None, rules: MedicationRules) -> tuple[float, bool]:
    """(days that a fill lasts, whether that is a guess)."""
    if fill.supply_days:
        return min(fill.supply_days, rules.supply_days_max), False
    if order is not None and order.supply_days:
        return min(order.supply_days, rules.supply_days_max), False
    taken = units_a_day(order, fill) if order is not None else 0.0
    if fill.quantity and taken:
        return min(max(fill.quantity / taken, 1.0), rules.supply_days_max), False
    return float(rules.supply_days), True


def _grace(
    days: float,
    longest_us: int | None,
    as_needed: bool,
    classes: tuple[str, ...],
    rules: MedicationRules,
) -> int:
    """How long after the supply. longest_us: the longest gap that was bridged before, None if too
    few fills are known to tell: then what people usually do."""
    grace = rules.grace
    own = [rules.grace_of_class[c] for c in classes if c in rules.grace_of_class]
    if as_needed:
        return int(max(grace.as_needed_days, *own, 0) * DAY_US)
    if longest_us is None:
        return int((max(own) if own else max(grace.days, grace.share * days)) * DAY_US)
    used_us = min(int(longest_us * grace.rhythm), grace.rhythm_days_max * DAY_US)
    return max(int(grace.rhythm_days * DAY_US), used_us)
