"""A record that does not open is nobody's candidate, but what was decided about it stands."""

from __future__ import annotations

import psycopg
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import Told, person, persons, tell

ANN = ("Ann", "Archer", "1961-03-04", "female")
DAMAGE = "UPDATE match_record SET body = set_byte(body, 20, 255 - get_byte(body, 20))"
TOLD = "SELECT coalesce(sum(count), 0) FROM issue_day WHERE code = 'identity-unread'"


def test_a_record_that_does_not_open_loses_no_link(store_factory: StoreFactory) -> None:
    store = store_factory()
    phone = {"phone": "217-555-0101"}
    tell(store, Told("a", person(*ANN, **phone), 1), Told("b", person(*ANN, **phone), 2))
    assert persons(store, "ab") == {"a": "a", "b": "a"}
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        assert conn.execute(f"{DAMAGE} WHERE source_patient = 'b'").rowcount == 1
        tell(store, Told("a", person(*ANN, street="5 Bay St", **phone), 3))
        assert persons(store, "ab") == {"a": "a", "b": "a"}
        (kept,) = store.decisions_of(everyone(store), ["a"])
        assert (kept.pair, kept.outcome) == (("a", "b"), "link")
        assert conn.execute(TOLD).fetchone() == (1,)
    # As soon as it is written again, all is decided anew.
    tell(store, Told("b", person("Tom", "Bower", "1990-07-08", "male"), 4))
    assert persons(store, "ab") == {"a": "a", "b": "b"}
    store.close()
