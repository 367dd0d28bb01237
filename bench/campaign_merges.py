"""Merges and unmerges of chance that must end where they began.

    .venv/bin/python -m bench.campaign_merges --households 500 --rounds 20

A real store, worker and mapping. Each round has one sequence for every household
(``tests.support.merging``): A40, A24, A37 and people's words, shuffled, some twice, half of the
sequences with what takes back before what is taken back. After each round persons, open reviews and
the bytes of all sections are compared with the first.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bench._report import Report, commit
from tests.support.merging import FEED, Merging
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site

from chartloom.domain.errors import LaneLost
from chartloom.engines.postgres import EmbeddedPostgres

#: What is said has times up to the end of 2026.
_A_YEAR_US = 400 * 86_400_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--households", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=30)
    asked = parser.parse_args()
    end = time.monotonic() + asked.minutes * 60
    folder = Path(tempfile.mkdtemp(prefix="cl-merge-"))
    postgres = EmbeddedPostgres(folder / "pg")
    postgres.start()
    factory = StoreFactory(postgres, folder)
    rows, failed, cpu_s = [], 0, time.process_time()
    rebuilt_differing = -1
    try:
        store = factory(clock=ShiftedClock(_A_YEAR_US))
        site = Site(store, store.clock, [FEED])
        merging = Merging(site, asked.seed, asked.households)
        before = merging.everything()
        for number in range(asked.rounds):
            if time.monotonic() > end:
                break
            halfway, after = merging.round()
            changed = len(merging.differing(before, halfway))
            differing = merging.differing(before, after)
            failed += len(differing)
            rows.append({"sequences": asked.households, "changed_halfway": changed,
                         "not_as_before": len(differing)})  # fmt: skip
            for house in differing[:5]:
                print("NOT AS BEFORE:", house, flush=True)
            print(f"round {number}: {changed} changed halfway, {len(differing)} not as before,"
                  f" {merging.messages} messages", flush=True)  # fmt: skip
        store.rebuild(site.grant())
        try:
            site.apply()
        except LaneLost:
            site.apply()
        rebuilt_differing = len(merging.differing(before, merging.everything()))
    finally:
        factory.close()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)
    report = Report(
        "campaign-merges", version=commit(), seed=asked.seed, households=asked.households,
        records=len(merging.patients), messages=merging.messages,
        sequences=sum(r["sequences"] for r in rows), not_as_before=failed,
        not_as_before_after_rebuild=rebuilt_differing,
        worker_cpu_s=round(time.process_time() - cpu_s),
    )  # fmt: skip
    for row in rows:
        report.row(**row)
    report.write()
    return 1 if failed or rebuilt_differing else 0


if __name__ == "__main__":
    sys.exit(main())
