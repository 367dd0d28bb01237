"""Of whom nothing is written, nothing is read before it is; whoever was first is noticed."""

from __future__ import annotations

import pytest
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient, wanted_of
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import BatchStale
from chartloom.domain.grant import Grant
from chartloom.domain.message import Message
from chartloom.engines.postgres import PostgresStore


def _begun(store: PostgresStore, grant: Grant, lanes: list[int], *wants: str) -> list[Message]:
    """Messages from ``wants``, read by a worker that has consumed one of nobody before."""
    (first,) = store.pending(grant, lanes, 1)
    nothing = batch_of([first], [derived(first, quarantine="unreadable")])
    store.commit(nothing)
    store.land([arrival(1_000 + 100 * lanes[0] + n, name) for n, name in enumerate(wants)])
    return store.pending(grant, lanes, 50)


def test_who_was_told_of_meanwhile_is_noticed_and_read(
    store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = store_factory()
    two = store_factory.second(one)
    one.land([arrival(1, "x"), arrival(2, "y")])
    lane_x, lane_y = one.lane_of("lab", "x"), one.lane_of("lab", "y")
    assert lane_x != lane_y
    for store, name, mine in ((one, "a", lane_x), (two, "b", lane_y)):
        monkeypatch.setattr(store, "_fair_share", lambda conn: 64)
        store.claim(name, 64)
        with store._lane.use() as conn:  # keep exactly one lane each
            store._give(conn, [lane for lane in store._held if lane != mine])
    grant = everyone(one)
    (mx,) = _begun(one, grant, [lane_x], "x")
    (my,) = _begun(two, grant, [lane_y], "y")
    about_x = batch_of([my], [derived(my, patient("x"))])
    two.prefetch(grant, wanted_of(about_x))
    two.commit(about_x)
    batch = batch_of([mx])
    found = one.prefetch(grant, wanted_of(batch))
    assert (found.states, found.views) == ({}, {})  # it is there, and was not asked for
    with pytest.raises(BatchStale):
        one.commit(batch)
    assert set(one.prefetch(grant, wanted_of(batch)).states) == {"x"}
    one.commit(batch)
    assert one.state(grant, "x").stamps["id"].position == mx.position


def test_what_the_first_of_several_wrote_is_read_for_the_next(store: PostgresStore) -> None:
    grant = everyone(store)
    store.land([arrival(1, "x")])
    first, second = _begun(store, grant, store.claim("w", 64), "x", "x")
    apply(store, batch_of([first]))
    store._revisions.clear()  # as when there is no room to remember it
    found = store.prefetch(grant, wanted_of(batch_of([second])))
    assert set(found.states) == {"x"}
    assert len(found.views) == 1


def test_of_many_at_once_all_is_read(store: PostgresStore) -> None:
    """Of the ninth and those after it, it is not asked whether anything is written of them."""
    grant = everyone(store)
    names = [f"n{i}" for i in range(12)]
    store.land([arrival(1, "n11")])
    messages = _begun(store, grant, store.claim("w", 64), *names)
    assert len(messages) == len(names)
    assert store._untold == set(names[:8])
