"""The landing log: durable, in order, nothing twice, nothing dropped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.batches import arrival, consume, everyone
from tests.support.clock import FakeClock
from tests.support.postgres import StoreFactory, as_role

from chartloom.domain.errors import StoreUnavailable
from chartloom.domain.message import LandingOutcome
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.migrate import POSITIONS_PER_DAY
from chartloom.engines.postgres.protection_rules import Role
from chartloom.guard import Guard

LANDED, DUPLICATE, CONFLICT = (
    LandingOutcome.LANDED,
    LandingOutcome.DUPLICATE,
    LandingOutcome.CONFLICT,
)
DAY_US = 86_400_000_000


def bodies(store: PostgresStore) -> list[bytes]:
    """All landed bytes, in log order."""
    lanes = store.claim("reader", store.lanes)
    return [m.body for m in store.pending(everyone(store), lanes, 10_000)]


def test_what_landed_comes_back_verbatim_and_in_order(store: PostgresStore) -> None:
    arrivals = [arrival(i, f"p{i % 5}", body=bytes([i]) * i) for i in range(50)]
    receipts = store.land(arrivals[:20]) + store.land(arrivals[20:])
    assert [r.outcome for r in receipts] == [LANDED] * 50
    assert [r.position for r in receipts] == list(range(1, 51))
    lanes = store.claim("w", store.lanes)
    messages = store.pending(everyone(store), lanes, 100)
    for a, r, m in zip(arrivals, receipts, messages, strict=True):
        assert (m.position, m.body, m.sha256) == (r.position, a.body, a.sha256)
        assert (m.feed, m.control_id, m.message_type) == (a.feed, a.control_id, a.message_type)
        assert (m.source_patient, m.received_at_us) == (a.source_patient, a.received_at_us)
        assert m.lane == store.lane_of(a.feed, a.source_patient)


def test_nothing_to_land(store: PostgresStore) -> None:
    assert store.land([]) == []


def test_duplicates_and_conflicts(store: PostgresStore) -> None:
    one, other = arrival(1), arrival(1, body=b"other bytes")
    elsewhere = arrival(1, feed="adt")
    outcomes = store.land([one, one, other, one, other, elsewhere])
    assert [(r.position, r.outcome) for r in outcomes] == [
        (1, LANDED),
        (1, DUPLICATE),
        (2, CONFLICT),
        (1, DUPLICATE),
        (2, DUPLICATE),
        (3, LANDED),
    ]
    again = store.land([elsewhere, other, one])
    assert [(r.position, r.outcome) for r in again] == [
        (3, DUPLICATE),
        (2, DUPLICATE),
        (1, DUPLICATE),
    ]
    messages = consume(store)
    assert [m.conflict for m in messages] == [False, True, False]


def test_duplicates_are_known_after_they_were_applied(store: PostgresStore) -> None:
    store.land([arrival(1)])
    consume(store)
    assert store.land([arrival(1)])[0].outcome is DUPLICATE


def test_messages_without_control_id_all_land(store: PostgresStore) -> None:
    first = arrival(1, control_id="", body=b"same")
    later = arrival(2, control_id="", body=b"same")
    assert [r.outcome for r in store.land([first, later])] == [LANDED, LANDED]
    # ... but an attempt that is repeated after a lost answer is recognised.
    assert [r.outcome for r in store.land([first, later])] == [DUPLICATE, DUPLICATE]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 3), st.integers(0, 2)), max_size=12
    ),
    st.lists(st.integers(1, 5), min_size=12, max_size=12),
)
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_landing_again_changes_nothing(
    store_factory: StoreFactory, sent: list[tuple[str, int, int]], groups: list[int]
) -> None:
    """However messages are grouped and repeated: one row for each (feed, control id, bytes)."""
    store = store_factory()
    arrivals = [
        arrival(0, feed=feed, control_id=f"C{control}", body=f"{control}/{content}".encode())
        for feed, control, content in sent
    ]
    firsts: dict[tuple[str, int, int], int] = {}
    seen_controls: set[tuple[str, int]] = set()
    for repeat in range(2):
        rest = list(zip(sent, arrivals, strict=True))
        for size in [*groups, len(rest)]:
            group, rest = rest[:size], rest[size:]
            for (key, _), receipt in zip(group, store.land([a for _, a in group]), strict=True):
                if key in firsts:
                    assert receipt.outcome is DUPLICATE
                    assert receipt.position == firsts[key]
                else:
                    assert repeat == 0
                    expected = CONFLICT if key[:2] in seen_controls else LANDED
                    assert receipt.outcome is expected
                    firsts[key] = receipt.position
                    seen_controls.add(key[:2])
    assert sorted(firsts.values()) == list(range(1, len(firsts) + 1))
    assert len(bodies(store)) == len(firsts)
    store_factory.drop(store)


def test_two_writers_share_one_order(store_factory: StoreFactory) -> None:
    """Two processes land at once: no position twice, none missing, each sender's order kept, and a
    reader never sees a position before all smaller ones."""
    one = store_factory()
    two, reader = store_factory.second(one), store_factory.second(one)
    positions: dict[str, list[int]] = {"a": [], "b": []}
    gaps: list[list[int]] = []
    done = threading.Event()

    def send(store: PostgresStore, feed: str) -> None:
        for i in range(40):
            receipts = store.land([arrival(i * 3 + k, f"p{k}", feed=feed) for k in range(3)])
            positions[feed] += [r.position for r in receipts]

    def watch() -> None:
        lanes = reader.claim("reader", 64)
        while not done.is_set():
            seen = [m.position for m in reader.pending(everyone(reader), lanes, 1000)]
            if seen != list(range(1, len(seen) + 1)):
                gaps.append(seen)

    with ThreadPoolExecutor(3) as threads:
        watcher = threads.submit(watch)
        jobs = [threads.submit(send, one, "a"), threads.submit(send, two, "b")]
        for job in jobs:
            job.result()
        done.set()
        watcher.result()
    assert sorted(positions["a"] + positions["b"]) == list(range(1, 241))
    assert positions["a"] == sorted(positions["a"])
    assert positions["b"] == sorted(positions["b"])
    assert gaps == []


def test_the_same_message_over_two_writers_lands_once(store_factory: StoreFactory) -> None:
    one = store_factory()
    two = store_factory.second(one)
    with ThreadPoolExecutor(2) as threads:
        for i in range(30):
            jobs = [threads.submit(s.land, [arrival(i)]) for s in (one, two)]
            a, b = (job.result()[0] for job in jobs)
            assert a.position == b.position
            assert {a.outcome, b.outcome} == {LANDED, DUPLICATE}


@pytest.mark.parametrize(
    "text", ["C\0D", "\0", "Ünïcödé", "\ud800", "a" * 5000, "\r\n\t", "'\";--"]
)
def test_no_control_id_or_type_stops_a_landing(store: PostgresStore, text: str) -> None:
    strange = arrival(1, control_id=text)
    assert store.land([strange])[0].outcome is LANDED
    assert store.land([strange])[0].outcome is DUPLICATE
    assert bodies(store) == [strange.body]


def test_large_and_empty_bodies(store: PostgresStore) -> None:
    large = arrival(1, body=b"\0\xff" * 8_000_000)
    empty = arrival(2, body=b"")
    store.land([large, empty])
    assert bodies(store) == [large.body, b""]


def test_every_day_has_its_partition_and_positions(store_factory: StoreFactory) -> None:
    clock = FakeClock()
    store = store_factory(clock=clock)
    received = [store.land([arrival(0)])[0].position]
    for day in (1, 2, 9):
        clock.time_us = FakeClock().time_us + day * DAY_US
        received.append(store.land([arrival(day)])[0].position)
    assert received == [1] + [d * POSITIONS_PER_DAY + 1 for d in (1, 2, 9)]
    clock.time_us -= 5 * DAY_US  # a clock that was set back does not reorder the log
    received.append(store.land([arrival(100)])[0].position)
    assert received[-1] == received[-2] + 1
    assert [m.position for m in consume(store)] == received
    with psycopg.connect(store.dsn) as conn:
        beyond = conn.execute("SELECT count(*) FROM landing_beyond").fetchone()
        used = conn.execute("SELECT count(DISTINCT tableoid) FROM landing").fetchone()
    assert (beyond, used) == ((0,), (4,))


def test_an_absent_store_is_said_so(tmp_path: object, store: PostgresStore) -> None:
    dsn = psycopg.conninfo.make_conninfo(store.dsn, host="/nonexistent")
    away = PostgresStore(dsn, store.guard, store.clock, patience_s=0.1)
    with pytest.raises(StoreUnavailable):
        away.land([arrival(1)])


def test_a_lost_connection_is_reopened(store: PostgresStore) -> None:
    store.land([arrival(1)])
    with as_role(store, Role.INGEST) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'chartloom landing' AND datname = current_database()"
        )
    with pytest.raises(StoreUnavailable):
        store.land([arrival(2)])
    assert store.land([arrival(2)])[0].position == 2


def test_other_keys_are_refused(
    store: PostgresStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Guard.open(tmp_path_factory.mktemp("other") / "keys")
    other = PostgresStore(store.dsn, stranger, store.clock)
    with pytest.raises(Exception, match="other keys"):
        other.land([arrival(1)])
    with pytest.raises(Exception, match="other keys"):
        other.migrate()
    other.close()


def test_positions_taken_by_another_writer_are_noticed(store_factory: StoreFactory) -> None:
    """A writer expects the position after its last; when it is taken, nothing lands there twice,
    and bodies sealed to the wrong position are not kept."""
    one = store_factory()
    two = store_factory.second(one)
    sent = [arrival(i, f"p{i}", body=f"body {i}".encode()) for i in range(12)]
    for i, a in enumerate(sent):
        writer = one if i % 3 else two
        assert writer.land([a])[0].position == i + 1
    assert bodies(one) == [a.body for a in sent]
    one.close()
    two.close()


def test_new_and_known_in_one_group_after_the_first(store: PostgresStore) -> None:
    store.land([arrival(1)])
    conflicting = arrival(1, body=b"other bytes")
    outcomes = store.land([arrival(2), conflicting, arrival(1), arrival(3)])
    assert [(r.position, r.outcome) for r in outcomes] == [
        (2, LANDED),
        (3, CONFLICT),
        (1, DUPLICATE),
        (4, LANDED),
    ]
    assert store.land([arrival(4)])[0].position == 5
    (status,) = store.feeds(everyone(store))
    assert (status.received_count, status.duplicate_count) == (5, 1)
