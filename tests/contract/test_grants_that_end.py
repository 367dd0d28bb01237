"""A worker whose grant ends under a batch: nothing was written, and the next try has another."""

from __future__ import annotations

import threading

import pytest
from tests.support.batches import arrival, everyone
from tests.support.clock import FakeClock
from tests.support.derive import PID, text
from tests.support.postgres import StoreFactory

from chartloom import hot
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.message import Format
from chartloom.domain.store import MessageFilter
from chartloom.normalize import load_mapping

TTL_S = 60.0


def test_a_grant_that_ends_in_a_commit_is_replaced(
    store_factory: StoreFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "_WAIT_S", 0.0)
    clock = FakeClock()
    store = store_factory(clock=clock)
    store.land([arrival(1, "p1", feed="his", body=text("ADT^A28", PID))])
    minted: list[Grant] = []

    def source() -> Grant:
        if not minted or minted[-1].expires_at_us <= clock.now_us():
            minted.append(store.guard.mint("worker", Purpose.OPERATIONS, ttl_s=TTL_S))
        return minted[-1]

    stop = threading.Event()
    feed = Feed("his", "Admission", "Registration", "mllp", Format.HL7V2)
    worker = hot.Worker(
        store,
        {"his": (feed, load_mapping("hl7v2"))},
        store.guard.namespace,
        clock,
        source,
        "w",
        64,
        when_idle=stop.set,
    )
    prefetch, slow = store.prefetch, [True]

    def slowly(grant: Grant, wanted: object) -> object:
        found = prefetch(grant, wanted)
        if slow:
            slow.clear()
            clock.time_us += int(TTL_S * 1e6)
        return found

    monkeypatch.setattr(store, "prefetch", slowly)
    worker.run(stop)
    assert len(minted) == 2
    (row,) = store.search(everyone(store), MessageFilter())
    assert (row.state, row.quarantine) == ("applied", "")
