"""What grows with every message stays bounded, and nothing is lost from the sums."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from tests.support.batches import arrival, batch_of, consume, derived, everyone, wanted_of
from tests.support.clock import FakeClock
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import NotFound
from chartloom.domain.issues import Issue
from chartloom.domain.message import LandingOutcome
from chartloom.domain.store import ReplayScope
from chartloom.engines.postgres import PostgresStore, Retention, tidy
from chartloom.engines.postgres.doors import PostgresSessions
from chartloom.engines.postgres.tidy import MINUTES_KEPT, Tidied
from chartloom.guard.staff import Staff
from chartloom.serve.sessions import Limits, SessionBook
from chartloom.wiring.housekeeping import housekeeping

MINUTE_US, DAY_US = 60_000_000, 86_400_000_000
KEEP = Retention(duplicate_days=3, outbox_days=2, issue_days=5)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(store_factory: StoreFactory, clock: FakeClock) -> PostgresStore:
    return store_factory(clock=clock)


def count(store: PostgresStore, table: str) -> int:
    with psycopg.connect(store.dsn) as conn:
        row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def land(store: PostgresStore, clock: FakeClock, *numbers: int, feed: str = "lab") -> list[str]:
    arrivals = [arrival(n, feed=feed, received_at_us=clock.time_us) for n in numbers]
    return [str(r.outcome) for r in store.land(arrivals)]


def work(store: PostgresStore, clock: FakeClock, quarantine: int = 0, issues: int = 0) -> None:
    """Applies what is pending: some of it to quarantine, each with some issues."""
    messages = store.pending(everyone(store), store.claim("w", 64), 1000)
    outcomes = [
        derived(
            m,
            quarantine="internal-fault" if i < quarantine else "",
            issues=[Issue("control-id-reused")] * issues,
        )
        for i, m in enumerate(messages)
    ]
    batch = batch_of(messages, outcomes, applied_at_us=clock.time_us)
    store.prefetch(everyone(store), wanted_of(batch))
    store.commit(batch)


def sums(store: PostgresStore) -> list[tuple[object, ...]]:
    return [
        (
            f.feed,
            f.received_count,
            f.applied_count,
            f.quarantined_count,
            f.duplicate_count,
            f.issue_count,
            f.waiting_count,
            f.last_received_at_us,
            f.last_event_us,
        )
        for f in store.feeds(everyone(store))
    ]


def test_statistics_are_added_up_and_the_sums_stay(store: PostgresStore, clock: FakeClock) -> None:
    for minute in range(5):
        clock.time_us += MINUTE_US
        for feed in ("lab", "adt"):
            land(store, clock, *range(minute * 10, minute * 10 + 4), feed=feed)
        land(store, clock, minute * 10)  # another time of receipt, the same bytes: a duplicate
        work(store, clock, quarantine=1, issues=2)
    land(store, clock, 999)
    before, waiting = sums(store), store.waiting(everyone(store))
    assert waiting == 1
    clock.time_us += (MINUTES_KEPT + 10) * MINUTE_US
    assert store.tidy(KEEP, pause_s=0).minutes == 2 * 2 * 5  # in and out, by feed and minute
    assert (count(store, "feed_minute_in"), count(store, "feed_minute_out")) == (0, 0)
    assert sums(store) == before
    assert store.waiting(everyone(store)) == waiting
    # Further work is added to the totals, and a retry takes its part out of them again.
    work(store, clock)
    assert store.waiting(everyone(store)) == 0
    assert store.retry(everyone(store), ReplayScope()) == 5
    assert store.waiting(everyone(store)) == 5
    work(store, clock)
    assert store.waiting(everyone(store)) == 0
    assert sum(f.quarantined_count for f in store.feeds(everyone(store))) == 0


def test_a_rebuild_begins_the_sums_of_what_is_derived_again(
    store: PostgresStore, clock: FakeClock
) -> None:
    land(store, clock, *range(6))
    work(store, clock)
    clock.time_us += DAY_US
    store.tidy(KEEP, pause_s=0)
    assert store.rebuild(everyone(store)) == 6
    assert store.waiting(everyone(store)) == 6
    assert sums(store)[0][1:4] == (6, 0, 0)


def test_what_readiness_sums_is_bounded(store: PostgresStore, clock: FakeClock) -> None:
    """Minutes of ten feeds for days."""
    now = clock.time_us // MINUTE_US
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO feed_minute_in SELECT m, 1, 0, 0, 1, 'f' || f"
            " FROM generate_series(%s::int, %s) m, generate_series(1, 10) f",
            (now - 6_000, now),
        )
    assert store.waiting(everyone(store)) == 60_010
    assert store.tidy(KEEP, pause_s=0).minutes > 50_000
    assert count(store, "feed_minute_in") == 10 * (MINUTES_KEPT + 1)
    assert store.waiting(everyone(store)) == 60_010


def test_duplicates_are_recognised_for_their_days(store: PostgresStore, clock: FakeClock) -> None:
    land(store, clock, 1, 2)
    clock.time_us += 2 * DAY_US
    land(store, clock, 3)
    store.tidy(KEEP, pause_s=0)
    again = [arrival(n) for n in (1, 3)]
    receipts = [store.land([a])[0].outcome for a in again]
    assert receipts == [LandingOutcome.DUPLICATE, LandingOutcome.DUPLICATE]
    clock.time_us += 2 * DAY_US
    assert store.tidy(KEEP, pause_s=0).landed_key == 2
    receipts = [store.land([a])[0].outcome for a in again]
    assert receipts == [LandingOutcome.LANDED, LandingOutcome.DUPLICATE]


def test_the_outbox_waits_for_its_consumers(store: PostgresStore, clock: FakeClock) -> None:
    def commit(n: int) -> None:
        land(store, clock, n)
        work(store, clock)

    commit(1)
    commit(2)
    clock.time_us += 3 * DAY_US
    commit(3)
    assert store.tidy(KEEP, pause_s=0).outbox == 2  # nobody reads: by age alone
    store.add_outbox_consumer("lake")
    store.add_outbox_consumer("bus")
    commit(4)
    clock.time_us += 3 * DAY_US
    assert store.tidy(KEEP, pause_s=0).outbox == 0
    store.acknowledge_outbox("lake", 4)
    store.acknowledge_outbox("bus", 3)
    store.acknowledge_outbox("bus", 2)  # never back
    assert store.tidy(KEEP, pause_s=0).outbox == 1
    commit(5)
    store.acknowledge_outbox("lake", 5)
    store.remove_outbox_consumer("bus")
    assert store.tidy(KEEP, pause_s=0).outbox == 1  # the fifth is young
    assert count(store, "outbox") == 1
    with pytest.raises(NotFound):
        store.acknowledge_outbox("bus", 9)


def test_issue_counts_of_past_days_are_one_row_and_end(
    store_factory: StoreFactory, store: PostgresStore, clock: FakeClock
) -> None:
    for n in range(3):  # three sessions
        session = store_factory.second(store)
        land(session, clock, n)
        work(session, clock, issues=2)
        session.close()
    assert count(store, "issue_day") == 3
    store.tidy(KEEP, pause_s=0)
    assert count(store, "issue_day") == 3  # today's belong to their writers
    clock.time_us += 2 * DAY_US
    store.tidy(KEEP, pause_s=0)
    assert count(store, "issue_day WHERE shard = 0 AND count = 6") == count(store, "issue_day") == 1
    clock.time_us += 5 * DAY_US
    store.tidy(KEEP, pause_s=0)
    assert count(store, "issue_day") == 0


def test_large_arrears_are_removed_in_small_batches(
    store: PostgresStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    land(store, clock, *range(50))
    clock.time_us += 9 * DAY_US
    monkeypatch.setattr(tidy, "BATCH_ROWS", 7)
    monkeypatch.setattr(tidy, "BATCHES_MAX", 4)
    assert store.tidy(KEEP, pause_s=0).landed_key == 28
    assert store.tidy(KEEP, lambda: True, pause_s=0) == Tidied()
    assert store.tidy(KEEP, pause_s=0).landed_key == 22


def test_only_one_process_tidies_and_landing_goes_on(
    store_factory: StoreFactory, store: PostgresStore, clock: FakeClock
) -> None:
    land(store, clock, *range(2000))
    clock.time_us += 9 * DAY_US
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_advisory_lock(19538, 0)")
        assert store.tidy(KEEP, pause_s=0) == Tidied()
    stores = [store_factory.second(store) for _ in range(3)]
    stop = threading.Event()

    def keep_landing() -> int:
        n = 0
        while not stop.is_set():
            land(store, clock, 10_000 + n)
            n += 1
        return n

    with ThreadPoolExecutor(4) as pool:
        landing = pool.submit(keep_landing)
        tidied = list(pool.map(lambda s: s.tidy(KEEP, pause_s=0), stores))
        stop.set()
        assert landing.result() > 0
    assert sum(t.landed_key for t in tidied) == 2000
    assert store.waiting(everyone(store)) == 2000 + landing.result()


def test_the_housekeeper_outlives_the_store_and_ends_when_told(
    store: PostgresStore, clock: FakeClock
) -> None:
    land(store, clock, *range(5))
    clock.time_us += 9 * DAY_US
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute("ALTER TABLE landed_key RENAME TO elsewhere")
        with housekeeping(store, KEEP, every_s=0.05) as thread:
            for _ in range(200):
                if count(store, "feed_total"):
                    break
                thread.join(0.02)
            assert thread.is_alive()
            conn.execute("ALTER TABLE elsewhere RENAME TO landed_key")
            for _ in range(200):
                if not count(store, "landed_key"):
                    break
                thread.join(0.02)
            assert thread.is_alive()
        assert not thread.is_alive()
    assert count(store, "landed_key") == 0


def test_sessions_that_are_over_are_tidied_too(store: PostgresStore, clock: FakeClock) -> None:
    limits = Limits()
    book = SessionBook(PostgresSessions(store), store.guard, clock, Staff, limits)
    book.open("early", "oidc", {})
    clock.time_us += limits.idle_s * 1_000_000
    late = book.open("late", "oidc", {})
    assert count(store, "session") == 2
    with housekeeping(store, KEEP, every_s=0.05, also=(book.tidy,)) as thread:
        for _ in range(200):
            if count(store, "session") == 1:
                break
            thread.join(0.02)
    assert count(store, "session") == 1
    assert book.find(late) is not None


def test_sizes_count_partitions_with_their_table(store: PostgresStore, clock: FakeClock) -> None:
    land(store, clock, *range(100))
    consume(store)
    sizes = store.sizes()
    assert not [name for name in sizes if name.startswith("landing_")]
    assert sizes["landing"] > 50_000
    assert list(sizes.values()) == sorted(sizes.values(), reverse=True)
    assert {"outbox", "bundle", "view", "resource", "landed_key"} <= set(sizes)
