"""How long it takes until it is decided who a registration is, among many records; and how well.

    nice .venv/bin/python -m bench.bench_identity_store --folder F [--records N] [--arrivals N]

A store on an embedded server of its own, fsync on, with a key per patient, kept in the folder: made
when it is not there (``_identity_load``: records of one simulated world, loaded by the code that
writes them one by one), used again when it is. Registrations that were held back then come as FHIR
Patients: landed, and applied by one worker in this process, ``alone`` (one after the other, each in
a transaction of its own) or up to 100 in one; every run takes those that come next. A time is that
of one transaction, from reading what is pending to the commit, in which record, keys, decisions,
clusters, reviews, chart and the batch's audit event become durable. What of that is the decision is
told beside it: from the moment when the keys of the record are made to the same commit; candidates
are found, compared, decided about and clustered in it, and the rest of the record is written by
it as well, for it is one transaction. CPU: of this process and of PostgreSQL. Links and reviews
are held against the truth.

A store that was loaded by other rules than those of now finds its records by keys of before. With
``--rekey`` it gets the keys of now first, by the steps that workers take aside; it may be stopped
and goes on where it was.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psycopg
from bench._identity_load import NAMESPACE, Loader, labelled, patient_id, sizes
from bench._report import Report
from bench.bench_store import server_cpu_s

from chartloom import hot
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Purpose
from chartloom.domain.message import Arrival, Format, Message
from chartloom.domain.store import Batch
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore
from chartloom.engines.postgres.matching import Changed, Said
from chartloom.guard import Guard, SystemClock
from chartloom.guard.keys import FileKek
from chartloom.normalize import load_mapping
from chartloom.registry.persons import among, default_parameters

FEED = Feed("reg", "Registration", "IT", "http", Format.FHIR, mapping="fhir")
CLOCK = SystemClock()


def quantile(values: Sequence[float], share: float) -> float:
    """In milliseconds."""
    return round(sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1e3, 2)


def load(store: PostgresStore, folder: Path, records: int, noise: str) -> dict[str, int]:
    """Fills a fresh store; writes those who arrive later, in an order that says nothing."""
    loader, later = Loader(store), []
    started, cpu_s = time.monotonic(), time.process_time()
    shown = 0
    for now, arriving in labelled(records, noise):
        loader.put(now)
        later += arriving
        if loader.number >= shown:
            print(f"{loader.number:,} records, {time.monotonic() - started:.0f} s", flush=True)
            shown += 50_000
    loader.told(later)
    loader.finish()
    later.sort(key=lambda one: hashlib.blake2b(one.id.encode()).digest())
    with (folder / "arrivals.jsonl").open("w") as file:
        for one in later:
            file.write(json.dumps({**one.patient, "id": one.id}) + "\n")
    took_s, cpu_s = time.monotonic() - started, time.process_time() - cpu_s
    about = {
        "records": loader.number,
        "keys": loader.keys,
        "load_s": round(took_s),
        "load_cpu_us_each": round(cpu_s / loader.number * 1e6),
    }
    (folder / "loaded.json").write_text(json.dumps(about))
    return about


class Decisions:
    """How long each decision of a store takes: from keys made to decision durable and audited."""

    def __init__(self, store: PostgresStore) -> None:
        self.times: list[float] = []
        self._made: float | None = None
        index, commit = store._settler.index, store.commit
        records = index.records

        def made(said: Iterable[Said]) -> list[Changed]:
            found = records(said)
            self._made = time.perf_counter() if found else None
            return found

        def committed(batch: Batch) -> None:
            self._made = None
            commit(batch)
            if self._made is not None:
                self.times.append(time.perf_counter() - self._made)

        index.records = made  # type: ignore[method-assign]
        store.commit = committed  # type: ignore[method-assign]

    def told(self) -> dict[str, float]:
        """Of all since this was last asked."""
        times, self.times = self.times, []
        return {"decision_p50_ms": quantile(times, 0.5), "decision_p99_ms": quantile(times, 0.99)}


class Bench:
    """The store with its worker."""

    def __init__(self, store: PostgresStore, cluster: Path, folder: Path) -> None:
        self.store, self.cluster, self._next = store, cluster, folder / "next"
        self.conn = psycopg.connect(store.dsn, autocommit=True)
        self.conn.execute("SET synchronous_commit = off")
        self.conn.execute("CREATE INDEX IF NOT EXISTS truth_person ON bench.truth (person)")
        self.mapping = load_mapping("fhir")
        done = int(self._next.read_text()) if self._next.exists() else 0
        self.later = (folder / "arrivals.jsonl").read_text().splitlines()
        self.landed = done
        self._functions: dict[str, tuple[float, int]] = {}
        self.decisions = Decisions(store)

    def worker(self, batch_max: int) -> hot.Worker:
        mint = self.store.guard.mint
        grant = mint("service:worker", Purpose.OPERATIONS, ttl_s=86_400)
        mappings = {FEED.name: (FEED, self.mapping)}
        return hot.Worker(self.store, mappings, NAMESPACE, CLOCK, lambda: grant, "w", 64, batch_max)

    def warm(self) -> int:
        """Reads the index of keys once, as a day of work does; how many keys there are. A server
        that was just started has none of it at hand."""
        with self.conn.transaction():
            self.conn.execute("SET LOCAL enable_seqscan = off")
            row = self.conn.execute("SELECT count(*) FROM match_key").fetchone()
        assert row is not None
        return int(row[0])

    def land(self, count: int) -> None:
        """Lands the next that were held back."""
        arrivals = []
        for text in self.later[self.landed : self.landed + count]:
            self.landed += 1
            body = text.encode()
            digest = hashlib.sha256(body).digest()
            control = f"R{self.landed}"
            probe = Message(1, FEED.name, body, CLOCK.now_us(), digest, 0, control, "Patient", "")
            whose = self.mapping.derive(probe, FEED, NAMESPACE).source_patient
            arrivals.append(
                Arrival(FEED.name, body, CLOCK.now_us(), digest, control, "Patient", whose)
            )
            self.conn.execute(
                "INSERT INTO bench.truth SELECT %s, person FROM bench.truth"
                " WHERE source_patient = %s",
                (whose, patient_id(json.loads(text)["id"])),
            )
        if len(arrivals) < count:
            raise SystemExit("All that were held back have arrived: make the folder anew.")
        self.store.land(arrivals)
        self._next.write_text(str(self.landed))

    def run(self, worker: hot.Worker, count: int, batch_max: int) -> dict[str, float]:
        """Times of batches, and CPU per registration in milliseconds."""
        self.land(count)
        times: list[float] = []
        self.decisions.times.clear()
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
            **self.decisions.told(),
            "per_s": round(count / wall_s, 1),
            "cpu_ms": round(ours_ms, 3),
            "server_cpu_ms": round(theirs_ms, 3),
            "per_core_s": round(1e3 / (ours_ms + theirs_ms), 1),
        }

    def server_functions(self) -> dict[str, str]:
        """Milliseconds of the store's functions per call, and calls, since this was last asked."""
        now = {
            name: (float(ms), calls)
            for name, ms, calls in self.conn.execute(
                "SELECT funcname, total_time, calls FROM pg_stat_user_functions"
            ).fetchall()
        }
        before, self._functions = self._functions, now
        found = []
        for name, (ms, calls) in now.items():
            was_ms, were = before.get(name, (0.0, 0))
            if calls - were > 9:
                found.append((ms - was_ms, calls - were, name))
        return {
            name: f"{ms / calls:.2f} ms, {calls:,} calls"
            for ms, calls, name in sorted(found, reverse=True)[:8]
        }

    def outcome(self, after: int) -> dict[str, Any]:
        """What became of those that arrived behind a position, held against the truth."""
        row = self.conn.execute(
            """
            WITH said AS (
                SELECT d.outcome, d.rule, a.person = b.person AS right FROM identity_decision d
                JOIN bench.truth a ON a.source_patient = d.low
                JOIN bench.truth b ON b.source_patient = d.high
                WHERE d.position > greatest(%s, 1)
            ), new AS (SELECT source_patient FROM outcome WHERE position > %s)
            SELECT (SELECT count(*) FROM new),
                (SELECT count(*) FROM said WHERE outcome = 'link'),
                (SELECT count(*) FROM said WHERE outcome = 'link' AND NOT "right"),
                (SELECT count(*) FROM said WHERE outcome = 'review'),
                (SELECT count(*) FROM said WHERE outcome = 'review' AND NOT "right"),
                (SELECT count(*) FROM identity_review WHERE position > %s AND state <> 'closed'),
                (SELECT count(*) FROM new JOIN bench.truth t USING (source_patient)
                 WHERE EXISTS (SELECT FROM bench.truth o JOIN person p USING (source_patient)
                               JOIN person m ON m.source_patient = t.source_patient
                               WHERE o.person = t.person AND o.source_patient <> t.source_patient)),
                (SELECT count(*) FROM new JOIN bench.truth t USING (source_patient)
                 JOIN person m USING (source_patient)
                 WHERE EXISTS (SELECT FROM person p JOIN bench.truth o USING (source_patient)
                               WHERE p.person_id = m.person_id
                                   AND p.source_patient <> m.source_patient
                                   AND o.person = t.person)),
                (SELECT count(*) FROM new JOIN bench.truth t USING (source_patient)
                 JOIN person m USING (source_patient)
                 WHERE EXISTS (SELECT FROM person p JOIN bench.truth o USING (source_patient)
                               WHERE p.person_id = m.person_id AND o.person <> t.person)),
                (SELECT count(*) FROM audit_event)
            """,
            (after, after, after),
        ).fetchone()
        assert row is not None
        names = (
            "applied",
            "links",
            "links_wrong",
            "decided_review",
            "decided_review_two_persons",
            "reviews_open",
            "known_before",
            "known_and_joined",
            "in_a_wrong_cluster",
            "audit_events",
        )
        return dict(zip(names, row, strict=True))


def main() -> None:
    """Loads unless that was done, measures, reports."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--noise", default="desk-hurried")
    parser.add_argument("--arrivals", type=int, default=2_000)
    parser.add_argument("--rekey", action="store_true", help="give the records the keys of now")
    parser.add_argument("--warm", action="store_true", help="after reading the index of keys once")
    parser.add_argument("--judge-after", type=int, help="only judge what came behind a position")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    server = EmbeddedPostgres(options.folder / "pg")
    guard = Guard.open(options.folder / "keys", CLOCK)
    done = options.folder / "loaded.json"
    records = json.loads(done.read_text())["records"] if done.exists() else options.records
    parameters = among(default_parameters(), records)
    store = PostgresStore(server.start(), guard, CLOCK, parameters=parameters)
    try:
        store.migrate()
        with psycopg.connect(server.dsn, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET track_functions = 'pl'")
            conn.execute("SELECT pg_reload_conf()")
        store.use_subject_keys(FileKek(options.folder / "kek", create=not done.exists()))
        if done.exists():
            about = json.loads(done.read_text())
        else:
            about = load(store, options.folder, options.records, options.noise)
        if options.rekey:
            rekey(store, server._cluster, about)
        elif options.judge_after is not None:
            judge(Bench(store, server._cluster, options.folder), options.judge_after, about)
        elif options.arrivals:
            bench = Bench(store, server._cluster, options.folder)
            if options.warm:
                about |= {"warm": bench.warm()}
            measure(bench, options.arrivals, about)
    finally:
        store.close()
        server.stop()


def rekey(store: PostgresStore, cluster: Path, about: dict[str, int]) -> None:
    """All that is left of it, without pauses: how long it takes, by stage."""
    report = Report(f"identity-rekeying-{about['records'] // 1000}k", **about)
    report.about |= {"load_average": os.getloadavg()}
    grant = store.guard.mint("service:worker", Purpose.OPERATIONS, ttl_s=86_400)
    most, shown, rows = 100, 0.0, dict[str, list[float]]()
    while (status := store.rekeying(grant)) is not None and status.stage:
        began = (time.monotonic(), time.process_time(), server_cpu_s(cluster))
        done = store.rekey(grant, "worker", most) or 0
        ended = (time.monotonic(), time.process_time(), server_cpu_s(cluster))
        took_s, ours_s, theirs_s = (b - a for a, b in zip(began, ended, strict=True))
        row = rows.setdefault(status.stage, [0, 0.0, 0.0, 0.0, 0.0])
        for i, value in enumerate((done, took_s, ours_s, theirs_s)):
            row[i] += value
        row[4] = max(row[4], took_s)
        most = max(50, min(1_000, int(most * min(2.0, 0.2 / took_s))))
        if ended[0] - shown > 20:
            shown = ended[0]
            print(status.words, flush=True)
    names = ("done", "wall_s", "cpu_s", "server_cpu_s", "longest_step_s")
    for stage, row in rows.items():
        report.row(stage=stage, **dict(zip(names, (round(x, 3) for x in row), strict=True)))
    print(json.dumps(report.rows, indent=1))
    report.write()


def judge(bench: Bench, after: int, about: dict[str, int]) -> None:
    """All that came behind a position, held against the truth."""
    report = Report(f"identity-stream-{about['records'] // 1000}k", **about, after=after)
    report.about["parameters"] = bench.store.parameters.fingerprint
    bench.conn.execute("ANALYZE bench.truth, identity_decision, identity_review, person, outcome")
    found = bench.outcome(after)
    count = found["applied"]
    report.row(
        **found,
        # A pair of two records is met by the later one only; of all pairs among the records, each
        # has two ends, so that a record has half as many as one that meets all others.
        wrong_links_per_record=found["links_wrong"] / 2 / count,
        reviews_per_registration=found["reviews_open"] / count,
    )
    print(json.dumps(report.rows, indent=1))
    report.write()


def measure(bench: Bench, arrivals: int, about: dict[str, int]) -> None:
    """Alone, then in batches."""
    report = Report(
        f"identity-store-{about['records'] // 1000}k",
        **about,
        parameters=bench.store.parameters.fingerprint,
        load_average=os.getloadavg(),
        **sizes(bench.conn),
    )
    row = bench.conn.execute("SELECT coalesce(max(position), 0) FROM landing").fetchone()
    assert row is not None
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)  # both as a worker does
    worker = bench.worker(1)
    bench.run(worker, 100, 1)  # warm
    bench.server_functions()
    report.row(what="alone", **bench.run(worker, arrivals // 2, 1))
    report.about["server_functions_alone"] = bench.server_functions()
    worker = bench.worker(100)
    bench.run(worker, 300, 100)
    report.row(what="batch", **bench.run(worker, arrivals - arrivals // 2, 100))
    report.about |= bench.outcome(row[0]) | {"server_functions": bench.server_functions()}
    print(json.dumps(report.about, indent=1))
    print(json.dumps(report.rows, indent=1))
    report.write()


if __name__ == "__main__":
    main()
