"""What was told once is stored once: states without a body, relations that are said again."""

from __future__ import annotations

import hashlib
import importlib.resources
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from tests.support.derive import FEED, MAPPING, PID, text
from tests.support.patience import PATIENCE_S

from chartloom.domain.errors import LaneLost, StoreDamaged
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.message import Arrival
from chartloom.domain.resource import ResourceState
from chartloom.engines.postgres import PostgresStore
from chartloom.hot import Worker

STAY = (
    "PV1|1|I|3W^301^A^HOSP||||1234^Smith^Jo^^^^^^NPI||||||||||||V1^^^HOSP"
    + "|" * 25
    + "20240105100000"
)
MOVED = STAY.replace("3W^301^A^HOSP", "4W^401^B^HOSP")
LAB = (
    "OBR|1||F1|LAB1^Panel^L|||20240105",
    "OBX|1|NM|718-7^Hemoglobin^LN||13.20|g/dL",
    "OBX|2|NM|4544-3^Hematocrit^LN||40|%",
)
SECRET = "OBX|3|CE|56888-1^HIV Ag+Ab^LN||N^Negative^L"


def grant(store: PostgresStore) -> Grant:
    return store.guard.mint("t", Purpose.TREATMENT, EVERYONE, ("*",))


def hear(store: PostgresStore, *bodies: bytes, batch_max: int = 500) -> None:
    store.land(
        [
            Arrival(FEED.name, body, 1_704_450_000_000_000 + n, hashlib.sha256(body).digest())
            for n, body in enumerate(bodies)
        ]
    )
    source = lambda: grant(store)  # noqa: E731
    feeds = {FEED.name: (FEED, MAPPING)}
    worker = Worker(store, feeds, store.guard.namespace, store.clock, source, "w", 64, batch_max)
    with suppress(LaneLost):
        while worker.run_once():
            pass


def rows(store: PostgresStore, query: str) -> list[tuple[Any, ...]]:
    with store._admin.use() as conn:
        return conn.execute(query.encode()).fetchall()


def results(store: PostgresStore) -> dict[str, ResourceState]:
    ids = [r[0] for r in rows(store, "SELECT id FROM resource WHERE type = 'Observation'")]
    return store.states(grant(store), ids)


def test_a_state_of_one_message_has_no_body_and_reads_the_same(store: PostgresStore) -> None:
    hear(store, text("ORU^R01", PID, *LAB))
    bodies = rows(store, "SELECT octet_length(body) FROM resource WHERE type = 'Observation'")
    assert bodies == [(0,), (0,)]
    found = results(store)
    assert sorted(str(s.resource["valueQuantity"]["value"]) for s in found.values()) == [
        "13.20",
        "40",
    ]
    patient = next(iter(found.values())).source_patient
    paged = store.timeline(grant(store), [patient], limit=50)
    assert {p.state.id: p.state for p in paged if p.state.id in found} == found


def test_told_again_the_state_has_a_body_and_says_the_same_as_when_heard_together(
    store_factory: Any,
) -> None:
    first, again = text("ORU^R01", PID, *LAB), text("ORU^R01", PID, "ORC|RE", *LAB)
    apart, together = store_factory(), store_factory()
    hear(apart, first, batch_max=1)
    hear(apart, again, batch_max=1)
    hear(together, first, again)
    lengths = rows(apart, "SELECT octet_length(body) FROM resource WHERE type = 'Observation'")
    assert all(length > 0 for (length,) in lengths)
    said, heard = results(apart).values(), results(together).values()
    values = sorted(str(s.resource["valueQuantity"]["value"]) for s in said)
    assert values == sorted(str(s.resource["valueQuantity"]["value"]) for s in heard)


def test_what_stands_in_another_compartment_than_its_message_has_a_body(
    store: PostgresStore,
) -> None:
    hear(store, text("ORU^R01", PID, *LAB, SECRET))
    query = "SELECT labels <> 0, octet_length(body) = 0 FROM resource WHERE type = 'Observation'"
    # The bundle has the label of the one: the others could not be read without it.
    assert sorted(rows(store, query)) == [(False, False), (False, False), (True, True)]
    assert len(results(store)) == 3


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM bundle",
        "UPDATE bundle SET position = position + 1",
        "UPDATE bundle SET body = set_byte(body, 40, get_byte(body, 40) # 1)",
        "UPDATE resource SET version = version + 1",
        "UPDATE resource SET id = 'another' WHERE type = 'Observation'",
    ],
)
def test_a_bundle_that_is_not_the_one_is_noticed(store: PostgresStore, damage: str) -> None:
    hear(store, text("ORU^R01", PID, LAB[0], LAB[1]))
    with store._admin.use() as conn:
        conn.execute(damage.encode())
    with pytest.raises(StoreDamaged):
        results(store)


def test_relations_that_are_said_again_stay_as_rows(store: PostgresStore) -> None:
    query = "SELECT who, xmin::text FROM care ORDER BY who"
    hear(store, text("ADT^A01", PID, STAY))
    before = dict(rows(store, query))
    hear(store, text("ADT^A02", PID, MOVED))
    after = dict(rows(store, query))
    assert before.items() <= after.items()  # not even written again
    assert len(after) > len(before)


def test_relations_that_are_said_no_more_go(store: PostgresStore) -> None:
    hear(store, text("ADT^A01", PID, STAY))
    assert rows(store, "SELECT count(*) FROM care")[0][0] > 0
    hear(store, text("ADT^A11", PID, STAY))
    assert rows(store, "SELECT count(*) FROM care") == [(0,)]


def test_an_upgrade_waits_for_a_batch_in_flight_before_it_empties_anything(
    store: PostgresStore,
) -> None:
    """A batch locks its lanes first; who takes tables before lanes waits for it in a circle."""
    hear(store, text("ORU^R01", PID, *LAB))
    folder = importlib.resources.files("chartloom.engines.postgres").joinpath("sql")
    migration = folder.joinpath("0013_told_once.sql").read_text()
    upgrade = migration[migration.index("DO $$") :].encode()

    def run() -> None:
        with psycopg.connect(store.dsn, options="-c lock_timeout=60000") as conn:
            conn.execute(upgrade)

    waits = b"SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DO $$%'"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(store.dsn) as batch:
        batch.execute("SELECT FROM lane FOR UPDATE")
        done = pool.submit(run)
        deadline_s = time.monotonic() + PATIENCE_S
        with psycopg.connect(store.dsn, autocommit=True) as watch:
            while watch.execute(waits).fetchone() is None:
                assert time.monotonic() < deadline_s
                time.sleep(0.01)
        batch.execute("SET LOCAL lock_timeout = 2000")
        batch.execute("LOCK TABLE outcome IN ROW EXCLUSIVE MODE")  # as the batch goes on
        assert not done.done()
        batch.commit()
        done.result(PATIENCE_S)
    assert results(store) == {}
    assert rows(store, "SELECT max(cursor) FROM lane") == [(0,)]
