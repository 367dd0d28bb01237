"""Commits: what is refused leaves nothing, and what was written is read as it was meant."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from tests.support.batches import (
    apply,
    arrival,
    batch_of,
    derived,
    everyone,
    patient,
    wanted_of,
)
from tests.support.postgres import StoreFactory

from chartloom.chart import merge, place
from chartloom.domain import codec
from chartloom.domain.chart import Section, ViewKey
from chartloom.domain.errors import (
    BatchRefused,
    BatchStale,
)
from chartloom.domain.issues import Issue
from chartloom.domain.resource import Contribution, Stamp
from chartloom.domain.store import Wanted
from chartloom.engines.postgres import PostgresStore


def test_a_stale_state_or_view_is_refused(
    store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lanes may touch one resource (messages whose patient the quick look could not tell)."""
    one = store_factory()
    two = store_factory.second(one)
    for name in ("x", "y"):
        one.land([arrival(1, name)])
    lane_x, lane_y = one.lane_of("lab", "x"), one.lane_of("lab", "y")
    assert lane_x != lane_y
    for store, name, mine in ((one, "a", lane_x), (two, "b", lane_y)):
        monkeypatch.setattr(store, "_fair_share", lambda conn: 64)
        store.claim(name, 64)
        with store._lane.use() as conn:  # keep exactly one lane each
            store._give(conn, [lane for lane in store._held if lane != mine])
    grant = everyone(one)
    (mx,) = one.pending(grant, [lane_x], 10)
    (my,) = two.pending(grant, [lane_y], 10)
    shared = patient("shared")
    bx, by = batch_of([mx], [derived(mx, shared)]), batch_of([my], [derived(my, shared)])
    wanted = Wanted(frozenset(["shared"]), frozenset([ViewKey("shared", Section.DEMOGRAPHICS)]))
    for store in (one, two):
        assert store.prefetch(grant, wanted).states == {}
    one.commit(bx)
    with pytest.raises(BatchStale) as caught:
        two.commit(by)
    assert caught.value.ids == ("shared",)
    found = two.prefetch(grant, wanted)
    assert set(found.states) == {"shared"}
    two.commit(by)
    assert two.state(grant, "shared").stamps["id"].position == my.position


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_the_store_cannot_hold_is_refused_by_type(store: PostgresStore, text: str) -> None:
    store.land([arrival(1), arrival(2)])
    messages = store.pending(everyone(store), store.claim("w", 64), 10)
    bad = Contribution({"resourceType": "Patient", "id": text}, text)
    with pytest.raises(BatchRefused) as caught:
        apply(store, batch_of(messages, [derived(messages[0]), derived(messages[1], bad)]))
    assert text not in str(caught.value)
    apply(store, batch_of(messages[:1]))
    with pytest.raises(BatchRefused):
        apply(store, batch_of(messages[1:], [derived(messages[1], bad)]))
    apply(store, batch_of(messages[1:], [derived(messages[1], quarantine="bad")]))
    assert store.waiting(everyone(store)) == 0


def test_nothing_of_a_refused_batch_stays(store: PostgresStore) -> None:
    store.land([arrival(1)])
    messages = store.pending(everyone(store), store.claim("w", 64), 10)
    before = store.digest(everyone(store))
    good = derived(messages[0])
    bad = msgspec.structs.replace(good, issues=(Issue("x", detail="d"), Issue("a\0b")))
    with pytest.raises(BatchRefused):
        apply(store, batch_of(messages, [bad]))
    assert store.digest(everyone(store)) == before
    assert store.feeds(everyone(store))[0].applied_count == 0
    apply(store, batch_of(messages))
    status = store.feeds(everyone(store))[0]
    assert (status.applied_count, status.issue_count) == (1, 0)


def test_directory_keeps_the_best_whatever_the_order(store: PostgresStore) -> None:
    store.land([arrival(i, "p1") for i in range(3)])
    messages = store.pending(everyone(store), store.claim("w", 64), 10)
    # The richest statement comes first, a poorer one later, one as rich but older last.
    resources = [
        ({"resourceType": "Location", "id": "l", "name": "best", "mode": "x"}, 50),
        ({"resourceType": "Location", "id": "l"}, 60),
        ({"resourceType": "Location", "id": "l", "name": "old", "mode": "x"}, 40),
    ]
    for m, (resource, event_us) in zip(messages, resources, strict=True):
        item = Contribution(resource, "", directory=True)
        apply(store, batch_of([m], [derived(m, patient("p1"), item, event_us=event_us)]))
    state = store.state(everyone(store), "l")
    assert state.resource["name"] == "best"
    assert state.directory
    assert {s.position for s in state.stamps.values()} == {1}


def test_a_state_that_was_said_once_is_read_as_it_was_merged(store: PostgresStore) -> None:
    """Its row holds the contribution, and the next writer, who has to read it, merges the same."""
    grant = everyone(store)
    store.land([arrival(i, "p1") for i in range(2)])
    lanes = store.claim("w", 64)
    stay = {
        "resourceType": "Encounter",
        "status": "planned",
        "id": "e1",
        "location": [{"location": {"display": "B"}}, {"location": {"display": "A"}}],
        "length": {"value": Decimal("1.50")},
    }
    said = Contribution(stay, "p1", weak=("status",), cleared=("priority",))
    (message,) = store.pending(grant, lanes, 1)
    outcome = derived(message, said, event_us=70)
    merged = merge(None, said, Stamp(1, 70, message.position))
    batch = msgspec.structs.replace(
        batch_of([message], [outcome]), states=(place(merged),), firsts=frozenset({"e1"})
    )
    apply(store, batch)
    assert codec.encode(store.state(grant, "e1")) == codec.encode(merged)
    store._revisions.clear()
    found = store.prefetch(grant, Wanted(frozenset({"e1"}), frozenset()))
    assert found.states == {"e1": merged}
    (message,) = store.pending(grant, lanes, 1)
    later = Contribution({"resourceType": "Encounter", "id": "e1", "status": "finished"}, "p1")
    merged = merge(merged, later, Stamp(1, 80, message.position))
    batch = batch_of([message], [derived(message, later, event_us=80)])
    apply(store, msgspec.structs.replace(batch, states=(place(merged),)))
    assert codec.encode(store.state(grant, "e1")) == codec.encode(merged)


def test_what_a_worker_wrote_is_not_read_again(store: PostgresStore) -> None:
    grant = everyone(store)
    store.land([arrival(i, "p1") for i in range(2)])
    lanes = store.claim("w", 64)
    batch = batch_of(store.pending(grant, lanes, 1))
    apply(store, batch)
    (placed,), (view,) = batch.states, batch.views
    found = store.prefetch(grant, wanted_of(batch))
    assert found.states[placed.state.id] is placed.state
    assert found.views[view.key] is view
