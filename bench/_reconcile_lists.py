"""Allergies and problems of ``bench_reconcile``: lists of simulated histories against the truth.

Baselines for allergies: every entry that some source has as active. For problems: any code that was
ever said, and what stands on a problem list and is not closed.
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from bench._report import Report

from chartloom.chart import ChartSummary, merge, place, rebuild_part, summary, view_key
from chartloom.chart.reconcile import (
    ListKind,
    ReconciledList,
    builtin_rules,
    reconcile_allergies,
    reconcile_problems,
)
from chartloom.chart.times import to_us
from chartloom.domain.chart import PlacedState, ViewKey
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.domain.resource import ResourceState, Stamp
from chartloom.normalize import load_mapping
from chartloom.simulate.histories import FEEDS, HABITS, History, lives

NOW_US = to_us(datetime.fromisoformat("2026-03-02T00:00:00+00:00").isoformat())
TUNED_SEEDS, OTHER_SEEDS = (1, 2, 3), (31, 32, 33, 34, 35)
TUNED_PROFILES = ("usual",)
_MAPPINGS = {"hl7v2": load_mapping("hl7v2"), "fhir": load_mapping("fhir")}


class Count(msgspec.Struct):
    """Lines of active lists."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, listed: set[str], true: frozenset[str]) -> None:
        """One person's list against the truth."""
        self.right += len(listed & true)
        self.wrong += len(listed - true)
        self.missed += len(true - listed)

    def figures(self) -> dict[str, float]:
        """Precision, recall, F1."""
        precision = self.right / max(self.right + self.wrong, 1)
        recall = self.right / max(self.right + self.missed, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        return {"f1": round(f1, 4), "precision": round(precision, 4), "recall": round(recall, 4)}


def chart_of(life: History) -> tuple[ChartSummary, dict[str, str]]:
    """(the person's chart, resource id -> feed that spoke of it last)."""
    states: dict[str, ResourceState] = {}
    speakers: dict[str, str] = {}
    for position, sent in enumerate(life.sent, start=1):
        feed = FEEDS[sent.feed]
        digest = hashlib.sha256(sent.body).digest()
        message = Message(position, feed.name, sent.body, sent.at_us, digest)
        derived = _MAPPINGS[feed.mapping].derive(message, feed, EXAMPLE_NAMESPACE)
        if derived.quarantine:
            raise RuntimeError(f"a simulated message is refused: {derived.issues}")
        stamp = Stamp(1, derived.event_us, derived.position)
        for one in derived.contributions:
            if not one.directory:
                states[one.id] = merge(states.get(one.id), one, stamp)
                speakers[one.id] = feed.name
    rows: dict[ViewKey, list[PlacedState]] = defaultdict(list)
    for state in states.values():
        placed = place(state)
        if (key := view_key(placed)) is not None:
            rows[key].append(placed)
    return summary([rebuild_part(k, placed) for k, placed in rows.items()], NOW_US), speakers


def _keys(made: ReconciledList, chosen: Callable[[Any], bool]) -> set[str]:
    return {
        line.key.partition(":")[2]
        for line in made.lines
        if line.detail.get("substance") != "none" and chosen(line)
    }


def _by_rules(made: ReconciledList) -> set[str]:
    return _keys(made, lambda line: line.status == "active")


def _any_active(made: ReconciledList) -> set[str]:
    active = ("listed", "listed-unconfirmed")
    return _keys(made, lambda line: any(f.says in active for f in line.facts))


def _any_code(made: ReconciledList) -> set[str]:
    return _keys(made, lambda line: any(f.resource_type in _CODED for f in line.facts))


def _list_only(made: ReconciledList) -> set[str]:
    return _keys(made, lambda line: any(f.says == "listed" for f in line.facts))


_CODED = ("Condition", "ChargeItem")
_WAYS: dict[ListKind, dict[str, Callable[[ReconciledList], set[str]]]] = {
    ListKind.ALLERGIES: {"rules": _by_rules, "any active entry": _any_active},
    ListKind.PROBLEMS: {
        "rules": _by_rules, "any code ever": _any_code, "problem list only": _list_only,
    },
}  # fmt: skip


def measure(profile: str, seeds: tuple[int, ...], persons: int) -> dict[str, Any]:
    """Figures of one profile over some seeds, and CPU per list."""
    rules = builtin_rules()
    counts = {kind: {way: Count() for way in ways} for kind, ways in _WAYS.items()}
    spent = dict.fromkeys(_WAYS, 0.0)
    made_count = 0
    for seed in seeds:
        for life in lives(seed, persons, HABITS[profile], NOW_US):
            chart, speakers = chart_of(life)
            made_count += 1
            for kind, make, true in (
                (ListKind.ALLERGIES, reconcile_allergies, life.truth.allergies),
                (ListKind.PROBLEMS, reconcile_problems, life.truth.problems),
            ):
                start_s = time.process_time()
                made = make(chart, rules, NOW_US, speakers=speakers)
                spent[kind] += time.process_time() - start_s
                for way, chosen in _WAYS[kind].items():
                    counts[kind][way].add(chosen(made), true)
    return {
        "persons": made_count,
        **{
            kind.value: {
                **{way: count.figures() for way, count in counts[kind].items()},
                "cpu_ms": round(spent[kind] / max(made_count, 1) * 1000, 3),
            }
            for kind in _WAYS
        },
    }


def run(people: int, *, tune: bool) -> None:
    """Measures allergies and problems, prints, and (not while tuning) writes ``bench/results``."""
    report = None if tune else Report("reconcile-lists")
    for profile in TUNED_PROFILES if tune else HABITS:
        for seeds in (TUNED_SEEDS,) if tune else (OTHER_SEEDS,):
            told = measure(profile, seeds, people)
            seen = "seeds looked at" if tune else "other seeds"
            print(f"{profile}, seeds {seeds}, {told['persons']} people ({seen})")
            for kind in _WAYS:
                found = dict(told[kind.value])
                cpu_ms = found.pop("cpu_ms")
                print(f"  {kind.value}: {cpu_ms} ms a list")
                for way, figures in found.items():
                    print(f"    {way:20} {figures}")
                    if report is not None:
                        about = {"profile": profile, "seeds": str(seeds), "people": people}
                        cpu = {"cpu_ms": cpu_ms} if way == "rules" else {}
                        report.row(**about, data=seen, list=kind.value, way=way, **figures, **cpu)
    if report is not None:
        report.write()


if __name__ == "__main__":
    run(60, tune=False)
