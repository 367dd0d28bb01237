"""``AuditLog`` and ``UsedTokens`` in the store: one chain, durable, unchangeable."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.support.audit_examples import context, every_kind
from tests.support.clock import FakeClock
from tests.support.memory_audit import MemoryAudit
from tests.support.postgres import StoreFactory

from chartloom.domain.audit import GENESIS, AuditEntry, AuditUnavailable, LogEnd, LoggedEvent
from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Purpose
from chartloom.domain.ports import AuditLog
from chartloom.engines.postgres import PostgresStore, protection
from chartloom.engines.postgres.audit_log import _SETTINGS, PostgresAuditLog
from chartloom.engines.postgres.connect import Connector
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.used_tokens import PostgresUsedTokens
from chartloom.guard.audit import (
    HeadFile,
    HeadKeeper,
    Recorder,
    chain,
    entry,
    events,
    read_events,
    stream,
    verify,
)
from chartloom.guard.keyfiles import load_or_create

NOW_US = 1_780_000_000_000_000


@pytest.fixture
def log(store: PostgresStore) -> Iterator[PostgresAuditLog]:
    found = PostgresAuditLog(Connector(store.dsn), store.guard)
    yield found
    found.close()


@pytest.fixture(params=["memory", "postgres"])
def any_log(request: pytest.FixtureRequest) -> AuditLog:
    if request.param == "memory":
        return MemoryAudit()
    found: AuditLog = request.getfixturevalue("log")
    return found


def read(n: int) -> dict[str, object]:
    return events.patient_read(context(at_us=NOW_US + n), "p1", count=n)


def test_an_empty_log(any_log: AuditLog) -> None:
    assert any_log.end() == LogEnd(0, GENESIS, 0)
    assert any_log.read(0, 10) == []


def test_events_of_every_kind_are_chained(any_log: AuditLog) -> None:
    entries = [entry(e) for e in every_kind().values()]
    any_log.append(entries[:3])
    end = any_log.append(entries[3:])
    expected = chain(0, GENESIS, entries)
    assert any_log.read(0, 1_000) == expected
    assert any_log.end() == end == LogEnd(len(entries), expected[-1].hash, expected[-1].at_us)


def test_pages(any_log: AuditLog) -> None:
    any_log.append([entry(read(n)) for n in range(10)])
    assert [e.seq for e in any_log.read(3, 4)] == [4, 5, 6, 7]
    assert [e.seq for e in any_log.read(8, 4)] == [9, 10]
    assert any_log.append([]) == any_log.end()


def test_many_threads_and_logs_make_one_chain(store: PostgresStore) -> None:
    logs = [PostgresAuditLog(Connector(store.dsn), store.guard) for _ in range(3)]
    recorders = [Recorder(log) for log in logs]

    def work(n: int) -> None:
        for i in range(20):
            recorders[n % 3].record(read(n * 100 + i), read(n * 100 + i + 50))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    for recorder in recorders:
        recorder.close()
    found = logs[0].read(0, 1_000)
    assert len(found) == 6 * 20 * 2
    assert {e.body for e in found} == {
        entry(read(n * 100 + i + d)).body for n in range(6) for i in range(20) for d in (0, 50)
    }
    _sound(logs[0])
    for log in logs:
        log.close()


def _sound(log: PostgresAuditLog) -> None:
    """No edit, gap or fork in the chain."""
    logged = list(stream(log))
    assert logged == chain(0, GENESIS, [AuditEntry(e.at_us, e.body) for e in logged])


_APPENDER = """
import sys
from pathlib import Path
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.connect import Connector
from chartloom.guard import Guard
from chartloom.guard.audit import Actor, Context, Recorder, events
dsn, keys, name, count = sys.argv[1:]
recorder = Recorder(PostgresAuditLog(Connector(dsn), Guard.open(Path(keys))))
for i in range(int(count)):
    about = Context(1_780_000_000_000_000 + i, Actor(name))
    recorder.record(events.patient_read(about, "p1", count=i))
    print(i, flush=True)
recorder.close()
"""


def _spawn(
    store: PostgresStore, keys: Path, name: str, count: int, out: Path
) -> subprocess.Popen[bytes]:
    with out.open("wb") as f:
        return subprocess.Popen(
            [sys.executable, "-c", _APPENDER, store.dsn, str(keys), name, str(count)],
            stdout=f,
            env=os.environ,
        )


def _keys(store_factory: StoreFactory, store: PostgresStore) -> Path:
    name = psycopg.conninfo.conninfo_to_dict(store.dsn)["dbname"]
    folder = store_factory.folder / f"keys-{name}"
    assert folder.is_dir()
    return folder


def test_three_processes_make_one_chain_and_killed_ones_lose_nothing_acknowledged(
    store_factory: StoreFactory, tmp_path: Path
) -> None:
    """Two are killed in the middle; what they were told is durable is in the log, once."""
    store = store_factory()
    keys = _keys(store_factory, store)
    outs = {f"actor-{n}": tmp_path / f"out-{n}" for n in range(3)}
    lasting = {"actor-0": 60, "actor-1": 100_000, "actor-2": 100_000}
    children = {n: _spawn(store, keys, n, lasting[n], out) for n, out in outs.items()}
    waited = threading.Event()
    for _ in range(600):
        if all(len(out.read_bytes().splitlines()) >= 20 for out in outs.values()):
            break
        waited.wait(0.1)
    for name in ("actor-1", "actor-2"):
        children[name].kill()
        children[name].wait()
    assert children["actor-0"].wait(60) == 0
    log = PostgresAuditLog(Connector(store.dsn), store.guard)
    _sound(log)
    counts: dict[str, list[int]] = {n: [] for n in outs}
    for seen in read_events(stream(log)):
        counts[seen.actor].append(int(seen.details["count"]))
    for name, out in outs.items():
        told = [int(line) for line in out.read_bytes().splitlines() if line.isdigit()]
        assert len(told) >= 20
        assert counts[name] == list(range(len(counts[name])))  # each once, in order
        # At most the one that was on its way may be in the log without having been told.
        assert len(told) <= len(counts[name]) <= len(told) + 1
    log.close()


def test_heads_over_the_stored_log_find_what_an_administrator_changes(
    store_factory: StoreFactory, tmp_path: Path
) -> None:
    store = store_factory()
    keys = load_or_create(_keys(store_factory, store))
    secret = Ed25519PrivateKey.from_private_bytes(keys.audit)
    log = PostgresAuditLog(Connector(store.dsn), store.guard)
    file = HeadFile(tmp_path / "heads.ndjson")
    keeper = HeadKeeper(log, file, secret, FakeClock(NOW_US + 10_000_000))
    log.append([entry(read(n)) for n in range(20)])
    keeper.sign()
    assert verify(stream(log), file.heads(), secret.public_key()).sound
    changes = {
        "UPDATE audit_event SET body = replace(encode(body, 'escape'), 'p1', 'p2')::bytea"
        " WHERE seq = 7": {"audit-edited"},
        "DELETE FROM audit_event WHERE seq = 7": {"audit-sequence", "audit-chain-broken"},
        "DELETE FROM audit_event WHERE seq > 15": {"audit-truncated"},
    }
    with psycopg.connect(store.dsn) as conn:
        for change, codes in changes.items():
            conn.execute("SAVEPOINT before")
            conn.execute(change.encode())
            rows = conn.execute(
                "SELECT seq, at_us, previous, hash, body FROM audit_event ORDER BY seq"
            ).fetchall()
            logged = [LoggedEvent(*row) for row in rows]
            found = verify(logged, file.heads(), secret.public_key())
            assert codes <= {i.code for i in found.findings}, change
            conn.execute("ROLLBACK TO before")
        conn.rollback()
    log.close()


def test_roles_can_append_and_nothing_else(store: PostgresStore, log: PostgresAuditLog) -> None:
    log.append([entry(read(1))])
    for role in Role:
        user = protection.role_name(store.guard, role)
        connector = Connector(store.dsn).as_role(
            user, protection.password(store.guard, role), lambda: None
        )
        with connector.open("test", {}) as conn:
            for statement in (
                "SELECT * FROM audit_event",
                "UPDATE audit_event SET at_us = 0",
                "DELETE FROM audit_event",
                "TRUNCATE audit_event",
                "INSERT INTO audit_event VALUES (9, 9, '', '', '')",
                "UPDATE audit_end SET size = 0",
                "ALTER TABLE audit_event DISABLE TRIGGER ALL",
                "SELECT * FROM subject_key",
                "DELETE FROM subject_key",
            ):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute(statement.encode())
        own = PostgresAuditLog(connector, store.guard)
        own.append([entry(read(2))])
        own.close()
    assert log.end().size == 1 + len(Role)


def test_only_a_grant_for_operations_reads_the_log(
    store: PostgresStore, log: PostgresAuditLog
) -> None:
    log.append([entry(read(1))])
    guard = store.guard
    assert len(log.under(guard.mint("auditor", Purpose.OPERATIONS)).read(0, 10)) == 1
    refused = [
        guard.mint("dr", Purpose.TREATMENT),
        guard.mint("dr", Purpose.BREAK_GLASS),
        guard.mint("analyst", Purpose.RESEARCH),
        guard.mint("dr", Purpose.OPERATIONS, persons=("p1",)),
    ]
    for grant in refused:
        with pytest.raises(GrantRefused):
            log.under(grant).read(0, 10)
        with pytest.raises(GrantRefused):
            log.under(grant).end()


def test_a_log_that_cannot_be_reached_or_is_held_up_says_so(
    store: PostgresStore, log: PostgresAuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(_SETTINGS, "lock_timeout", "500")
    gone = PostgresAuditLog(Connector("host=/nonexistent dbname=x user=x", 0.1), store.guard)
    with pytest.raises(AuditUnavailable):
        gone.append([entry(read(1))])
    with psycopg.connect(store.dsn) as conn:
        conn.execute("SELECT * FROM audit_end FOR UPDATE")
        with pytest.raises(AuditUnavailable):
            log.append([entry(read(1))])
        conn.rollback()
    assert log.append([entry(read(1))]).size == 1


def test_a_token_is_used_once_by_whoever_comes_first(store: PostgresStore) -> None:
    clock = FakeClock()
    used = [PostgresUsedTokens(Connector(store.dsn), store.guard, clock) for _ in range(4)]
    until_us = clock.now_us() + 60_000_000
    with ThreadPoolExecutor(4) as pool:
        firsts = list(pool.map(lambda u: u.first_use("issuer", "token", until_us), used))
    assert sorted(firsts) == [False, False, False, True]
    assert used[0].first_use("issuer", "other", until_us)
    assert used[0].first_use("issuertok", "en", until_us)
    assert used[0].first_use("", "issuertoken", until_us)
    for u in used:
        u.close()


def test_used_tokens_are_forgotten_when_they_are_over(store: PostgresStore) -> None:
    clock = FakeClock()
    used = PostgresUsedTokens(Connector(store.dsn), store.guard, clock)
    for n in range(5):
        assert used.first_use("issuer", f"token-{n}", clock.now_us() + 60_000_000)
    clock.time_us += 3_600_000_000
    assert used.first_use("issuer", "late", clock.now_us() + 60_000_000)
    with psycopg.connect(store.dsn) as conn:
        assert conn.execute("SELECT count(*) FROM used_token").fetchone() == (1,)
    used.close()
