"""Time of an access decision: by the built-in policies, over questions as a site asks them.

Each decision counts whole: facts, entities, engine, labels. ``fresh`` leaves out the memo of
decisions, ``nothing known`` also that of what who asks and whom it is about look like; ``as asked``
is with both, over a mix of people, patients and actions. Processor time is what counts.
Run: ``python -m bench.bench_authorise [decisions]``. Goal: p50 <= 0.2 ms, p99 <= 2 ms.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Sequence

from bench._report import Report

from chartloom.chart.relations import Relation, RelationKind
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import (
    Action,
    PersonFacts,
    Policies,
    Request,
    Windows,
    builtin_texts,
    relations_now,
)
from chartloom.guard.staff import Principal

_NOW_US = 1_720_000_000_000_000
_DAY_US = 86_400_000_000


def questions(count: int) -> list[Request]:
    """A ward round: charts mostly, some labelled, some denied, some about the site."""
    draw = random.Random(7)
    staff = [
        Principal(f"u{n}", roles=frozenset({"clinician"} if n % 10 else {"integration_engineer"}))
        for n in range(200)
    ]
    found = []
    for _ in range(count):
        who = draw.choice(staff)
        if draw.random() < 0.15:
            found.append(Request(who, Action.SEARCH_PERSONS, Purpose.TREATMENT, None, ("p",) * 20))
            continue
        kinds = draw.sample(
            ["attending", "encounter", "department", "ordering"], draw.randint(0, 2)
        )
        labels = draw.choice([(), (), (), (), (Label.PSY,), (Label.SEX, Label.HIV), (Label.ETH,)])
        person = PersonFacts((f"p{draw.random()}",), frozenset(kinds), frozenset(labels))
        found.append(Request(who, Action.VIEW_CHART, Purpose.TREATMENT, person))
    return found


def timed(run: Callable[[Request], object], asked: Sequence[Request]) -> dict[str, float]:
    """Percentiles in microseconds of wall and processor time."""
    walls, busy = [], []
    for request in asked:
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        run(request)
        walls.append(time.perf_counter_ns() - wall)
        busy.append(time.process_time_ns() - cpu)
    walls.sort()
    busy.sort()
    last = len(walls) - 1
    return {
        "p50_us": walls[last // 2] / 1000,
        "p99_us": walls[last * 99 // 100] / 1000,
        "cpu_p50_us": busy[last // 2] / 1000,
        "cpu_p99_us": busy[last * 99 // 100] / 1000,
    }


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
    policies = Policies(builtin_texts())
    asked = questions(count)
    report = Report("authorise", decisions=count, load_average=os.getloadavg()[0])
    plain = [r for r in asked if r.person is None or not r.person.labels]
    labelled = [r for r in asked if r.person is not None and r.person.labels]
    for request in asked[:200]:
        policies._evaluate(request)
    report.row(what="fresh, chart without labels", **timed(policies._evaluate, plain))
    report.row(what="fresh, chart with 1 or 2 labels", **timed(policies._evaluate, labelled))
    report.row(what="fresh, the mix", **timed(policies._evaluate, asked))

    def unknown(request: Request) -> object:
        policies._known.clear()  # nor were such people and facts ever read
        return policies._evaluate(request)

    report.row(what="fresh, nothing known, the mix", **timed(unknown, asked))
    report.row(what="as asked", **timed(policies.decide, asked))
    draw = random.Random(8)
    relations = [
        Relation("p", f"w{draw.randint(0, 50)}", kind, _NOW_US - n * _DAY_US, 0)
        for n in range(20)
        for kind in RelationKind
    ]
    mine, ward = frozenset({"w1", "w2"}), frozenset({"w3"})

    def window(_: Request) -> object:
        return relations_now(relations, mine, ward, _NOW_US, Windows())

    report.row(what=f"windows over {len(relations)} relations", **timed(window, asked[:2000]))
    report.write()


if __name__ == "__main__":
    main()
