"""Statements that are sent ahead of others, and keys that come along with what is read."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, pq
from tests.support.batches import everyone
from tests.support.told_patients import Told, person, persons, tell

from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.calls import BEGIN, COMMIT, Prepared, Statement, int4, rolled_back
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.subject_keys import PostgresSubjectKeys

PUT = Statement("t_put", "INSERT INTO t_sent VALUES ($1)", ("int4",))
READ = Statement("t_read", "SELECT n FROM t_sent ORDER BY n")


@pytest.fixture
def conn(store: PostgresStore) -> Iterator[Connection]:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute("CREATE TEMP TABLE t_sent (n integer PRIMARY KEY)")
        yield conn


def kept(conn: Connection) -> list[int]:
    return [n for (n,) in conn.execute("SELECT n FROM t_sent ORDER BY n").fetchall()]


def test_what_is_sent_ahead_comes_before_the_rest_and_answers_with_it(conn: Connection) -> None:
    calls = Prepared()
    calls.ahead(conn, [(BEGIN, ()), (PUT, (int4(1),))], (READ,))
    calls.ahead(conn, [(PUT, (int4(2),))])
    results = calls.run(conn, [(READ, ())])
    assert [r.status for r in results[:-1]] == [pq.ExecStatus.COMMAND_OK] * 3
    assert results[-1].ntuples == 2
    calls.run(conn, [(COMMIT, ())])
    assert kept(conn) == [1, 2]


def test_of_what_was_sent_ahead_nothing_stays_if_the_rest_is_never_sent(conn: Connection) -> None:
    calls = Prepared()
    calls.ahead(conn, [(BEGIN, ()), (PUT, (int4(1),))])
    rolled_back(conn)
    assert conn.pgconn.transaction_status == pq.TransactionStatus.IDLE
    assert kept(conn) == []


def test_an_error_of_what_was_sent_ahead_is_raised_and_ends_the_transaction(
    conn: Connection,
) -> None:
    calls = Prepared()
    calls.ahead(conn, [(BEGIN, ()), (PUT, (int4(1),)), (PUT, (int4(1),))], (READ,))
    with pytest.raises(errors.UniqueViolation):
        calls.run(conn, [(READ, ())])
    assert conn.pgconn.transaction_status == pq.TransactionStatus.IDLE
    assert kept(conn) == []


ANN = person("Ann", "Archer", "1961-03-04", "female", street="12 Elm St", phone="217-555-0101")


def test_keys_of_candidates_come_along_with_them(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(store, Told("a", ANN, 1))
    broker = store.guard.broker
    assert broker is not None
    broker.clear()
    asked: list[str] = []
    get = PostgresSubjectKeys.get
    monkeypatch.setattr(
        PostgresSubjectKeys, "get", lambda self, some: asked.extend(some) or get(self, some)
    )
    tell(store, Told("b", ANN, 2))
    assert persons(store, ["a", "b"]) == {"a": "a", "b": "a"}
    assert "a" not in asked


def test_whose_key_was_destroyed_is_nobodys_candidate(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1))
    broker = store.guard.broker
    assert broker is not None
    broker.shred("a", "staff-1", "patient-request")
    tell(store, Told("b", ANN, 2))
    assert persons(store, ["b"]) == {"b": "b"}
    assert store.decisions_of(everyone(store), ["b"]) == []
