"""A mistake of ours or a missing right is nobody's message: the worker stops, nothing is lost."""

from __future__ import annotations

import threading

import psycopg
import pytest
from tests.support.hl7_examples import adt
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import ConfigurationError, StoreDefect, StoreUnavailable
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.message import Arrival, Format, MessageState
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.protection import role_name
from chartloom.engines.postgres.protection_rules import Role
from chartloom.formats.hl7v2 import peek
from chartloom.hot import Worker
from chartloom.normalize import load_mapping
from chartloom.sources.intake import Hl7Intake

ADT = Feed("adt", "it", "it", "mllp", Format.HL7V2)


class Site:
    """A store and its worker."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        mapping = load_mapping("hl7v2")
        store.save_project_version(mapping.fingerprint, mapping.files)
        self.intake = Hl7Intake(ADT, store.guard.namespace)
        self.worker = Worker(
            store,
            {"adt": (ADT, mapping)},
            store.guard.namespace,
            store.clock,
            self.grant,
            "w1",
            64,
        )

    def grant(self) -> Grant:
        return self.store.guard.mint("tests", Purpose.OPERATIONS)

    def arrivals(self, *numbers: int) -> list[Arrival]:
        bodies = [adt("A08", f"M{n}", "20240101080000", number=str(n)) for n in numbers]
        now_us = self.store.clock.now_us()
        return [self.intake.arrival(body, peek(body), now_us) for body in bodies]

    def apply(self) -> int:
        done = 0
        while n := self.worker.run_once():
            done += n
        return done


def landed(store: PostgresStore, first: int, count: int = 5) -> Site:
    site = Site(store)
    store.land(site.arrivals(*range(first, first + count)))
    return site


def admin(store: PostgresStore, statement: str) -> None:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute(statement.encode())


def none_quarantined(site: Site) -> None:
    grant = site.grant()
    assert site.store.search(grant, MessageFilter(state=MessageState.QUARANTINED)) == []


@pytest.mark.parametrize(
    ("wrong", "right", "code"),
    [
        (
            "ALTER TABLE bundle RENAME TO bundle_gone",
            "ALTER TABLE bundle_gone RENAME TO bundle",
            "42P01",
        ),
        (
            "ALTER TABLE resource RENAME body TO body_gone",
            "ALTER TABLE resource RENAME body_gone TO body",
            "42703",
        ),
    ],
)
def test_a_wrong_schema_stops_the_worker_and_quarantines_nothing(
    store_factory: StoreFactory, wrong: str, right: str, code: str
) -> None:
    store = store_factory()
    site = landed(store, 1)
    site.apply()
    site.store.land(site.arrivals(*range(100, 105)))
    admin(store, wrong)
    with pytest.raises(StoreDefect) as caught:
        site.worker.run(threading.Event())
    assert caught.value.code == code
    for _ in range(4):  # as often as a supervisor starts it again
        site.worker.store = store_factory.second(store)
        with pytest.raises((StoreDefect, ConfigurationError)):
            site.worker.run(threading.Event())
    admin(store, right)
    site.worker.store = store_factory.second(store)
    assert site.store.waiting(site.grant()) == 5
    assert site.apply() == 5
    none_quarantined(site)


def test_a_missing_right_stops_the_worker_and_landing_asks_the_sender_to_wait(
    store_factory: StoreFactory,
) -> None:
    store = store_factory()
    site = landed(store, 1)
    site.apply()
    store.land(site.arrivals(*range(100, 105)))
    worker, ingest = (role_name(store.guard, role) for role in (Role.WORKER, Role.INGEST))
    admin(store, f"REVOKE EXECUTE ON FUNCTION batch_write FROM {worker}")
    admin(store, f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {ingest}")
    admin(store, f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA public FROM {ingest}")
    for _ in range(3):
        with pytest.raises(StoreDefect) as caught:
            site.worker.run(threading.Event())
        assert caught.value.code in ("42501", "26000")  # refused, or not prepared since
    with pytest.raises(StoreUnavailable):
        store.land(site.arrivals(7))
    store.migrate()  # as at the next start: gives back what was taken
    site.worker.store = store_factory.second(store)
    assert site.apply() == 5
    none_quarantined(site)
