"""Functions of the store that the console calls without naming a claim: they go by that of the
transaction, also for a superuser, whom no missing privilege and no row-level security keeps out."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors
from tests.support.batches import apply, arrival, batch_of, everyone

from chartloom.domain.grant import Purpose
from chartloom.engines.postgres import PostgresStore, access

NOBODY: tuple[str, ...] = ()


@pytest.fixture
def superuser(store: PostgresStore) -> Iterator[psycopg.Connection]:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        yield conn


def ask(
    conn: psycopg.Connection, store: PostgresStore, persons: tuple[str, ...], query: str
) -> object:
    """The answer under a grant for these persons; without any, if there are none."""
    with conn.transaction():
        if persons:
            grant = store.guard.mint("t", Purpose.OPERATIONS, persons)
            conn.execute(access.BEGIN_ACCESS, access.claim(store.guard, grant))
        row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None


def test_whether_charts_are_made_anew_is_told_under_a_grant_only(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    store.land([arrival(n, f"p{n}") for n in range(1, 4)])
    lanes = store.claim("w", 64)
    apply(store, batch_of(store.pending(everyone(store), lanes, 10)))
    store.rebuild(everyone(store))
    assert ask(superuser, store, ("p1",), "SELECT made_anew()") is True
    assert ask(superuser, store, NOBODY, "SELECT made_anew()") is False


def test_how_many_records_there_are_is_told_to_whoever_works_on_them(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    query = """INSERT INTO match_record (source_patient, position, digest, body, keys)
        SELECT 'p' || n, n, '', '', '{}' FROM generate_series(1, 5) n"""
    superuser.execute(query)
    for persons, told in (
        (("*",), 5), (("site:identity",), 5), (("p1", "site:identity"), 5),
        (NOBODY, 0), (("p1",), 0), (("p1", "p2"), 0), (("site:shreddings",), 0),
    ):  # fmt: skip
        assert ask(superuser, store, persons, "SELECT identity_records()") == told


def test_stops_are_forgotten_for_whoever_may_retry_for_everyone(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    superuser.execute("INSERT INTO overlay_stop VALUES (7, 'p1')")
    forget = "SELECT overlays_forget('{7}')"
    for persons in (NOBODY, ("p1",), ("p1", "p2")):
        with pytest.raises(errors.InvalidAuthorizationSpecification):
            ask(superuser, store, persons, forget)
        assert superuser.execute("SELECT count(*) FROM overlay_stop").fetchone() == (1,)
    ask(superuser, store, ("*",), forget)
    assert superuser.execute("SELECT count(*) FROM overlay_stop").fetchone() == (0,)
