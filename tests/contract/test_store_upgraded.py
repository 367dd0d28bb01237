"""A store that an earlier release filled: what it derived is derived again by the rules of now."""

from __future__ import annotations

import psycopg
from tests.contract.test_store_held import EARLY, LATE, Log, consent

from chartloom.engines.postgres import PostgresStore


def _as_before(store: PostgresStore) -> None:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute("DELETE FROM schema_version WHERE version = 50")


def _waiting(store: PostgresStore) -> int:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        return int(conn.execute("SELECT count(*) FROM landing l JOIN lane n USING (lane) "
                                "WHERE l.position > n.cursor").fetchall()[0][0])  # fmt: skip


def test_everything_is_derived_again_and_what_was_withheld_holds_meanwhile(
    store: PostgresStore,
) -> None:
    log = Log(store)
    log.hear(*EARLY, *LATE, consent())
    before = store.digest(log.all)
    _as_before(store)
    store.migrate()
    assert _waiting(store) == len(EARLY) + len(LATE) + 1
    assert {"held_consent", "held_person"} <= set(log.held())
    log.apply()
    assert _waiting(store) == 0
    assert store.digest(log.all) == before


def test_an_empty_store_has_nothing_to_derive(store: PostgresStore) -> None:
    _as_before(store)
    store.migrate()
    assert Log(store).held() == []
