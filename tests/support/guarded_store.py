"""A store with rows in every table, and looks at it from beside the ports."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient

from chartloom.domain.grant import Grant
from chartloom.domain.issues import Issue
from chartloom.domain.resource import Contribution, LinkEvent, LinkKind, PatientIdentifier
from chartloom.domain.store import ReplayScope
from chartloom.engines.postgres import PostgresStore, access
from chartloom.engines.postgres.protection_rules import Role

ROLES = list(Role)


@pytest.fixture
def filled(store: PostgresStore) -> PostgresStore:
    """Rows in every table that the hot path writes: p1 and p2 applied, p3 waits, one in retry."""
    store.land([arrival(i, f"p{1 + i % 2}") for i in range(6)])
    messages = store.pending(everyone(store), store.claim("w", 64), 100)
    outcomes = [
        derived(
            m,
            patient(m.source_patient, m.source_patient),
            Contribution({"resourceType": "Practitioner", "id": "dr"}, "", directory=True),
            identifiers=[PatientIdentifier(m.source_patient, "family", "", m.source_patient)],
            links=[LinkEvent(LinkKind.LINK, "p1", "p2", "A24")] if n == 0 else [],
            issues=[Issue("code", "PID-3")],
            quarantine="why" if n == 5 else "",
        )
        for n, m in enumerate(messages)
    ]
    apply(store, batch_of(messages, outcomes))
    store.save_project_version("abc", {"a": b"b"})
    store.add_outbox_consumer("lake")
    assert store.retry(everyone(store), ReplayScope()) == 1
    store.land([arrival(9, "p3")])
    return store


@pytest.fixture
def owner(filled: PostgresStore) -> Iterator[psycopg.Connection]:
    with psycopg.connect(filled.dsn, autocommit=True) as conn:
        yield conn


def tables(conn: psycopg.Connection) -> list[str]:
    """All that holds rows: tables, partitions, views of any kind."""
    query = """SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relnamespace = 'public'::regnamespace ORDER BY relname"""
    return [row[0] for row in conn.execute(query).fetchall()]


def count(conn: psycopg.Connection, table: str) -> int | None:
    """How many rows are seen, None if none may be looked at."""
    try:
        row = conn.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        ).fetchone()
    except errors.InsufficientPrivilege:
        return None
    return row[0] if row else None


def seen(conn: psycopg.Connection, names: list[str]) -> dict[str, int]:
    """Tables of which something is seen."""
    return {t: n for t in names if (n := count(conn, t))}


def begin(conn: psycopg.Connection, store: PostgresStore, grant: Grant) -> None:
    conn.execute("BEGIN")
    conn.execute(access.BEGIN_ACCESS, access.claim(store.guard, grant))
