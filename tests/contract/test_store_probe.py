"""The store says whether it can take something new; a read that works is not enough."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql
from tests.support.batches import arrival
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import StoreUnavailable
from chartloom.engines.postgres import PostgresStore, has_store


def set_for_database(store: PostgresStore, name: str, value: str) -> None:
    database = psycopg.conninfo.conninfo_to_dict(store.dsn)["dbname"]
    statement = sql.SQL("ALTER DATABASE {} SET {} = {}").format(
        sql.Identifier(str(database)), sql.Identifier(name), sql.Literal(value)
    )
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute("SET default_transaction_read_only = off")
        try:
            conn.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            pytest.skip("the given server does not let this role set that")


def test_a_store_in_order_is_writable_and_the_probe_leaves_nothing(store: PostgresStore) -> None:
    before = store.sizes()
    for _ in range(3):
        store.check_writable()
    assert store.sizes() == before


@pytest.mark.parametrize(
    ("name", "value"), [("temp_file_limit", "64kB"), ("default_transaction_read_only", "on")]
)
def test_a_store_without_space_or_right_to_write_is_not_ready(
    store_factory: StoreFactory, name: str, value: str
) -> None:
    """No space: the server's own limit of what may be spilled stands in for a full disk; it fails
    at the same place with an error of the same class (53)."""
    one = store_factory()
    one.land([arrival(1)])
    set_for_database(one, name, value)
    other = store_factory.second(one)
    with pytest.raises(StoreUnavailable):
        other.check_writable()


def test_whether_there_is_a_store_is_asked_without_keys(store_factory: StoreFactory) -> None:
    store = store_factory()
    assert has_store(store.dsn)
    assert not has_store(psycopg.conninfo.make_conninfo(store.dsn, dbname="postgres"))
