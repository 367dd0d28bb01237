"""The log as people look at it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import psycopg
import pytest
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient
from tests.support.clock import FakeClock
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import GrantRefused, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.issues import Issue
from chartloom.domain.message import MessageState
from chartloom.domain.resource import Contribution, LinkEvent, LinkKind, LossCounts
from chartloom.domain.store import MessageFilter, ReplayScope
from chartloom.engines.postgres import PostgresStore

START_US = FakeClock().time_us
MINUTE_US = 60_000_000


@pytest.fixture
def store(store_factory: StoreFactory) -> PostgresStore:
    """12 messages, two feeds, three patients: ten consumed (one quarantined), two waiting."""
    clock = FakeClock()
    store = store_factory(clock=clock)
    feeds = ["lab", "adt"]
    arrivals = [
        arrival(i, f"p{i % 3}", feed=feeds[i % 2], received_at_us=START_US + i * MINUTE_US)
        for i in range(12)
    ]
    store.land(arrivals[:10])
    store.land(arrivals[:1])
    messages = store.pending(everyone(store), store.claim("w", 64), 100)
    outcomes = [
        msgspec.structs.replace(
            derived(
                m, quarantine="bad" if i == 5 else "", issues=[Issue("code", "PID-3")] * (i % 2)
            ),
            loss=LossCounts(3, 2, 1),
            unmapped=("ZPI-3",) * (i % 3),
        )
        for i, m in enumerate(messages)
    ]
    apply(store, batch_of(messages, outcomes, applied_at_us=START_US + 10 * MINUTE_US))
    clock.time_us = START_US + 11 * MINUTE_US
    store.land(arrivals[10:])
    return store


def found(store: PostgresStore, grant: Grant | None = None, **where: object) -> list[int]:
    """Positions that a search finds."""
    rows = store.search(grant or everyone(store), MessageFilter(**where))  # type: ignore[arg-type]
    return [r.position for r in rows]


def test_search(store: PostgresStore) -> None:
    assert found(store) == list(range(12, 0, -1))
    assert found(store, limit=3) == [12, 11, 10]
    assert found(store, before=4) == [3, 2, 1]
    assert found(store, feed="lab") == [11, 9, 7, 5, 3, 1]
    assert found(store, feed="none") == []
    assert found(store, message_type="ORU") == list(range(12, 0, -1))
    assert found(store, message_type="ADT") == []
    assert found(store, message_type="%") == []
    assert found(store, state=MessageState.LANDED) == [12, 11]
    assert found(store, state=MessageState.QUARANTINED) == [6]
    assert found(store, state=MessageState.APPLIED) == [10, 9, 8, 7, 5, 4, 3, 2, 1]
    assert found(store, control_id="C3") == [4]
    assert found(store, source_patients=("p0",)) == [10, 7, 4, 1]
    assert found(store, source_patients=("p0", "p1"), feed="adt") == [10, 8, 4, 2]
    since, until = START_US + 3 * MINUTE_US, START_US + 6 * MINUTE_US
    assert found(store, received_from_us=since, received_to_us=until) == [6, 5, 4]


def test_a_search_row(store: PostgresStore) -> None:
    rows = {r.position: r for r in store.search(everyone(store), MessageFilter())}
    six, twelve = rows[6], rows[12]
    assert (six.state, six.quarantine, six.issue_count, six.unmapped_count) == (
        MessageState.QUARANTINED,
        "bad",
        1,
        2,
    )
    assert six.applied_at_us == START_US + 10 * MINUTE_US
    assert (twelve.state, twelve.applied_at_us, twelve.source_patient) == (
        MessageState.LANDED,
        0,
        "p2",
    )
    assert twelve.size_bytes == len(arrival(11, "p2", feed="adt").body)


def test_a_narrow_grant_sees_only_its_persons(store: PostgresStore) -> None:
    narrow = store.guard.mint("t", Purpose.TREATMENT, ["p1"])
    assert found(store, narrow) == [8, 5, 2]
    assert found(store, narrow, source_patients=("p0", "p1")) == [8, 5, 2]
    assert found(store, narrow, source_patients=("p0",)) == []
    assert found(store, narrow, state=MessageState.LANDED) == []
    assert store.detail(narrow, 2).row.position == 2
    for position in (1, 99):
        with pytest.raises(NotFound, match="no such message"):
            store.detail(narrow, position)


def test_detail(store: PostgresStore) -> None:
    grant = everyone(store)
    store.land([arrival(50, "p1")])
    messages = store.pending(grant, store.claim("w", 64), 100)
    m = messages[-1]
    dr = Contribution({"resourceType": "Practitioner", "id": "dr"}, "", directory=True)
    joined = LinkEvent(LinkKind.MERGE, "p1", "p9", "MRG-1")
    full = msgspec.structs.replace(
        derived(m, patient("p1"), dr, patient("p9"), links=[joined], issues=[Issue("c", "PID-3")]),
        unmapped=("ZZZ-1",),
        provenance={"resourceType": "Provenance"},
    )
    apply(store, batch_of(messages, [*(derived(x) for x in messages[:-1]), full]))
    detail = store.detail(grant, m.position)
    assert detail.message == m
    assert detail.row.state is MessageState.APPLIED
    assert detail.project_version == "f" * 64
    assert [r["id"] for r in detail.resources] == ["p1", "dr", "p9"]
    assert detail.provenance == {"resourceType": "Provenance"}
    assert detail.issues == (Issue("c", "PID-3"),)
    assert (detail.unmapped, detail.links) == (("ZZZ-1",), (joined,))
    # The other patient's part stays closed for who may only see the first.
    narrow = store.guard.mint("t", Purpose.TREATMENT, ["p1"])
    assert [r["id"] for r in store.detail(narrow, m.position).resources] == ["p1", "dr"]
    assert m.position in found(store, source_patients=("p9",))


def test_detail_of_a_waiting_message(store: PostgresStore) -> None:
    detail = store.detail(everyone(store), 12)
    assert (detail.row.state, detail.resources, detail.issues) == (MessageState.LANDED, (), ())
    assert detail.project_version == ""


def test_feeds(store: PostgresStore) -> None:
    adt, lab = store.feeds(everyone(store))
    assert (adt.feed, lab.feed) == ("adt", "lab")
    assert (lab.received_count, lab.duplicate_count) == (6, 1)
    assert (adt.received_count, adt.duplicate_count) == (6, 0)
    assert (adt.applied_count, adt.quarantined_count, adt.waiting_count) == (4, 1, 1)
    assert (lab.applied_count, lab.quarantined_count, lab.waiting_count) == (5, 0, 1)
    assert (adt.issue_count, lab.issue_count) == (5, 0)
    assert lab.rate_per_minute == (*(0,) * 48, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0)
    assert lab.last_received_at_us == START_US + 10 * MINUTE_US + 10
    assert lab.last_event_us == START_US + 8 * MINUTE_US + 8
    # Accepted 10, 8, 6, 4 and 2 minutes before they were applied; buckets are 19 % wide.
    assert 360_000 <= lab.latency_p50_ms <= 360_000 * 1.19
    assert 600_000 <= lab.latency_p99_ms <= 600_000 * 1.19
    assert store.waiting(everyone(store)) == 2


def test_project_versions_are_kept(store: PostgresStore) -> None:
    grant = everyone(store)
    files = {"segments/pid.csv": b"a,b\n", "x.toml": b"\xff\0"}
    store.save_project_version("abc", files)
    store.save_project_version("abc", {})
    assert store.project_version(grant, "abc") == files
    with pytest.raises(NotFound):
        store.project_version(grant, "f" * 64)  # used by a worker, never saved
    with pytest.raises(NotFound):
        store.project_version(grant, "0" * 64)  # of which nobody ever heard
    store.save_project_version("f" * 64, files)
    assert store.project_version(grant, "f" * 64) == files


READS: list[Callable[[PostgresStore, Grant], object]] = [
    lambda s, g: s.search(g, MessageFilter()),
    lambda s, g: s.detail(g, 1),
    lambda s, g: s.feeds(g),
    lambda s, g: s.waiting(g),
    lambda s, g: s.retry(g, ReplayScope()),
    lambda s, g: s.rebuild(g),
    lambda s, g: s.digest(g),
    lambda s, g: s.project_version(g, "x"),
]


@pytest.mark.parametrize("read", READS)
def test_no_read_without_a_grant(
    store: PostgresStore, read: Callable[[PostgresStore, Grant], object]
) -> None:
    forged = msgspec.structs.replace(everyone(store), actor="mallory")
    for wrong in (None, forged):
        with pytest.raises(GrantRefused):
            read(store, wrong)  # type: ignore[arg-type]


def test_migrating_again_changes_nothing(store: PostgresStore) -> None:
    before = store.digest(everyone(store))
    store.migrate()
    assert store.digest(everyone(store)) == before
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute("INSERT INTO schema_version VALUES (9999, 'future')")
    with pytest.raises(Exception, match="newer version"):
        store.migrate()
