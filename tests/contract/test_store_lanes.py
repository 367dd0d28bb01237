"""Lanes: one writer each, fenced commits, retry and rebuild."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import pytest
from tests.support.batches import (
    apply,
    arrival,
    batch_of,
    consume,
    derived,
    everyone,
)
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory, as_role

from chartloom.domain.chart import Section
from chartloom.domain.errors import (
    GrantRefused,
    LaneLost,
    StoreUnavailable,
)
from chartloom.domain.grant import Purpose
from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter, ReplayScope, Wanted
from chartloom.engines.postgres import PostgresStore, trouble
from chartloom.engines.postgres import lanes as lanes_module
from chartloom.engines.postgres.protection_rules import Role


def cut_lane_connections(store: PostgresStore) -> None:
    """Ends all worker sessions, as their death would."""
    with as_role(store, Role.WORKER) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'chartloom lanes' AND datname = current_database()"
        )


def test_a_lane_has_one_worker(
    store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_module, "CLAIM_EVERY_S", 1e9)  # it is not looked at again ...
    one = store_factory()
    two = store_factory.second(one)
    a, b = one.claim("a", 40), two.claim("b", 64)
    assert len(a) == 40
    assert len(b) == 24
    assert not set(a) & set(b)
    assert one.claim("a", 40) == a
    assert len(one.claim("a", 10)) == 10  # gives the rest back
    monkeypatch.setattr(lanes_module, "CLAIM_EVERY_S", 0.0)  # ... until now
    assert len(two.claim("b", 64)) == 32  # half of all, for there are two workers
    one.release("a")
    assert len(two.claim("b", 64)) == 64


def test_workers_share_the_lanes_fairly_however_many_they_are(store_factory: StoreFactory) -> None:
    """The first one up does not keep everything for itself."""
    first = store_factory()
    workers = [first, store_factory.second(first), store_factory.second(first)]
    assert len(first.claim("0", 64)) == 64
    deadline = time.monotonic() + PATIENCE_S
    held: list[list[int]] = []
    while time.monotonic() < deadline:
        held = [store.claim(str(i), 64) for i, store in enumerate(workers)]
        if sum(len(lanes) for lanes in held) == 64 and max(len(lanes) for lanes in held) <= 22:
            break
        time.sleep(0.1)
    assert sorted(len(lanes) for lanes in held) == [20, 22, 22]
    assert sorted(lane for lanes in held for lane in lanes) == list(range(64))


def test_lanes_of_a_dead_worker_are_free_at_once(store_factory: StoreFactory) -> None:
    one = store_factory()
    two = store_factory.second(one)
    assert len(one.claim("a", 64)) == 64
    assert two.claim("b", 64) == []
    cut_lane_connections(one)
    with pytest.raises(StoreUnavailable):
        two.claim("b", 64)
    assert len(two.claim("b", 64)) == 64


def test_lanes_that_are_not_held_cannot_be_read_or_written(store_factory: StoreFactory) -> None:
    one = store_factory()
    two = store_factory.second(one)
    one.land([arrival(1)])
    lanes = one.claim("a", 64)
    messages = one.pending(everyone(one), lanes, 10)
    with pytest.raises(LaneLost):
        two.pending(everyone(two), lanes, 10)
    with pytest.raises(LaneLost):
        two.commit(batch_of(messages))


def test_a_worker_that_lost_its_lanes_cannot_commit(store_factory: StoreFactory) -> None:
    one = store_factory()
    two = store_factory.second(one)
    one.land([arrival(1), arrival(2)])
    batch = batch_of(one.pending(everyone(one), one.claim("a", 64), 10))
    cut_lane_connections(one)
    assert len(consume(two)) == 2
    with pytest.raises(StoreUnavailable):
        one.commit(batch)
    with pytest.raises(LaneLost):
        one.commit(batch)
    two.release("b")
    one.claim("a", 64)  # holding the lanes again does not help a batch that was overtaken
    with pytest.raises(LaneLost):
        one.commit(batch)
    assert one.pending(everyone(one), one.claim("a", 64), 10) == []


def test_a_batch_must_be_what_comes_next(store: PostgresStore) -> None:
    store.land([arrival(i, "p1") for i in range(3)])
    messages = store.pending(everyone(store), store.claim("w", 64), 10)
    with pytest.raises(LaneLost):  # one left out
        apply(store, batch_of([messages[0], messages[2]]))
    with pytest.raises(LaneLost):  # not from the beginning
        apply(store, batch_of(messages[1:]))
    apply(store, batch_of(messages[:1]))
    apply(store, batch_of(messages[1:]))
    with pytest.raises(LaneLost):
        apply(store, batch_of(messages[1:]))


def test_pending_is_bounded_in_number_and_bytes(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.land([arrival(i, f"p{i}", body=b"x" * 1000) for i in range(20)])
    lanes = store.claim("w", 64)
    grant = everyone(store)
    assert [m.position for m in store.pending(grant, lanes, 7)] == list(range(1, 8))
    monkeypatch.setattr(trouble, "PENDING_BYTES_MAX", 4_500)
    assert [m.position for m in store.pending(grant, lanes, 7)] == [1, 2, 3, 4]
    monkeypatch.setattr(trouble, "PENDING_BYTES_MAX", 10)
    assert [m.position for m in store.pending(grant, lanes, 7)] == [1]


def test_two_workers_apply_everything_once_and_in_order(store_factory: StoreFactory) -> None:
    """Two workers that also lose their connections: each message is applied exactly once."""
    ingest = store_factory()
    workers = [store_factory.second(ingest) for _ in range(2)]
    total, stop = 600, threading.Event()

    def work(store: PostgresStore, name: str) -> None:
        while not stop.is_set():
            try:
                lanes = store.claim(name, 40)
                messages = store.pending(everyone(store), lanes, 25)
                if messages:
                    apply(store, batch_of(messages, worker=name))
            except (LaneLost, StoreUnavailable):
                continue

    def disturb() -> None:
        for i in range(total // 20):
            ingest.land([arrival(i * 20 + k, f"p{(i + k) % 17}") for k in range(20)])
            if i % 10 == 9:
                cut_lane_connections(ingest)

    with ThreadPoolExecutor(3) as threads:
        jobs = [threads.submit(work, s, f"w{i}") for i, s in enumerate(workers)]
        threads.submit(disturb).result()
        deadline = time.monotonic() + PATIENCE_S
        while ingest.waiting(everyone(ingest)) and time.monotonic() < deadline:
            time.sleep(0.02)
        stop.set()
        for job in jobs:
            job.result()
    with psycopg.connect(ingest.dsn) as conn:
        applied = conn.execute("SELECT positions FROM outbox ORDER BY seq").fetchall()
    order = [p for (positions,) in applied for p in positions]
    assert sorted(order) == list(range(1, total + 1))
    lane_of = {n + 1: ingest.lane_of("lab", f"p{(n // 20 + n % 20) % 17}") for n in range(total)}
    for lane in set(lane_of.values()):
        mine = [p for p in order if lane_of[p] == lane]
        assert mine == sorted(mine)


def test_wait_returns_when_something_lands(store_factory: StoreFactory) -> None:
    one = store_factory()
    two = store_factory.second(one)
    assert one.wait(0.01)  # the first look is always worth while
    assert not one.wait(0.01)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(one.wait, 10)
        time.sleep(0.05)
        two.land([arrival(1), arrival(2)])
        two.land([arrival(3)])
        assert waiting.result(5)
    one.wait(0.2)  # takes the second notice, if it came later
    assert not one.wait(0.01)


def test_quarantine_and_retry(store: PostgresStore) -> None:
    grant = everyone(store)
    store.land([arrival(i, "p1") for i in range(3)])
    messages = store.pending(grant, store.claim("w", 64), 10)
    outcomes = [derived(m, quarantine="bad" if i == 1 else "") for i, m in enumerate(messages)]
    apply(store, batch_of(messages, outcomes))
    (row,) = store.search(grant, MessageFilter(state=MessageState.QUARANTINED))
    assert (row.position, row.quarantine) == (2, "bad")
    assert store.retry(grant, ReplayScope(feed="other")) == 0
    assert store.retry(grant, ReplayScope(positions=(1, 2))) == 1
    assert store.retry(grant, ReplayScope()) == 0
    assert store.waiting(grant) == 1
    assert store.search(grant, MessageFilter(state=MessageState.LANDED))[0].position == 2
    store.land([arrival(9, "p1")])
    again = store.pending(grant, store.claim("w", 64), 10)
    assert [m.position for m in again] == [2]  # in front of what is new
    apply(store, batch_of(again))
    with pytest.raises(LaneLost):
        apply(store, batch_of(again))
    assert [m.position for m in consume(store)] == [4]
    assert store.waiting(grant) == 0
    status = store.feeds(grant)[0]
    assert (status.applied_count, status.quarantined_count) == (4, 0)


def test_what_is_not_in_the_log_any_more_is_not_tried_again(store: PostgresStore) -> None:
    store.land([arrival(1, "p1")])
    lanes = store.claim("w", 64)
    with psycopg.connect(store.dsn) as conn:
        conn.execute("INSERT INTO retry SELECT 0, lane FROM landing")
        conn.execute("INSERT INTO retry SELECT 900, lane FROM landing")
    assert [m.position for m in store.pending(everyone(store), lanes, 1)] == [1]


def test_a_message_that_is_not_read_in_time_has_no_fault(store: PostgresStore) -> None:
    store.land([arrival(1, "p1")])

    @contextmanager
    def enter() -> Iterator[psycopg.Connection[Any]]:
        with psycopg.connect(store.dsn, options="-c statement_timeout=100") as conn:
            yield conn

    assert trouble._body(enter, 1) is not None
    with psycopg.connect(store.dsn) as other:
        other.execute("LOCK TABLE landing IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(StoreUnavailable):
            trouble._body(enter, 1)


def test_rebuild_gives_the_same_again(store_factory: StoreFactory) -> None:
    store = store_factory()
    grant = everyone(store)
    store.land([arrival(i, f"p{i % 3}") for i in range(10)])
    empty = store.digest(grant)
    consume(store)
    full = store.digest(grant)
    assert full != empty
    store.land([arrival(90, "p1")])
    assert not store.made_anew(grant), "what only waits was never there"
    consume(store)
    full = store.digest(grant)
    other = store_factory.second(store)
    assert other.rebuild(grant) == 11
    assert store.made_anew(grant)
    assert store.made_anew(store.guard.mint("t", Purpose.TREATMENT, ("p1",)))
    assert store.digest(grant) == empty
    assert store.waiting(grant) == 11
    assert len(consume_after_rewind(store)) == 11
    assert store.digest(grant) == full
    assert store.waiting(grant) == 0
    assert not store.made_anew(grant)


def consume_after_rewind(store: PostgresStore) -> list[object]:
    """A worker may have to be refused once before it notices the rewind."""
    try:
        return list(consume(store))
    except LaneLost:
        return list(consume(store))


def test_a_rebuild_refuses_the_batch_in_flight(store: PostgresStore) -> None:
    grant = everyone(store)
    store.land([arrival(i, "p1") for i in range(4)])
    lanes = store.claim("w", 64)
    apply(store, batch_of(store.pending(grant, lanes, 2)))
    late = batch_of(store.pending(grant, lanes, 2))
    store.prefetch(grant, Wanted(frozenset(s.state.id for s in late.states), frozenset()))
    store.rebuild(grant)
    with pytest.raises(LaneLost):
        store.commit(late)
    assert [m.position for m in consume_after_rewind(store)] == [1, 2, 3, 4]  # type: ignore[attr-defined]


def test_every_lane_read_needs_a_grant(store: PostgresStore) -> None:
    store.land([arrival(1)])
    lanes = store.claim("w", 64)
    forged = msgspec.structs.replace(everyone(store), actor="mallory")
    with pytest.raises(GrantRefused):
        store.pending(forged, lanes, 10)
    with pytest.raises(GrantRefused):
        store.prefetch(forged, Wanted(frozenset(), frozenset()))
    with pytest.raises(GrantRefused):
        store.refill(forged, "p1", Section.RESULTS, 0, 10)
    narrow = store.guard.mint("t", Purpose.TREATMENT, ["somebody else"])
    with pytest.raises(GrantRefused):
        store.pending(narrow, lanes, 10)
    for admin in (store.rebuild, store.digest):
        with pytest.raises(GrantRefused):
            admin(narrow)
    with pytest.raises(GrantRefused):
        store.retry(narrow, ReplayScope())
