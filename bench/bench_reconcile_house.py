"""Reconciled medications against the truth of the simulated house, its pharmacy and its clinic.

Beside ``bench_reconcile``: the demo's world, in which one pharmacy tells everything, people fill
irregularly, and a quarter of them a year silently give up what they take. Seeds 1 to 8,
11 to 22 and 41 to 46 were looked at while the rules were made.

Run: ``python -m bench.bench_reconcile_house``.
"""

from __future__ import annotations

import argparse
from collections import Counter

from bench._charts import house_charts
from bench._report import Report
from bench.bench_reconcile import WAYS, Score

from chartloom.chart.reconcile import builtin_rules, reconcile_medications
from chartloom.registry.formulary import builtin_formulary
from chartloom.simulate import Hospital
from chartloom.simulate.rates import PERFECT_WIRES

SEEDS = (91, 92, 93, 94, 95)
HISTORY_DAYS = 400


def main() -> None:
    """Measures, prints and writes ``bench/results``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=60)
    people = parser.parse_args().people
    formulary, rules = builtin_formulary(), builtin_rules()
    totals = {way: Score() for way in WAYS}
    misses: Counter[str] = Counter()
    for seed in SEEDS:
        house = Hospital(seed, patients=people, history_days=HISTORY_DAYS, rates=PERFECT_WIRES)
        for person, chart, speakers, orders in house_charts(house, days=1):
            now_us = chart.made_at_us
            found = reconcile_medications(chart, formulary, rules, now_us, speakers=speakers)
            line_of = {f.resource_id: x.key for x in found.lines for f in x.facts}
            known = [(m, line_of.get(orders.get(m.order, ""), m.order)) for m in person.medications]
            dead = any(d.deceased_us for d in person.demographics)
            taken = {key for m, key in known if m.status == "active" and not dead}
            why = {key: m.how_ended or m.status for m, key in known}
            for way, tell in WAYS.items():
                totals[way].add(tell(found), taken, set(why) - taken)
            for line in found.lines:
                if (line.status == "active") != (line.key in taken):
                    kind = "wrong" if line.status == "active" else "missed"
                    misses[f"{kind} {line.reason} ({why.get(line.key, 'no such order')})"] += 1
    report = Report("reconcile-house")
    for way, score in totals.items():
        report.row(way=way, seeds=str(SEEDS), people=people, **score.figures())
    for what, count in misses.most_common(10):
        print(f"{count:5} {what}")
    report.write()


if __name__ == "__main__":
    main()
