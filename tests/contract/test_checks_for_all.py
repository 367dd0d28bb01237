"""What is about the whole store asks for a grant for everyone; what is remembered, for a grant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.support.batches import apply, arrival, batch_of, everyone, until_over

from chartloom.domain.access import SignedIn, StoredSession
from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.store import ReplayScope
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.doors import PostgresSessions
from chartloom.engines.postgres.facts import PostgresFacts
from chartloom.engines.postgres.protection_rules import TABLES, Rule

#: Somebody who could be anybody: nothing to look for.
NOBODY: dict[str, Any] = {"resourceType": "Patient"}


@pytest.mark.parametrize("persons", [("p1",), ("p1", "p2"), ("site:identity",)], ids=str)
def test_only_a_grant_for_everyone_does_what_concerns_everyone(
    store: PostgresStore, persons: tuple[str, ...]
) -> None:
    store.land([arrival(1, "p1")])
    apply(store, batch_of(store.pending(everyone(store), store.claim("w", 64), 10)))
    calls: list[Callable[[Grant], Any]] = [
        lambda grant: store.retry(grant, ReplayScope()),
        store.rebuild,
        store.source_patients,
        store.digest,
        lambda grant: store.match(grant, NOBODY),
        lambda grant: store.erase(grant, []),
    ]
    before = store.digest(everyone(store))
    some = store.guard.mint("t", Purpose.OPERATIONS, persons)
    for call in calls:
        with pytest.raises(GrantRefused):
            call(some)
    assert store.digest(everyone(store)) == before
    for call in calls:
        call(everyone(store))


def test_nothing_is_erased_of_who_has_a_key(store: PostgresStore) -> None:
    store.land([arrival(1, "p1")])
    apply(store, batch_of(store.pending(everyone(store), store.claim("w", 64), 10)))
    before = store.digest(everyone(store))
    with pytest.raises(GrantRefused):
        store.erase(everyone(store), ["p1"])
    assert store.digest(everyone(store)) == before


def test_what_is_remembered_of_the_directory_is_told_under_a_grant(store: PostgresStore) -> None:
    facts = PostgresFacts(store)
    grant = store.guard.mint("t", Purpose.OPERATIONS, ("site:facts",), ttl_s=0.2)
    facts.directory(grant)
    until_over(store.guard, grant)
    with pytest.raises(GrantRefused):
        facts.directory(grant)


def test_a_session_that_ended_is_not_there_to_change_or_to_end(store: PostgresStore) -> None:
    sessions = PostgresSessions(store)
    grant = store.guard.mint("t", Purpose.OPERATIONS, ("site:sessions",))
    stored = StoredSession(b"k" * 32, SignedIn("ann", "oidc", {}, 1, 1 << 60, "c"), 1)
    assert sessions.change(grant, stored) is False
    assert sessions.end(grant, stored.key) is False
    sessions.put(grant, stored)
    assert sessions.change(grant, stored) is True
    assert sessions.end(grant, stored.key) is True
    assert sessions.end(grant, stored.key) is False


def test_a_table_of_nobody_has_no_policy_that_somebody_made(store: PostgresStore) -> None:
    name = next(n for n, t in TABLES.items() if t.rule is Rule.NOBODY)
    look = "SELECT count(*) FROM pg_policies WHERE tablename = %s"
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute(f"CREATE POLICY somebody ON {name} USING (true)".encode())
        store.migrate()
        assert conn.execute(look, (name,)).fetchone() == (0,)
