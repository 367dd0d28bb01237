"""What the store can do: land, commit, read; one sender against sixteen.

    .venv/bin/python bench/bench_store.py [--seconds 5]

Everything is durable (fsync on) on an embedded server of its own. Rates are per wall second; the
CPU of this process and of PostgreSQL is given per row, which shared machines disturb less. The
peer beside us is the same server without our log: one INSERT or COPY of the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import queue
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.grant import Purpose
from chartloom.domain.ids import make_id
from chartloom.domain.message import Arrival, Message, Receipt
from chartloom.domain.resource import Contribution, Derived, ResourceState, Stamp
from chartloom.domain.store import Batch, Wanted
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore, processes
from chartloom.guard import Guard, SystemClock

CLOCK = SystemClock()
NAMESPACE = UUID(int=1)
TICKS = os.sysconf("SC_CLK_TCK")


def server_cpu_s(cluster: Path) -> float:
    """CPU seconds of all PostgreSQL processes, live ones and those the postmaster has reaped.

    Without the reaped ones a backend that ends in between would count backwards.
    """
    total = 0
    for pid in processes.all_serving(cluster):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(f) for f in fields[11:15])  # own, then reaped children: user, system
    return total / TICKS


def arrival(n: int, size: int = 1000) -> Arrival:
    body = (f"MSH|^~\\&|LAB|H|||||ORU^R01|{n}|P|2.5\r" + "x" * size).encode()[:size]
    patient = make_id(NAMESPACE, "lab", "Patient", str(n % 500))
    digest = hashlib.sha256(body + str(n).encode()).digest()
    return Arrival("lab", body, CLOCK.now_us(), digest, f"C{n}", "ORU^R01", patient)


def say(what: str, rate: float, unit: str, note: str = "") -> None:
    print(f"{what:<44}{rate:>12,.0f} {unit:<12}{note}", flush=True)


def senders(land: Callable[[Arrival], Receipt], count: int, seconds: float, base: int) -> float:
    """Durable messages per second of ``count`` senders that each wait for their receipt."""
    done = [0] * count
    end = time.monotonic() + seconds

    def send(k: int) -> None:
        while time.monotonic() < end:
            land(arrival(base + done[k] * count + k))
            done[k] += 1

    threads = [threading.Thread(target=send, args=(k,)) for k in range(count)]
    started = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return sum(done) / (time.monotonic() - started)


class Gather:
    """The group commit of the sources in its simplest form: a queue and a thread."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[tuple[Arrival, Future[Receipt]]] = queue.SimpleQueue()
        threading.Thread(target=self._run, daemon=True).start()

    def land(self, a: Arrival) -> Receipt:
        future: Future[Receipt] = Future()
        self._queue.put((a, future))
        return future.result()

    def _run(self) -> None:
        while True:
            group = [self._queue.get()]
            while not self._queue.empty() and len(group) < 500:
                group.append(self._queue.get())
            for (_, future), receipt in zip(
                group, self._store.land([a for a, _ in group]), strict=True
            ):
                future.set_result(receipt)


def bench_landing(store: PostgresStore, cluster: Path, seconds: float) -> None:
    for group in (1, 16, 250):
        n, base, cpu, server = 0, group * 10_000_000, time.process_time(), server_cpu_s(cluster)
        end = time.monotonic() + seconds
        started = time.monotonic()
        while time.monotonic() < end:
            store.land([arrival(base + n + i) for i in range(group)])
            n += group
        took = time.monotonic() - started
        note = (
            f"{1e6 * (time.process_time() - cpu) / n:5.0f} us here, "
            f"{1e6 * (server_cpu_s(cluster) - server) / n:5.0f} us PostgreSQL per message"
        )
        say(f"land, {group} per commit", n / took, "msg/s", note)
    gather = Gather(store)
    one = senders(lambda a: store.land([a])[0], 1, seconds, 1_000_000_000)
    sixteen = senders(gather.land, 16, seconds, 2_000_000_000)
    say("one sender", one, "durable/s")
    say("16 senders, group commit", sixteen, "durable/s", f"{sixteen / one:.1f} x one sender")


def bench_peer(dsn: str, seconds: float) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE peer (n bigint PRIMARY KEY, body bytea)")
        n, end, started = 0, time.monotonic() + seconds, time.monotonic()
        body = os.urandom(1000)
        while time.monotonic() < end:
            conn.execute("INSERT INTO peer VALUES (%s, %b)", (n, body))
            n += 1
        say("peer: plain INSERT, 1 per commit", n / (time.monotonic() - started), "rows/s")
        first, started, end = n, time.monotonic(), time.monotonic() + seconds
        while time.monotonic() < end:
            with conn.cursor().copy("COPY peer FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(["int8", "bytea"])
                for _ in range(250):
                    copy.write_row((n, body))
                    n += 1
        say(
            "peer: plain COPY, 250 per commit", (n - first) / (time.monotonic() - started), "rows/s"
        )


def observation(id: str, owner: str, n: int) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hb"}]},
        "subject": {"reference": f"Patient/{owner}"},
        "effectiveDateTime": "2026-11-22T03:04:05+01:00",
        "valueQuantity": {"value": n, "unit": "g/dL", "code": "g/dL"},
        "referenceRange": [{"low": {"value": 12}, "high": {"value": 16}, "text": "12-16"}],
        "note": [{"text": "x" * 300}],
    }


def folded(store: PostgresStore, messages: Sequence[Message], per_message: int) -> Batch:
    """A batch as the hot path makes it: 4 new observations and one known patient per message."""
    outcomes, states = [], {}
    views: dict[ViewKey, SectionView] = {}
    for m in messages:
        p = m.source_patient
        resources = [{"resourceType": "Patient", "id": p, "name": [{"family": "x" * 200}]}]
        resources += [
            observation(make_id(NAMESPACE, str(m.position), str(i)), p, i)
            for i in range(per_message - 1)
        ]
        for r in resources:
            stamps = dict.fromkeys(r, Stamp(1, m.received_at_us, m.position))
            section = (
                Section.RESULTS if r["resourceType"] == "Observation" else Section.DEMOGRAPHICS
            )
            series = "718-7" if section is Section.RESULTS else ""
            state = ResourceState(r, p, stamps)
            states[r["id"]] = PlacedState(state, section, 0, m.received_at_us, series)
            key = ViewKey(p, section)
            entries = tuple({"id": str(i), "text": "x" * 80} for i in range(20))
            views[key] = SectionView(key, 1, entries)
        contributions = tuple(Contribution(r, p) for r in resources)
        outcomes.append(
            Derived(m.position, m.feed, m.message_type, m.control_id, 0, p, contributions)
        )
    lanes = {m.lane: m.position for m in messages}
    return Batch(
        "w", "f", lanes, tuple(messages), tuple(outcomes), tuple(states.values()), (),
        tuple(views.values()), CLOCK.now_us(),
    )  # fmt: skip


def bench_consuming(store: PostgresStore, cluster: Path, batch_max: int, seconds: float) -> None:
    grant = store.guard.mint("bench", Purpose.OPERATIONS)
    lanes = store.claim("w", store.lanes)
    spent = {"pending": 0.0, "prefetch": 0.0, "commit": 0.0}
    n, started, server = 0, time.monotonic(), server_cpu_s(cluster)
    while time.monotonic() < started + seconds:
        t0 = time.process_time()
        messages = store.pending(grant, lanes, batch_max)
        t1 = time.process_time()
        if not messages:
            break
        batch = folded(store, messages, 5)
        t2 = time.process_time()
        ids = frozenset(s.state.id for s in batch.states)
        store.prefetch(grant, Wanted(ids, frozenset(v.key for v in batch.views)))
        t3 = time.process_time()
        store.commit(batch)
        t4 = time.process_time()
        for name, cpu in (("pending", t1 - t0), ("prefetch", t3 - t2), ("commit", t4 - t3)):
            spent[name] += cpu
        n += len(messages)
    parts = ", ".join(f"{k} {1e6 * v / n:.0f}" for k, v in spent.items())
    note = (
        f"us CPU per message: {parts}, PostgreSQL {1e6 * (server_cpu_s(cluster) - server) / n:.0f}"
    )
    say(
        f"consume, {batch_max} per commit, 5 resources",
        n / (time.monotonic() - started),
        "msg/s",
        note,
    )


def bench_idle_pending(store: PostgresStore) -> None:
    grant = store.guard.mint("bench", Purpose.OPERATIONS)
    lanes = store.claim("w", store.lanes)
    times = measure(lambda: store.pending(grant, lanes, 500), 300)
    report("pending, nothing there", times)


def measure(what: Callable[[], object], count: int) -> list[float]:
    times = []
    for _ in range(count):
        t = time.perf_counter()
        what()
        times.append(1000 * (time.perf_counter() - t))
    return sorted(times)


def report(what: str, times: list[float], note: str = "") -> None:
    p99 = times[int(len(times) * 0.99) - 1]
    print(
        f"{what:<44}{statistics.median(times):>9.2f} ms p50{p99:>9.2f} ms p99  {note}", flush=True
    )


def bench_reads(store: PostgresStore, dsn: str) -> None:
    """A person with 10,000 resources: 12 sections, 20 bounded views of 50 entries each."""
    grant = store.guard.mint("bench", Purpose.OPERATIONS)
    lanes = store.claim("w", store.lanes)
    while messages := store.pending(grant, lanes, 500):
        batch = folded(store, messages, 1)
        wanted = Wanted(
            frozenset(s.state.id for s in batch.states), frozenset(v.key for v in batch.views)
        )
        store.prefetch(grant, wanted)
        store.commit(batch)
    store.land([arrival(3_000_000_000)])
    (m,) = store.pending(grant, lanes, 10)
    p = "person-with-much"
    states = []
    for i in range(10_000):
        r = observation(f"big-{i}", p, i)
        state = ResourceState(r, p, dict.fromkeys(r, Stamp(1, i, m.position)))
        states.append(PlacedState(state, Section(1 + i % 12), i % 3, i, f"s{i % 40}"))
    entry = {"id": "i" * 36, "when": "2026-11-22", "text": "x" * 60, "value": "1.5 g/dL", "low": 1}
    views = [
        SectionView(ViewKey(p, Section(1 + i % 12), i // 12), 500, (entry,) * 50) for i in range(20)
    ]
    contributions = (Contribution({"resourceType": "Patient", "id": p}, p),)
    derived = Derived(m.position, m.feed, "", "", 0, p, contributions)
    store.commit(
        Batch(
            "w",
            "f",
            {m.lane: m.position},
            (m,),
            (derived,),
            tuple(states),
            (),
            tuple(views),
            CLOCK.now_us(),
        )
    )
    with psycopg.connect(dsn) as conn:
        ids = [f"big-{random.randrange(10_000)}" for _ in range(1000)]
        turn = iter(ids)
        query = "SELECT body FROM resource WHERE id = %s"
        times = measure(lambda: conn.execute(query, (next(turn),)).fetchone(), 1000)
        report("peer: bare point read", times)
    report("sections, 20 views of 50 entries", measure(lambda: store.sections(grant, [p]), 500))
    report("timeline, newest 50 of 10,000", measure(lambda: store.timeline(grant, [p]), 300))
    series = measure(lambda: store.timeline(grant, [p], series="s7"), 300)
    report("timeline, one series of 250", series)
    report("one state", measure(lambda: store.state(grant, "big-77"), 300))
    report("feeds", measure(lambda: store.feeds(grant), 100))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory(prefix="chartloom-bench-") as folder:
        data = Path(folder) / "pg"
        server = EmbeddedPostgres(data)
        t = time.monotonic()
        dsn = server.start()
        first = time.monotonic() - t
        server.stop()
        t = time.monotonic()
        server.start()
        print(f"start: first {first:.2f} s, warm {time.monotonic() - t:.2f} s")
        store = PostgresStore(dsn, Guard.open(Path(folder) / "keys"), CLOCK)
        try:
            store.migrate()
            cluster = data / "cluster"
            bench_peer(dsn, seconds)
            bench_landing(store, cluster, seconds)
            for batch_max in (500, 50, 5):
                bench_consuming(store, cluster, batch_max, seconds)
            bench_reads(store, dsn)
            bench_idle_pending(store)
        finally:
            store.close()
            server.stop()


if __name__ == "__main__":
    main()
