"""How good a list of medications could be: judged by who knows how the simulated world works.

Whether somebody gave a drug up last week, with tablets left, no source is told. So even a judge who
knows how often people give up, how late this very person comes for fills, and every fill with its
days, lists some therapies that are not taken, or leaves out some that are. This judge chooses from
what the rules list without any limit of doubt, by the probability that the world itself would give.

Run: ``python -m bench.bench_reconcile_bound``.
"""

from __future__ import annotations

import argparse
import math
from random import Random

from bench._charts import chart_of
from bench._report import Report
from bench.bench_reconcile import (
    NOW_US,
    TUNED_SEEDS,
    Score,
    by_look_back,
    by_on_hand,
    by_rules,
    truth_of,
)
from msgspec.structs import replace

from chartloom.chart.reconcile import builtin_rules, reconcile_medications
from chartloom.chart.reconcile.heard import DAY_US
from chartloom.registry.formulary import builtin_formulary
from chartloom.simulate.therapies import HABITS, Life
from chartloom.simulate.therapies.lives import Weaver
from chartloom.simulate.therapies.model import Habits, Happening

_LIMITS = (0.02, 0.03, 0.04, 0.045, 0.05, 0.06, 0.08, 0.1)
#: Of ten drugs that are taken a simulated list forgets one.
_FORGOTTEN = 0.1


def _waiting(fill: Happening, gap_days: float) -> float:
    """The probability that who goes on has not come yet since a fill, as the world draws it."""
    past = (NOW_US - fill.at_us) / DAY_US
    if fill.drug.kind == "prn":
        return 1.0 if past <= 20 else math.exp(-(past - 20) / 50)
    over = past - fill.days_meant
    if over > 0:
        return 0.75 * math.exp(-over / gap_days)
    return 1.0 if over <= -6 else 0.75 - 0.25 * over / 6


def doubts_of(life: Life, habits: Habits, gap_days: float) -> dict[str, float]:
    """Key of a therapy -> the probability that it was given up without a word."""
    signs: dict[str, list[int]] = {}
    fills: dict[str, Happening] = {}
    lists: dict[int, set[str]] = {}
    for one in life.happenings:
        signs.setdefault(one.drug.key, [])
        if one.what in ("fill", "list", "order", "change"):
            signs[one.drug.key].append(one.at_us)
        if one.what == "fill":
            fills[one.drug.key] = one
        if one.what in ("list", "unlist"):
            lists.setdefault(one.at_us, set()).add(one.drug.key)
    found = {}
    for key, times in signs.items():
        last_us = max(times, default=0)
        waiting = _waiting(fills[key], gap_days) if key in fills else 1.0
        omitted = sum(at_us > last_us and key not in named for at_us, named in lists.items())
        odds = habits.silent_stop * (NOW_US - last_us) / DAY_US / 365.25 / max(waiting, 1e-9)
        odds /= _FORGOTTEN**omitted
        found[key] = odds / (1 + odds)
    return found


def measure(profile: str, people: int, report: Report) -> None:
    """Prints and reports one profile: the rules, the baselines, the judge at several limits."""
    habits, formulary, rules = HABITS[profile], builtin_formulary(), builtin_rules()
    table = rules.medications
    wide = replace(table.grace, days=60, rhythm_days=60, course_days=0)
    open_belief = replace(table.belief, doubt=1.0, doubt_named=1.0)
    open_ = replace(table, belief=open_belief, grace=wide)
    without = replace(rules, medications=open_)
    ways = ("rules", "look-back 90 d", "on hand + 14 d", *(f"judge, {x}" for x in _LIMITS))
    scores = {way: Score() for way in ways}
    for seed in TUNED_SEEDS:
        for person in range(people):
            weaver = Weaver(Random(f"{seed}/{profile}/{person}"), person, habits, NOW_US)
            gap_days, life = weaver.gap_days, weaver.life()
            chart, speakers = chart_of(life, NOW_US)
            found = reconcile_medications(chart, formulary, rules, NOW_US, speakers=speakers)
            most = reconcile_medications(chart, formulary, without, NOW_US, speakers=speakers)
            taken, ended = truth_of(life)
            doubts = doubts_of(life, habits, gap_days)
            scores["rules"].add(by_rules(found), taken, ended)
            scores["look-back 90 d"].add(by_look_back(found), taken, ended)
            scores["on hand + 14 d"].add(by_on_hand(found), taken, ended)
            for limit in _LIMITS:
                listed = {key for key in by_rules(most) if doubts.get(key, 1.0) <= limit}
                scores[f"judge, {limit}"].add(listed, taken, ended)
    for way, score in scores.items():
        print(f"{profile:10} {way:15} {score.figures()}", flush=True)
        report.row(
            profile=profile, seeds=str(TUNED_SEEDS), people=people, way=way, **score.figures()
        )


def main() -> None:
    """Measures and writes ``bench/results``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=150)
    people = parser.parse_args().people
    report = Report("reconcile-bound")
    for profile in ("usual", "fragmented", "sparse"):
        measure(profile, people, report)
    report.write()


if __name__ == "__main__":
    main()
