"""Everything is emptied while people read: they go on, and it waits for its turn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.support.batches import everyone

from chartloom.domain.errors import StoreUnavailable
from chartloom.engines.postgres import PostgresStore, collisions

_WAITS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@pytest.mark.parametrize(("first", "then"), [("care", "person"), ("person", "care")])
def test_a_reader_goes_on_in_whatever_order_it_reads(
    store: PostgresStore, first: str, then: str
) -> None:
    with (
        psycopg.connect(store.dsn) as reader,
        psycopg.connect(store.dsn, autocommit=True) as watch,
        ThreadPoolExecutor(1) as other,
    ):
        reader.execute(f"SELECT FROM {first} LIMIT 0")  # holds it until the transaction is over
        rebuilt = other.submit(store.rebuild, everyone(store))
        while not watch.execute(_WAITS).fetchall()[0][0]:
            assert not rebuilt.done()
        reader.execute(f"SELECT FROM {then} LIMIT 0")
        reader.commit()
        assert rebuilt.result() == 0


def test_somebody_who_reads_for_long_is_said(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collisions, "_GIVING_WAY_MAX", 2)
    with psycopg.connect(store.dsn) as reader:
        reader.execute("SELECT FROM view LIMIT 0")
        with pytest.raises(StoreUnavailable, match="something long is reading"):
            store.rebuild(everyone(store))
    assert store.rebuild(everyone(store)) == 0
