"""How well reconciled lists agree with the truth of simulated lives, and what they cost.

Lives with drugs (``simulate/therapies``) go through the real mapping, merge, views and rules; the
list is compared with what is really taken, and with two simple ways of telling: a look-back of 90
days at fills and orders, and what is on hand from fills plus 14 days. The rules were tuned on seeds
1 to 5 and 101 to 105 of every profile, and 11 to 18 of *fragmented* and *sparse*; 91 to 95 were
measured once and not looked at before.

What is listed as unknown is listed apart: "active or to confirm" is what stands as active or under
the heading of what probably is taken, "active or unknown" has everything that somebody is asked
about. Their recall tells whether anything that is taken is lost.

Run: ``python -m bench.bench_reconcile`` (``--tune`` for the seeds that were tuned on, ``--trade``
for what a stricter or laxer ``belief.doubt`` would give on these).
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

import msgspec
from bench._charts import chart_of
from bench._report import Report
from msgspec.structs import replace

from chartloom.chart.reconcile import ReconciledList, builtin_rules, reconcile_medications
from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.times import to_us
from chartloom.registry.formulary import builtin_formulary
from chartloom.simulate.therapies import HABITS, Life, lives

NOW_US = to_us(datetime.fromisoformat("2026-03-02T00:00:00+00:00").isoformat())
TUNED_SEEDS, OTHER_SEEDS = (1, 2, 3, 4, 5), (91, 92, 93, 94, 95)
TUNED_PROFILES = tuple(HABITS)
_DOUBTS = (0.02, 0.03, 0.04, 0.045, 0.07, 0.1, 0.2, 1.0)
_LOOK_BACK_US = 90 * DAY_US
_ON_HAND_US = 14 * DAY_US


class Score(msgspec.Struct):
    """Counts over therapies. wrong: listed as active but not taken any more."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    ended: int = 0

    def add(self, listed: set[str], taken: set[str], ended: set[str]) -> None:
        """One person's active list against what is taken, and what was taken before."""
        self.right += len(listed & taken)
        self.wrong += len(listed - taken)
        self.missed += len(taken - listed)
        self.ended += len(ended)

    def figures(self) -> dict[str, float]:
        """Precision, recall, F1; wrong ones as a share of the list and of what has ended."""
        listed = max(self.right + self.wrong, 1)
        precision = self.right / listed
        recall = self.right / max(self.right + self.missed, 1)
        return {
            "f1": round(2 * precision * recall / max(precision + recall, 1e-9), 4),
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "wrong_of_listed": round(self.wrong / listed, 4),
            "wrong_of_ended": round(self.wrong / max(self.ended, 1), 4),
        }


def by_rules(found: ReconciledList) -> set[str]:
    """The active list."""
    return {line.key for line in found.lines if line.status == "active"}


def by_rules_surely(found: ReconciledList) -> set[str]:
    """Of the active list what the rules are sure of: what could go on without asking."""
    return {x.key for x in found.lines if x.status == "active" and x.confidence.value == "high"}


def by_rules_or_confirm(found: ReconciledList) -> set[str]:
    """The active list, and what stands under "To confirm"."""
    listed = {x.key for x in found.lines if x.standing == "unconfirmed"}
    return by_rules(found) | listed


def by_rules_or_unknown(found: ReconciledList) -> set[str]:
    """The active list, and everything that somebody is asked about."""
    return {x.key for x in found.lines if x.status in ("active", "unknown")}


def by_look_back(found: ReconciledList) -> set[str]:
    """Whatever was filled or ordered within 90 days."""
    since_us = found.made_at_us - _LOOK_BACK_US
    return {
        line.key
        for line in found.lines
        if any(f.says in ("filled", "order-active") and f.at_us >= since_us for f in line.facts)
    }


def by_on_hand(found: ReconciledList) -> set[str]:
    """Whatever the last fill lasts for, and 14 days more; 30 days where it does not say."""
    listed = set()
    for line in found.lines:
        fills = [f for f in line.facts if f.says == "filled"]
        if fills:
            last = max(fills, key=lambda f: f.at_us)
            days = float(last.detail.get("supply_days", 30))
            if last.at_us + days * DAY_US + _ON_HAND_US >= found.made_at_us:
                listed.add(line.key)
    return listed


WAYS: dict[str, Callable[[ReconciledList], set[str]]] = {
    "rules": by_rules,
    "rules, high confidence": by_rules_surely,
    "active or to confirm": by_rules_or_confirm,
    "active or unknown": by_rules_or_unknown,
    "look-back 90 d": by_look_back,
    "on hand + 14 d": by_on_hand,
}


def truth_of(life: Life) -> tuple[set[str], set[str]]:
    """(therapies that are taken now, those that were or should have been)."""
    taken = {t.key for t in life.truth if t.active(NOW_US)}
    return taken, {t.key for t in life.truth} - taken


def measure(profile: str, seed: int, people: int) -> tuple[dict[str, Score], Counter[str], float]:
    """(scores by way, what went wrong by reason and end, CPU ms of a list)."""
    scores = {way: Score() for way in WAYS}
    misses: Counter[str] = Counter()
    formulary, rules, cpu_s = builtin_formulary(), builtin_rules(), 0.0
    for life in lives(seed, people, HABITS[profile], NOW_US):
        chart, speakers = chart_of(life, NOW_US)
        before_s = time.process_time()
        found = reconcile_medications(chart, formulary, rules, NOW_US, speakers=speakers)
        cpu_s += time.process_time() - before_s
        taken, ended = truth_of(life)
        for way, tell in WAYS.items():
            scores[way].add(tell(found), taken, ended)
        why = {t.key: t.why or ("outside" if t.outside else t.kind) for t in life.truth}
        for line in found.lines:
            if (line.status == "active") != (line.key in taken):
                kind = "wrong" if line.status == "active" else "missed"
                misses[f"{kind} {line.reason} ({why.get(line.key, 'no such therapy')})"] += 1
        for key in taken - {line.key for line in found.lines}:
            misses[f"missed not in the chart ({why[key]})"] += 1
    return scores, misses, cpu_s / people * 1000


def run(profile: str, seeds: tuple[int, ...], people: int, report: Report | None) -> None:
    """Measures a profile over seeds; prints, and adds to a report."""
    totals = {way: Score() for way in WAYS}
    misses: Counter[str] = Counter()
    cpu_ms = []
    for seed in seeds:
        scores, missed, one_ms = measure(profile, seed, people)
        misses += missed
        cpu_ms.append(one_ms)
        for way, score in scores.items():
            held = totals[way]
            for name in Score.__struct_fields__:
                setattr(held, name, getattr(held, name) + getattr(score, name))
    seen = "tuned on" if seeds == TUNED_SEEDS else "other seeds"
    print(f"{profile}, seeds {seeds}, {people} people each ({seen}); {min(cpu_ms):.2f} ms a list")
    for way, score in totals.items():
        print(f"  {way:22} {score.figures()}")
        if report is not None:
            about = {"profile": profile, "seeds": str(seeds), "people": people, "data": seen}
            cpu = {"cpu_ms": round(min(cpu_ms), 2)} if way == "rules" else {}
            report.row(**about, way=way, **score.figures(), **cpu)
    for what, count in misses.most_common(14):
        print(f"    {count:5} {what}")


def trade(people: int) -> None:
    """What the list would be with other limits of doubt, on the seeds that were tuned on."""
    report, formulary, shipped = Report("reconcile-trade"), builtin_formulary(), builtin_rules()
    table = shipped.medications
    belief = table.belief
    limits = {f"doubt {d}": replace(belief, doubt=d) for d in _DOUBTS}
    limits["lists leave out nothing that matters"] = replace(belief, forgotten=1.0)
    for profile in TUNED_PROFILES:
        scores = {limit: (Score(), Score()) for limit in limits}
        for seed in TUNED_SEEDS:
            for life in lives(seed, people, HABITS[profile], NOW_US):
                chart, speakers = chart_of(life, NOW_US)
                taken, ended = truth_of(life)
                for limit, other in limits.items():
                    rules = replace(shipped, medications=replace(table, belief=other))
                    found = reconcile_medications(
                        chart, formulary, rules, NOW_US, speakers=speakers
                    )
                    scores[limit][0].add(by_rules(found), taken, ended)
                    scores[limit][1].add(by_rules_or_confirm(found), taken, ended)
        for limit, (active, asked) in scores.items():
            told = {**active.figures(), "recall_or_to_confirm": asked.figures()["recall"]}
            print(profile, limit, told)
            report.row(profile=profile, rules=limit, people=people, data="tuned on", **told)
    report.write()


def main() -> None:
    """Measures and writes ``bench/results``; while tuning it only prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", action="store_true", help="the seeds that were tuned on")
    parser.add_argument("--trade", action="store_true", help="several limits of doubt")
    parser.add_argument("--people", type=int, default=150)
    arguments = parser.parse_args()
    if arguments.trade:
        trade(arguments.people)
        return
    if arguments.tune:
        for profile in TUNED_PROFILES:
            run(profile, TUNED_SEEDS, arguments.people, None)
        return
    report = Report("reconcile")
    for profile in HABITS:
        run(profile, OTHER_SEEDS, arguments.people, report)
    report.write()


if __name__ == "__main__":
    main()
