"""What a worker remembers saves reading, and never outlives somebody else's writing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.memory_lanes import MemoryLanes

from chartloom.domain.codec import decode, encode
from chartloom.domain.errors import BatchStale, StoreUnavailable
from chartloom.domain.feed import Feed
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, Derived
from chartloom.domain.store import Batch, Prefetched, Wanted
from chartloom.hot import Recent, Worker

GRANT = Grant("test", Purpose.OPERATIONS, EVERYONE, ("*",), 2**62, "g")


class Fields:
    """A mapping whose messages are elements of one stay."""

    name, fingerprint = "fields", "v1"
    files: dict[str, bytes] = {}  # noqa: RUF012

    def derive(self, message: Message, feed: Feed, namespace: Any) -> Derived:
        stay = {"resourceType": "Encounter", "id": "e1", **decode(message.body)}
        said = (Contribution(stay, "p"),)
        return Derived(message.position, "a", "", "", message.position, "p", said)


class CheckedLanes(MemoryLanes):
    """Refuses, like the real store, a batch that was folded on rows that have changed since."""

    def __init__(self) -> None:
        super().__init__()
        self.revision: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        self.reads: list[int] = []

    def prefetch(self, grant: Grant, wanted: Wanted) -> Prefetched:
        self.reads.append(len(wanted.resource_ids))
        self.seen |= {id: self.revision.get(id, 0) for id in wanted.resource_ids}
        return super().prefetch(grant, wanted)

    def commit(self, batch: Batch) -> None:
        ids = [placed.state.id for placed in batch.states]
        if any(self.seen[id] != self.revision.get(id, 0) for id in ids):
            raise BatchStale("somebody else wrote", ids=ids)
        super().commit(batch)
        self.revision |= {id: self.revision.get(id, 0) + 1 for id in ids}
        self.seen |= {id: self.revision[id] for id in ids}


def worker(store: MemoryLanes) -> Worker:
    mappings: Any = {"a": (Feed("a", "it", "it", "mllp", Format.HL7V2), Fields())}
    return Worker(store, mappings, EXAMPLE_NAMESPACE, FakeClock(), lambda: GRANT, "w", 4)


def tell(store: MemoryLanes, at_work: Worker, position: int, **elements: Any) -> None:
    store.log.append(Message(position, "a", encode(elements), 7, b"", 0, source_patient="p"))
    at_work.run_once()


def test_a_patient_in_hand_is_not_read_again() -> None:
    store = CheckedLanes()
    one = worker(store)
    tell(store, one, 1, status="planned", priority={"text": "x"})
    tell(store, one, 2, status="finished")
    assert store.reads == [1]
    held = store.state("e1").resource
    assert (held["status"], held["priority"]) == ("finished", {"text": "x"})


def test_what_another_worker_wrote_is_not_lost() -> None:
    store = CheckedLanes()
    one = worker(store)
    tell(store, one, 1, status="planned")
    others = CheckedLanes()  # another worker's view of the same rows
    others.states, others.views, others.revision = store.states, store.views, store.revision
    others.cursor = store.cursor
    tell(others, worker(others), 2, priority={"text": "theirs"})
    store.revision = others.revision
    tell(store, one, 3, status="finished")
    held = store.state("e1").resource
    assert (held["status"], held["priority"]) == ("finished", {"text": "theirs"})
    assert held["meta"]["versionId"] == "3"
    assert store.reads == [1, 1]


def test_nothing_is_remembered_of_a_commit_that_failed() -> None:
    store = CheckedLanes()
    one = worker(store)
    tell(store, one, 1, status="planned")

    def unavailable(batch: Batch) -> None:
        raise StoreUnavailable("gone")

    store.before_commit = unavailable
    with pytest.raises(StoreUnavailable):
        tell(store, one, 2, status="finished")
    store.before_commit = lambda batch: None
    one.run_once()
    assert store.reads == [1, 1]
    assert store.state("e1").resource["status"] == "finished"


def test_memory_is_bounded_and_keeps_what_was_written_last() -> None:
    store = MemoryLanes()
    one = worker(store)
    tell(store, one, 1, status="planned")
    (batch,) = store.batches
    recent = Recent(states_max=1, views_max=0)
    recent.committed(batch)
    assert (list(recent.states), recent.views) == (["e1"], {})
    assert recent.missing(Wanted(frozenset({"e1", "e2"}), frozenset())).resource_ids == {"e2"}
