"""What a worker does with landed messages, stage by stage, in CPU time.

    .venv/bin/python -m bench.bench_worker [--messages 20000] [--batch 500] [--check]

A fresh store on an embedded server of its own; simulated traffic is landed, then one worker in
this process applies it. CPU time of stages is the thread's, so that other load on the machine
disturbs it little; PostgreSQL is counted beside it. ``--check`` prints a fingerprint of all states
and views, by which two versions of the code are compared.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import hashlib
import pstats
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from bench._report import Report
from bench.bench_store import server_cpu_s

from chartloom import chart, hot
from chartloom.domain import codec
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.message import Arrival, Format
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore, commit, queries
from chartloom.formats.hl7v2 import peek
from chartloom.guard import Guard, SystemClock
from chartloom.normalize import load_mapping
from chartloom.simulate import traffic
from chartloom.sources.intake import Hl7Intake

NAMESPACE = UUID(int=7)
FIRST_US = 1_700_000_000_000_000


class Stages:
    """CPU seconds by stage; what is nested is taken out of what it is nested in."""

    def __init__(self) -> None:
        self.used_s: dict[str, float] = defaultdict(float)
        self._inner_s: list[float] = [0.0]
        self._gc_began_s = 0.0
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._gc_began_s = time.thread_time()
        else:
            used = time.thread_time() - self._gc_began_s
            self.used_s["collector"] += used
            self._inner_s[-1] += used

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, counted."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            self._inner_s.append(0.0)
            began = time.thread_time()
            try:
                return call(*args, **kwargs)
            finally:
                used = time.thread_time() - began
                self.used_s[name] += used - self._inner_s.pop()
                self._inner_s[-1] += used

        return counted

    def watch(self, owner: Any, *names: str) -> None:
        """Counts functions or methods of ``owner`` from now on."""
        for name in names:
            setattr(owner, name, self.timed(name.strip("_"), getattr(owner, name)))


def landed(store: PostgresStore, feed: Feed, count: int, seed: int) -> int:
    """Lands simulated messages; how many."""
    intake = Hl7Intake(feed, NAMESPACE)
    arrivals: list[Arrival] = []
    for n, message in enumerate(traffic(seed=seed, n=count)):
        arrivals.append(intake.arrival(message.body, peek(message.body), FIRST_US + n * 1000))
    for at in range(0, len(arrivals), 400):
        store.land(arrivals[at : at + 400])
    return len(arrivals)


def fingerprint(store: PostgresStore, grant: Grant) -> str:
    """A hash over every state and view, opened."""
    digest = hashlib.sha256()
    place = "sort_us, part, section, hidden, type, series, rank, event_us"
    with store.entered(grant) as conn:
        rows = conn.execute(
            f"SELECT {queries.STATE}, {place} FROM resource ORDER BY id",
            binary=True,
        ).fetchall()
        for row in rows:
            state = store._bodies.open_state(grant, *row[: queries.STATE_WIDTH])
            digest.update(codec.encode((state, row[:3], row[queries.STATE_WIDTH :])))
        views = conn.execute(
            "SELECT source_patient, section, part, total, revision, body, labels FROM view"
            " ORDER BY source_patient, section, part, labels",
            binary=True,
        ).fetchall()
        for row in views:
            view = store._bodies.open_view(grant, *row)
            digest.update(codec.encode((row[:4], view.entries)))
        plain = conn.execute(
            "SELECT (SELECT count(*) FROM person), (SELECT count(*) FROM identifier),"
            " (SELECT count(position) FROM outcome), (SELECT sum(issue_count) FROM outcome),"
            " (SELECT count(*) FROM care)"
        ).fetchone()
    return f"{digest.hexdigest()[:16]} {len(rows)} states {len(views)} views {plain}"


def wal_bytes(store: PostgresStore) -> int:
    """How far the write-ahead log is."""
    with store._lane.use() as conn:
        row = conn.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").fetchone()
        assert row is not None
        return int(row[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--profile", default="")
    options = parser.parse_args()
    feed = Feed("adt", "Bench", "bench@example.org", "mllp", Format.HL7V2)
    clock = SystemClock()
    with tempfile.TemporaryDirectory(prefix="clworker") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        try:
            guard = Guard.open(Path(folder) / "keys", clock)
            store = PostgresStore(server.start(), guard, clock)
            store.migrate()
            run(options, store, server, feed, clock)
            store.close()
        finally:
            server.stop()


def run(
    options: argparse.Namespace,
    store: PostgresStore,
    server: EmbeddedPostgres,
    feed: Feed,
    clock: SystemClock,
) -> None:
    grant = store.guard.mint("bench", Purpose.OPERATIONS, ttl_s=36_000)
    worker = hot.Worker(
        store,
        {feed.name: (feed, load_mapping())},
        NAMESPACE,
        clock,
        lambda: grant,
        "bench",
        64,
        options.batch,
    )
    began = server_cpu_s(server._cluster)
    count = landed(store, feed, options.messages, options.seed)
    landing_s = server_cpu_s(server._cluster) - began
    gc.collect()
    gc.freeze()
    gc.disable()
    stages = Stages()
    stages.watch(worker, "derive", "_commit", "apply")
    stages.watch(store, "claim", "pending", "prefetch", "refill", "commit")
    stages.watch(chart, "plan_batch", "merge_batch", "fold_batch", "rank_directory", "views_of")
    stages.watch(commit, "fill")
    stages.watch(store, "_write", "_remember")
    stages.watch(store._persons, "collect")
    store_cpu, wal = server_cpu_s(server._cluster), wal_bytes(store)
    profiler = cProfile.Profile(time.thread_time) if options.profile else None
    before = resource.getrusage(resource.RUSAGE_SELF)
    began, wall = time.thread_time(), time.monotonic()
    if profiler:
        profiler.enable()
    while worker.run_once():
        pass
    if profiler:
        profiler.disable()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used, wall = time.thread_time() - began, time.monotonic() - wall
    store_cpu = server_cpu_s(server._cluster) - store_cpu
    wal = wal_bytes(store) - wal
    report = Report("worker", messages=count, batch=options.batch)
    for name, seconds in sorted(stages.used_s.items(), key=lambda item: -item[1]):
        report.row(stage=name, us_per_message=round(seconds / count * 1e6, 1))
    report.row(stage="= worker", us_per_message=round(used / count * 1e6, 1))
    report.row(
        stage="  in the kernel",
        us_per_message=round((after.ru_stime - before.ru_stime) / count * 1e6),
    )
    faults = after.ru_minflt - before.ru_minflt
    report.row(stage="  page faults, count", us_per_message=round(faults / count, 2))
    report.row(stage="PostgreSQL, applying", us_per_message=round(store_cpu / count * 1e6, 1))
    report.row(stage="PostgreSQL, landing", us_per_message=round(landing_s / count * 1e6, 1))
    report.row(stage="WAL, bytes", us_per_message=round(wal / count))
    report.row(stage="wall", us_per_message=round(wall / count * 1e6, 1))
    report.write()
    if profiler:
        pstats.Stats(profiler).sort_stats(options.profile).print_stats(60)
    if options.check:
        print(fingerprint(store, grant))


if __name__ == "__main__":
    main()
