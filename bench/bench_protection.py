"""What protection costs: decisions, authorised chart reads, and the hot path with and without it.

    .venv/bin/python -m bench.bench_protection [--messages 6000] [--reads 200] [--parts abcd]

(a) a decision of the policies over facts at hand; (b) one authorised chart read in this process:
facts, decision, grant, sections, unsealing, and the event durably on record; (c) the same through
the console of a site that is up, as page and as JSON; (d) landing and applying with row-level
security, subject keys and audit, and without: there the connections are the owner's, who is above
row-level security, keys are derived, and the functions that check claims and record batches do
nothing. These switches exist here only. With and without take turns, the best of each counts.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench._report import Report
from bench._site import Up, cpu_s, free_ports, start, stop
from bench.bench_authorise import questions, timed
from bench.bench_store import server_cpu_s

from chartloom import chart, hot
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.message import Arrival, Format
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore, protection
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.doors import PostgresGlass, PostgresSessions
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.requests import PostgresUses
from chartloom.formats.hl7v2 import peek
from chartloom.guard import Guard, SystemClock
from chartloom.guard.audit import Recorder
from chartloom.guard.authority import AccessDenied, Asking, Authority
from chartloom.guard.keys import FileKek
from chartloom.guard.policy import Policies, builtin_texts
from chartloom.guard.staff import Principal, principal_of
from chartloom.normalize import load_mapping
from chartloom.project import load_project, write_site
from chartloom.project.access import load_staff
from chartloom.serve import needs
from chartloom.serve.sessions import SessionBook
from chartloom.simulate import FEEDS, Hospital
from chartloom.simulate.house import CLINICS, WARDS, clinicians
from chartloom.sources.intake import Hl7Intake
from chartloom.wiring import OpenSite, open_site

_WHO = "bench.clinician"
_GROUP = 400


def percentiles(walls_ms: list[float]) -> dict[str, float]:
    """Median, 99th percentile and least of milliseconds."""
    walls_ms = sorted(walls_ms)
    last = len(walls_ms) - 1
    return {
        "p50_ms": round(walls_ms[last // 2], 2),
        "p99_ms": round(walls_ms[last * 99 // 100], 2),
        "min_ms": round(walls_ms[0], 2),
    }


def measured(count: int, call: Callable[[int], object]) -> list[float]:
    """Milliseconds of each call, after some that do not count."""
    taken = []
    for n in range(-20, count):
        began = time.perf_counter()
        call(n)
        if n >= 0:
            taken.append((time.perf_counter() - began) * 1000)
    return taken


def used_ms(up: Up, count: int, call: Callable[[int], object]) -> dict[str, float]:
    """Milliseconds of processor per call in the console and in PostgreSQL: other load on the
    machine changes them little."""
    before = cpu_s(up.process.pid)
    for n in range(count):
        call(n)
    after = cpu_s(up.process.pid)
    return {
        f"{role}_cpu_ms": round((after[role] - before[role]) * 1000 / count, 2)
        for role in ("serve", "postgres")
    }


# A site with somebody who cares for every simulated patient


@contextlib.contextmanager
def hospital_up(messages: int) -> Iterator[tuple[Up, OpenSite]]:
    """A site that is up, filled with a simulated hospital's past, and opened here."""
    with tempfile.TemporaryDirectory(prefix="clprotect") as folder:
        site, feeds = Path(folder) / "site", tuple(FEEDS.values())
        first = free_ports(len(feeds) + 2)
        write_site(site, name="Bench", first_port=first + 1, console_port=first, feeds=feeds)
        _write_staff(site)
        process = start(site)
        try:
            with open_site(load_project(site)) as opened:
                _fill(opened, messages)
                yield Up(site, process, (first,)), opened
        finally:
            stop(process)


def _write_staff(site: Path) -> None:
    places = ", ".join(f'"{d}"' for d in (*WARDS, *CLINICS, "SGH", "MLAB"))
    numbers = ", ".join(f'"SGH|{c.number}"' for c in clinicians(0))
    (site / "staff.toml").write_text(
        f'[[staff]]\nsubject = "{_WHO}"\nname = "Ada Bench"\nroles = ["clinician"]\n'
        f"departments = [{places}]\npractitioner = [{numbers}]\n",
        encoding="utf-8",
    )


def _fill(opened: OpenSite, count: int) -> None:
    house = Hospital(7, patients=40, start=datetime.now(UTC), history_days=90)
    arrivals: list[Arrival] = []
    for message in house.messages(days=0):
        feed = FEEDS[message.feed]
        if feed.format is Format.HL7V2 and len(arrivals) < count:
            intake = Hl7Intake(feed, opened.guard.namespace)
            body = message.body
            arrivals.append(intake.arrival(body, peek(body), opened.clock.now_us()))
    for at in range(0, len(arrivals), _GROUP):
        opened.store.land(arrivals[at : at + _GROUP])
    deadline = time.monotonic() + 300
    while opened.store.waiting(opened.grant()):
        if time.monotonic() > deadline:
            raise SystemExit("the worker did not catch up")
        time.sleep(0.1)


def patients(opened: OpenSite) -> list[str]:
    """Persons whose chart changed last."""
    return [hit.person_id for hit in opened.store.recent_persons(opened.grant(), 40)]


# (b) and (c)


def bench_reads(
    report: Report, up: Up, opened: OpenSite, persons: list[str], reads: int
) -> list[str]:
    """Facts, decision, grant, sections, unsealing, record; the persons whose charts may be read."""
    store, guard, clock, project = opened.store, opened.guard, opened.clock, opened.project
    log = PostgresAuditLog(store.connector(Role.SERVE), guard)
    recorder = Recorder(log)
    authority = Authority(
        Policies(builtin_texts()),
        PostgresFacts(store, lambda: []),
        PostgresGlass(store),
        PostgresUses(store),
        guard,
        recorder,
        clock,
        observer="bench",
    )
    principal = principal_of(load_staff(project), _WHO, {})
    persons = [p for p in persons if _may_open(authority, principal, p)]

    def sections(grant: Grant, any_id: str) -> object:
        with store.together(grant):  # as serve/chart_pages.py does
            hit = store.person(grant, any_id)
            views = store.sections(grant, hit.source_patients)
        return chart.summary(views, clock.now_us())

    permits: list[float] = []

    def read(n: int) -> None:
        any_id = persons[n % len(persons)]
        began = time.perf_counter()
        permit = authority.permit(principal, needs.chart(any_id), Asking())
        permits.append((time.perf_counter() - began) * 1000)
        permit.run(sections, any_id)

    taken = measured(reads, read)
    before = time.process_time()
    used = used_ms(up, reads, read)
    used["serve_cpu_ms"] = round((time.process_time() - before) * 1000 / reads, 2)  # is here
    report.row(what="b chart read, all", **percentiles(taken), **used)
    report.row(what="b   of it facts, decision, grant", **percentiles(permits[20:]))
    direct = opened.grant()
    read_alone = measured(reads, lambda n: sections(direct, persons[n % len(persons)]))
    report.row(what="b   of it sections, unsealing", **percentiles(read_alone))
    recorder.close()
    log.close()
    return persons


def _may_open(authority: Authority, principal: Principal, person: str) -> bool:
    try:
        authority.permit(principal, needs.chart(person), Asking())
    except AccessDenied:  # nobody's patient any more
        return False
    return True


def bench_pages(report: Report, up: Up, opened: OpenSite, persons: list[str], reads: int) -> None:
    """The chart over HTTP, one request after another on one connection."""
    staff = load_staff(opened.project)
    book = SessionBook(PostgresSessions(opened.store), opened.guard, opened.clock, lambda: staff)
    cookie = {"Cookie": f"chartloom_session={book.open(_WHO, 'oidc', {})}"}
    port = up.ports[0]
    connection = http.client.HTTPConnection("127.0.0.1", port)

    def get(path: str, expect: int = 200) -> None:
        connection.request("GET", path, headers=cookie)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == expect, (path, answer.status)

    for what, path, expect in (
        ("c /chart/{person}", "/chart/{}", 200),
        ("c /api/chart/{person}", "/api/chart/{}", 200),
        ("c /chart/{unknown}", "/chart/x{}", 404),
    ):

        def one(n: int, path: str = path, expect: int = expect) -> None:
            get(path.format(persons[n % len(persons)]), expect)

        report.row(what=what, **percentiles(measured(reads, one)), **used_ms(up, reads, one))


# (d)

#: For the server of the unprotected contender.
_NO_CHECKS = """
CREATE OR REPLACE FUNCTION access_signed(claim text, mac bytea) RETURNS boolean
    LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OR REPLACE FUNCTION access_everyone() RETURNS boolean LANGUAGE sql STABLE
    RETURN true;
CREATE OR REPLACE FUNCTION begin_access(claim text, mac bytea) RETURNS void
    LANGUAGE sql AS 'SELECT';
CREATE OR REPLACE FUNCTION require_all() RETURNS void LANGUAGE sql AS 'SELECT';
CREATE OR REPLACE FUNCTION require_all_of(claim text, mac bytea) RETURNS void
    LANGUAGE sql AS 'SELECT';
CREATE OR REPLACE FUNCTION audit_chain(times_us bigint[], bodies bytea[]) RETURNS audit_end
    LANGUAGE sql AS 'SELECT e FROM audit_end e';
"""


class Contender:
    """A server and a store of its own, with all protection or without any."""

    def __init__(self, folder: Path, *, protected: bool) -> None:
        self.server = EmbeddedPostgres(folder / "pg")
        clock = SystemClock()
        guard = Guard.open(folder / "keys", clock)
        dsn = self.server.start()
        with contextlib.closing(PostgresStore(dsn, guard, clock)) as making:
            making.migrate()
        if protected:
            self.store = PostgresStore(dsn, guard, clock)
            self.store.use_subject_keys(FileKek(folder / "kek", create=True))
        else:
            self.store = Unprotected(dsn, guard, clock)
            with self.store._admin.use() as conn:
                conn.execute(_NO_CHECKS)
        self.feeds = {n: f for n, f in FEEDS.items() if f.format is Format.HL7V2}
        mapping = load_mapping()
        mappings = {name: (feed, mapping) for name, feed in self.feeds.items()}
        self.grant = guard.mint("bench", Purpose.OPERATIONS, ttl_s=36_000)
        self.worker = hot.Worker(
            self.store, mappings, guard.namespace, clock, lambda: self.grant, "bench", 64, 500
        )

    def round(self, seed: int, messages: int, group: int, batch: int) -> dict[str, float]:
        """Lands and applies a hospital's messages; seconds of wall and processor by side."""
        self.worker.batch_max = batch
        arrivals = self._arrivals(seed, messages)
        cluster = self.server._cluster
        marks = [(time.monotonic(), time.process_time(), server_cpu_s(cluster))]
        for at in range(0, len(arrivals), group):
            self.store.land(arrivals[at : at + group])
        marks.append((time.monotonic(), time.process_time(), server_cpu_s(cluster)))
        while self.worker.run_once():
            pass
        marks.append((time.monotonic(), time.process_time(), server_cpu_s(cluster)))
        count = len(arrivals)
        land, apply = ([b - a for a, b in zip(*marks[i : i + 2], strict=True)] for i in (0, 1))
        return {
            "land_per_s": count / land[0],
            "land_us": land[1] / count * 1e6,
            "land_pg_us": land[2] / count * 1e6,
            "apply_per_s": count / apply[0],
            "apply_us": apply[1] / count * 1e6,
            "apply_pg_us": apply[2] / count * 1e6,
            "all_us": (land[1] + land[2] + apply[1] + apply[2]) / count * 1e6,
        }

    def _arrivals(self, seed: int, count: int) -> list[Arrival]:
        house = Hospital(seed, patients=40, start=datetime.now(UTC), history_days=90)
        found: list[Arrival] = []
        namespace, now_us = self.store.guard.namespace, self.store.clock.now_us()
        for message in house.messages(days=0):
            if message.feed in self.feeds and len(found) < count:
                intake = Hl7Intake(self.feeds[message.feed], namespace)
                found.append(intake.arrival(message.body, peek(message.body), now_us + len(found)))
        return found

    def close(self) -> None:
        """Stops the server."""
        self.store.close()
        self.server.stop()


class Unprotected(PostgresStore):
    """The same code over the owner's connections."""

    def _as(self, owner: Any, role: Role) -> Any:
        return owner

    def _first_day(self, conn: Any) -> int:
        looked, protection.verify_protection = protection.verify_protection, lambda *_: None
        try:
            return super()._first_day(conn)
        finally:
            protection.verify_protection = looked


def bench_hot_path(report: Report, messages: int, rounds: int) -> None:
    """With and without, in turns."""
    with tempfile.TemporaryDirectory(prefix="clhot") as folder:
        contenders = {
            name: Contender(Path(folder) / name, protected=name == "with")
            for name in ("with", "without")
        }
        try:
            for group, batch in ((250, 500), (16, 50)):
                found: dict[str, list[dict[str, float]]] = {name: [] for name in contenders}
                for n in range(rounds):
                    order = list(contenders) if n % 2 else list(reversed(contenders))
                    for name in order:
                        found[name].append(
                            contenders[name].round(100 * batch + n, messages, group, batch)
                        )
                best = {name: _best(rows) for name, rows in found.items()}
                for name, row in best.items():
                    what = f"d {name}, landed by {group}, applied by {batch}"
                    report.row(what=what, **{k: round(v, 1) for k, v in row.items()})
                share = best["without"]["all_us"] / best["with"]["all_us"]
                report.row(what="d   share of throughput by CPU", share=round(share, 3))
        finally:
            for contender in contenders.values():
                contender.close()


def _best(rows: list[dict[str, float]]) -> dict[str, float]:
    return {k: (max if k.endswith("_s") else min)(r[k] for r in rows) for k in rows[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=6_000)
    parser.add_argument("--reads", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--parts", default="abcd")
    options = parser.parse_args()
    report = Report("protection", load_average=os.getloadavg()[0], messages=options.messages)
    if "a" in options.parts:
        policies, asked = Policies(builtin_texts()), questions(3_000)
        took = timed(policies._evaluate, asked)
        report.row(what="a decision", **{k: round(v, 1) for k, v in took.items()})
    if "b" in options.parts or "c" in options.parts:
        with hospital_up(options.messages) as (up, opened):
            persons = patients(opened)
            persons = bench_reads(report, up, opened, persons, options.reads)
            if "c" in options.parts:
                bench_pages(report, up, opened, persons, options.reads)
    if "d" in options.parts:
        bench_hot_path(report, options.messages, options.rounds)
    report.write()


if __name__ == "__main__":
    main()
