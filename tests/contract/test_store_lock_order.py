"""Locks are taken in one order; where two wait for each other all the same, one begins again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import psycopg
import pytest
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import Told, apply_all, land, person, persons, tell

from chartloom.domain.errors import StoreUnavailable
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.collisions import until_done
from chartloom.engines.postgres.queries_identity import ALONE

ANN = person("Ann", "Archer", "1961-03-04", "female", street="12 Elm St", phone="217-555-0101")


def shredded(store: PostgresStore, *patients: str) -> None:
    broker = store.guard.broker
    assert broker is not None
    for patient in patients:
        broker.shred(patient, "staff-1", "patient-request")


@contextmanager
def erasing(store: PostgresStore, patient: str) -> Iterator[Future[dict[str, int]]]:
    with ThreadPoolExecutor(1) as threads:
        yield threads.submit(store.erase, everyone(store), [patient])


def until_one_waits(store: PostgresStore) -> None:
    """Returns when somebody waits for a lock."""
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    until_s = monotonic() + 60
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        while conn.execute(query).fetchone() == (0,):
            assert monotonic() < until_s, "nobody waits"


def test_who_erases_waits_for_charts_before_the_lock_of_all_clusters(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", ANN, 2))
    shredded(store, "a")
    with psycopg.connect(store.dsn) as batch:  # as one that has written the chart, and goes on
        batch.execute("UPDATE resource SET revision = revision WHERE source_patient = 'a'")
        with erasing(store, "a") as done:
            until_one_waits(store)
            batch.execute("SET LOCAL lock_timeout = '20s'")
            batch.execute(ALONE.encode())
            batch.commit()
            assert done.result(60)["resource"] == 1
    assert persons(store, ["b"]) == {"b": "b"}


def test_who_erases_begins_again_when_two_wait_for_each_other(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", ANN, 2))
    shredded(store, "a")
    with psycopg.connect(store.dsn) as other:  # takes them the wrong way round
        other.execute("SET deadlock_timeout = '1h'")
        other.execute(ALONE.encode())
        with erasing(store, "a") as done:
            until_one_waits(store)
            other.execute("UPDATE resource SET revision = revision WHERE source_patient = 'a'")
            other.commit()
            assert done.result(60)["resource"] == 1
    with psycopg.connect(store.dsn) as conn:
        left = conn.execute("SELECT source_patient FROM match_record").fetchall()
    assert left == [("b",)]


def test_batches_and_erasures_of_the_same_persons_at_the_same_time_all_end(
    store_factory: StoreFactory,
) -> None:
    store = store_factory()
    ids = [f"p{n}" for n in range(12)]
    tell(store, *(Told(p, ANN, n + 1) for n, p in enumerate(ids)))
    shredded(store, *ids[:6])
    words = [Told(p, {}, 100 + n, (("unlink", p, "p11", ""),)) for n, p in enumerate(ids[6:11])]
    land(store, [*(Told(p, ANN, 50 + n) for n, p in enumerate(ids)), *words])
    with ThreadPoolExecutor(2) as threads:
        jobs = [threads.submit(store.erase, everyone(store), [p]) for p in ids[:6]]
        apply_all(store, store_factory.second(store), batch_max=2)
        assert all(job.result(120) for job in jobs)
    with psycopg.connect(store.dsn) as conn:
        left = conn.execute("SELECT source_patient FROM match_record ORDER BY 1").fetchall()
        lost = conn.execute(
            "SELECT count(*) FROM match_key k WHERE NOT EXISTS ("
            " SELECT FROM match_record m WHERE m.number = k.number)"
        ).fetchone()
    assert [p for (p,) in left] == sorted(ids[6:])
    assert lost == (0,)


def test_others_that_keep_getting_in_the_way_are_told_of() -> None:
    tried = []

    def act() -> None:
        tried.append(1)
        raise psycopg.errors.DeadlockDetected

    with pytest.raises(StoreUnavailable):
        until_done(act)
    assert len(tried) > 3
