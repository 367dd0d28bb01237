"""Damages HL7 v2 messages N times and checks every invariant of the reader; reports crashes.

The same seed damages in the same way, so that a failure can be repeated: ``--seed S --only I``.
Memory is limited by the operating system, so that unbounded growth fails instead of swapping.

    python bench/fuzz_hl7v2.py [--count 100000] [--seed 1] [--memory-mb 1024] [--only INDEX]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
import traceback
from collections import Counter
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench._report import Report
from tests.support.corpora import hl7v2_files
from tests.support.hl7v2_invariants import check_any_bytes
from tests.support.mutate import SEEDS, mutants

from chartloom.formats.hl7v2 import parse

CHECKED = "parse, leaves, spans, re-serialisation, peek, answer, batch split"


def limit_memory(megabytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))


def originals() -> tuple[bytes, ...]:
    """Our own small messages, and the shared ones where they are."""
    return SEEDS + tuple(file.read_bytes() for file in hl7v2_files())


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--memory-mb", type=int, default=1024)
    options.add_argument("--only", type=int, default=None, help="index of one mutant to repeat")
    given = options.parse_args()
    limit_memory(given.memory_mb)
    source = mutants(given.seed, given.count, originals())
    if given.only is not None:
        names, data = next(islice(source, given.only, None))
        print(names, len(data), data[:2000])
        check_any_bytes(data)
        return
    failures = 0
    outcome: Counter[str] = Counter()
    slowest = (0.0, 0, 0)
    size = 0
    begin = time.process_time()
    for index, (names, data) in enumerate(source):
        start = time.process_time()
        try:
            check_any_bytes(data, leaves_max=200)
        except Exception:  # noqa: BLE001 (a crash of any kind is what we look for)
            failures += 1
            print(f"mutant {index} ({names}, {len(data)} bytes)")
            traceback.print_exc()
        slowest = max(slowest, (time.process_time() - start, index, len(data)))
        outcome["fatal" if parse(data).fatal else "parsed"] += 1
        size += len(data)
    report = Report("fuzz-hl7v2", seed=given.seed, memory_limit_mb=given.memory_mb, checked=CHECKED)
    report.row(
        count=given.count,
        crashes=failures,
        parsed=outcome["parsed"],
        fatal=outcome["fatal"],
        mb=round(size / 1e6, 1),
        cpu_s=round(time.process_time() - begin, 1),
        slowest_s=round(slowest[0], 3),
        slowest_index=slowest[1],
        slowest_bytes=slowest[2],
        peak_rss_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )
    report.write()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
