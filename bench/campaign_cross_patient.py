"""A hundred thousand attempts to see another group's patients: through the console and below it.

    .venv/bin/python -m bench.campaign_cross_patient --count 120000

A real store with two groups of patients and people of every role (``tests.support.two_groups``);
attempts over every route, parameter, handle and id (``crossing``) and over every function of the
store that takes a grant (``crossing_ports``). Also measured: whether what is forbidden takes longer
than what is not there.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench._report import Report, commit
from tests.support.crossing import Attempt, Crossing
from tests.support.crossing_ports import PortCrossing
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site
from tests.support.two_groups import PEOPLE, House, build

from chartloom.engines.postgres import EmbeddedPostgres

_TIMED = 250


def ask(house: House, count: int, seed: int, end: float) -> Crossing:
    """Attempts through the console: all there are, in an order of chance, again until enough."""
    crossing = Crossing(house, house.site.app(), seed)
    while crossing.outcome.total < count and time.monotonic() < end:
        some = [a for who in PEOPLE for a in crossing.requests(who)]
        crossing.random.shuffle(some)
        some = some[: count - crossing.outcome.total]
        for i in range(0, len(some), 2000):
            asyncio.run(crossing.try_all(some[i : i + 2000]))
            house.site.audit.events.clear()  # what pages of the log look through stays small
            print(
                f"{crossing.outcome.total} asked, {len(crossing.outcome.leaks)} leaks", flush=True
            )
            if time.monotonic() > end:
                break
    return crossing


def timing(crossing: Crossing, subject: str = "doctor-a") -> list[dict[str, Any]]:
    """How long forbidden and absent take, asked in turn, one at a time."""
    rows = []
    by_route: dict[str, dict[str, list[Attempt]]] = {}
    for attempt in crossing.requests(subject):
        if attempt.expected != "any":
            kinds = by_route.setdefault(attempt.route, {})
            kinds.setdefault(attempt.expected, []).append(attempt)
    for route, kinds in sorted(by_route.items()):
        if len(kinds) < 2:
            continue
        took: dict[str, list[float]] = {"forbidden": [], "absent": []}
        for n in range(_TIMED):
            for kind, some in kinds.items():
                began = time.perf_counter()
                asyncio.run(crossing.send(some[n % len(some)]))
                took[kind].append((time.perf_counter() - began) * 1000)
        rows.append(
            {
                "what": f"time: {route}",
                "forbidden_p50_ms": round(statistics.median(took["forbidden"]), 2),
                "absent_p50_ms": round(statistics.median(took["absent"]), 2),
                "told_apart": round(told_apart(took["forbidden"], took["absent"]), 3),
            }
        )
    return rows


def told_apart(one: list[float], other: list[float]) -> float:
    """Probability that of two answers the slower is of ``one``: 0.5 tells nothing."""
    wins = sum((a > b) + 0.5 * (a == b) for a in one for b in other)
    return wins / (len(one) * len(other))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=120_000)
    parser.add_argument("--console", type=float, default=0.5, help="share through the console")
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60)
    asked = parser.parse_args()
    end = time.monotonic() + asked.minutes * 60
    folder = Path(tempfile.mkdtemp(prefix="cl-cross-"))
    postgres = EmbeddedPostgres(folder / "pg")
    postgres.start()
    factory = StoreFactory(postgres, folder)
    try:
        clock = ShiftedClock()
        house = build(Site(factory(clock=clock), clock), asked.patients)
        crossing = ask(house, int(asked.count * asked.console), asked.seed, end)
        times = timing(crossing)
        below = PortCrossing(house, asked.seed)
        below.try_many(asked.count - crossing.outcome.total)
    finally:
        factory.close()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    out = crossing.outcome
    leaks = [*out.leaks, *below.leaks]
    report = Report(
        "campaign-cross-patient", version=commit(), seed=asked.seed, patients=asked.patients,
        attempts=out.total + below.tried.total(), leaks=leaks[:200], leak_count=len(leaks),
        forbidden_unlike_absent=out.different(), by_status=dict(out.by_status),
        by_person=dict(out.by_person),
    )  # fmt: skip
    for route, count in sorted(out.tried.items()):
        report.row(what=route, attempts=count)
    by_function: dict[str, int] = {}
    for key, count in below.tried.items():
        name = key.partition(" ")[0]
        by_function[name] = by_function.get(name, 0) + count
    for name, count in sorted(by_function.items()):
        report.row(what=name, attempts=count)
    report.rows += times
    report.write()
    print(f"{out.total + below.tried.total()} attempts, {len(leaks)} leaks,"
          f" {len(out.different())} routes where forbidden is unlike absent")  # fmt: skip
    for leak in leaks[:20]:
        print(" ", leak[:300])
    return 1 if leaks or out.different() else 0


if __name__ == "__main__":
    sys.exit(main())
