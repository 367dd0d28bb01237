"""How long it takes until it is decided who a registration is, among many records.

    nice .venv/bin/python -m bench.bench_identity_store [--records 100000] [--arrivals 2000]

A fresh store on an embedded server of its own, fsync on, with a key per patient. Simulated records
are loaded by the code that writes them one by one (``_identity_load``); then registrations that
were held back come as FHIR Patients: landed, and applied by one worker in this process, ``alone``
(one after the other, each in a transaction of its own) or up to 100 in one. A time is that of one
transaction, from reading what is pending to the commit, in which record, keys, decisions, clusters,
reviews, chart and the batch's audit event become durable. CPU: of this process and of PostgreSQL.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from bench._identity_load import NAMESPACE, Loader, labelled
from bench._report import Report
from bench.bench_store import server_cpu_s

from chartloom import hot
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Purpose
from chartloom.domain.message import Arrival, Format, Message
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore
from chartloom.guard import Guard, SystemClock
from chartloom.guard.keys import FileKek
from chartloom.normalize import load_mapping

FEED = Feed("reg", "Registration", "IT", "http", Format.FHIR, mapping="fhir")
CLOCK = SystemClock()


def quantile(values: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1e3, 2)


class Bench:
    """The store with its worker."""

    def __init__(self, store: PostgresStore, cluster: Path, records: int, arrivals: int) -> None:
        self.store, self.cluster = store, cluster
        self.mapping = load_mapping("fhir")
        self.later: list[dict[str, Any]] = []
        self.loader = Loader(store)
        started, cpu_s = time.monotonic(), time.process_time()
        for world, (now, later) in enumerate(labelled(records, arrivals)):
            self.loader.load(world, now)
            self.later += [{**one.patient, "id": f"{world}-{one.id}"} for one in later]
            print(f"{self.loader.number:,} records, {time.monotonic() - started:.0f} s", flush=True)
        self.load_cpu_s = time.process_time() - cpu_s
        self.loader.finish()
        print(f"loaded in {time.monotonic() - started:.0f} s", flush=True)
        self.landed = 0

    def worker(self, batch_max: int) -> hot.Worker:
        mint = self.store.guard.mint
        grant = mint("service:worker", Purpose.OPERATIONS, ttl_s=86_400)
        mappings = {FEED.name: (FEED, self.mapping)}
        return hot.Worker(self.store, mappings, NAMESPACE, CLOCK, lambda: grant, "w", 64, batch_max)

    def land(self, count: int) -> None:
        """Lands the next that were held back."""
        some, arrivals = self.later[:count], []
        del self.later[:count]
        for patient in some:
            self.landed += 1
            body = json.dumps(patient).encode()
            digest = hashlib.sha256(body).digest()
            control = f"R{self.landed}"
            probe = Message(1, FEED.name, body, CLOCK.now_us(), digest, 0, control, "Patient", "")
            whose = self.mapping.derive(probe, FEED, NAMESPACE).source_patient
            arrivals.append(
                Arrival(FEED.name, body, CLOCK.now_us(), digest, control, "Patient", whose)
            )
        self.store.land(arrivals)

    def run(self, count: int, batch_max: int) -> dict[str, float]:
        """Times of batches, and CPU per registration in milliseconds."""
        self.land(count)
        worker, times = self.worker(batch_max), []
        cpu_s, server_s, began = time.process_time(), server_cpu_s(self.cluster), time.monotonic()
        done = 0
        while done < count:
            start = time.perf_counter()
            found = worker.run_once()
            times.append(time.perf_counter() - start)
            done += found
            assert found, "nothing is pending"
        wall_s = time.monotonic() - began
        ours_ms = (time.process_time() - cpu_s) / count * 1e3
        theirs_ms = (server_cpu_s(self.cluster) - server_s) / count * 1e3
        return {
            "registrations": count,
            "batch": batch_max,
            "p50_ms": quantile(times, 0.5),
            "p99_ms": quantile(times, 0.99),
            "max_ms": quantile(times, 1.0),
            "per_s": round(count / wall_s, 1),
            "cpu_ms": round(ours_ms, 3),
            "server_cpu_ms": round(theirs_ms, 3),
            "per_core_s": round(1e3 / (ours_ms + theirs_ms), 1),
        }

    def server_functions(self) -> dict[str, str]:
        """Milliseconds of the store's functions per call, and calls, since this was last asked."""
        conn = self.loader.conn
        found = conn.execute(
            "SELECT funcname, total_time / calls, calls FROM pg_stat_user_functions"
            " WHERE calls > 9 AND total_time > 1 ORDER BY total_time DESC LIMIT 8"
        ).fetchall()
        conn.execute("SELECT pg_stat_reset()")
        return {name: f"{ms:.2f} ms, {calls:,} calls" for name, ms, calls in found}

    def outcome(self) -> dict[str, int]:
        """What became of those that arrived."""
        row = self.loader.conn.execute(
            "SELECT (SELECT count(*) FROM outcome), (SELECT count(*) FROM identity_decision"
            " WHERE position > 1 AND outcome = 'link'), (SELECT count(*) FROM identity_review),"
            " (SELECT count(*) FROM membership WHERE cause <> 'first'),"
            " (SELECT count(*) FROM audit_event)"
        ).fetchone()
        assert row is not None
        names = ("applied", "links", "reviews", "moved", "audit_events")
        return dict(zip(names, row, strict=True))


def main() -> None:
    """Loads, measures, reports."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--arrivals", type=int, default=2_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="identity-") as folder:
        server = EmbeddedPostgres(Path(folder) / "pg")
        guard = Guard.open(Path(folder) / "keys", CLOCK)
        store = PostgresStore(server.start(), guard, CLOCK)
        try:
            store.migrate()
            with psycopg.connect(server.dsn, autocommit=True) as conn:
                conn.execute("ALTER SYSTEM SET track_functions = 'pl'")
                conn.execute("SELECT pg_reload_conf()")
            store.use_subject_keys(FileKek(Path(folder) / "kek", create=True))
            bench = Bench(store, server._cluster, options.records, options.arrivals)
            report = Report(
                f"identity-store-{bench.loader.number // 1000}k",
                records=bench.loader.number,
                keys=bench.loader.keys,
                load_cpu_us_each=round(bench.load_cpu_s / bench.loader.number * 1e6),
                load_average=os.getloadavg(),
                **bench.loader.sizes(),
            )
            bench.run(100, 1)  # warm
            bench.server_functions()
            report.row(what="alone", **bench.run(options.arrivals // 3, 1))
            report.row(what="batch", **bench.run(options.arrivals // 3, 100))
            report.about |= bench.outcome() | {"server_functions": bench.server_functions()}
            print(report.about)
            report.write()
        finally:
            store.close()
            server.stop()


if __name__ == "__main__":
    main()
