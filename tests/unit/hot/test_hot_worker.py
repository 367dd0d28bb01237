"""The worker's conduct when things go wrong, against lanes in memory."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.support.clock import FakeClock
from tests.support.memory_lanes import MemoryLanes

from chartloom.domain.codec import encode
from chartloom.domain.errors import BatchStale
from chartloom.domain.feed import Feed
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.issues import CATALOGUE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, Derived
from chartloom.domain.store import Batch
from chartloom.hot import BatchReport, Worker

GRANT = Grant("test", Purpose.OPERATIONS, EVERYONE, ("*",), 2**62, "g")


class Echo:
    """A mapping that makes one Encounter per message; some bodies trip it."""

    def __init__(self, fingerprint: str = "v1") -> None:
        self.name, self.fingerprint, self.files = "echo", fingerprint, dict[str, bytes]()

    def derive(self, message: Message, feed: Feed, namespace: Any) -> Derived:
        if message.body == b"trip":
            raise KeyError("DOE^JANE")
        resource: dict[str, Any] = {"resourceType": "Encounter", "id": f"e{message.position}"}
        resource |= {"status": "finished", "class": {"code": "AMB"}}
        if message.body == b"poison":
            resource["period"] = "not an object"
        contribution = Contribution(resource, message.source_patient)
        return Derived(message.position, message.feed, "", "", 1, "p", (contribution,))


def feed(name: str) -> Feed:
    return Feed(name, "it", "it", "mllp", Format.HL7V2)


def message(position: int, body: bytes = b"", feed: str = "a", lane: int = 0) -> Message:
    return Message(position, feed, body, 7, b"", lane, source_patient="p")


def at_work(store: MemoryLanes, *log: Message, reports: Any = None) -> Worker:
    mappings: Any = {"a": (feed("a"), Echo()), "b": (feed("b"), Echo("v2"))}
    store.log = list(log)
    worker = Worker(
        store,
        mappings,
        EXAMPLE_NAMESPACE,
        FakeClock(),
        lambda: GRANT,
        "w",
        4,
        on_batch=reports.append if reports is not None else None,
    )
    while worker.run_once():
        pass
    return worker


@pytest.mark.parametrize("size", [1, 2, 7, 30])
def test_only_what_the_store_refuses_is_quarantined(size: int) -> None:
    bad = frozenset({1, size // 2 + 1})
    store = MemoryLanes(refuse=bad)
    at_work(store, *(message(n) for n in range(1, size + 1)))
    assert {p for p, d in store.derived.items() if d.quarantine} == bad
    assert {d.quarantine for d in store.derived.values()} <= {"", "store-refused"}
    assert len(store.states) == size - len(bad)
    assert store.cursor[0] == size


def test_faults_name_their_place_and_never_their_text() -> None:
    store = MemoryLanes()
    at_work(store, message(1), message(2, b"trip"), message(3, b"poison"), message(4))
    assert sorted(store.states) == ["e1", "e4"]
    for position in (2, 3):
        derived = store.derived[position]
        (issue,) = derived.issues
        assert derived.quarantine == issue.code == "internal-fault"
        assert " at " in issue.detail
        assert "DOE" not in issue.detail
        assert derived.event_us == 7
    assert store.derived[2].issues[0].detail.startswith("KeyError at test_hot_worker:")


def test_versions_are_committed_apart_and_lanes_stay_in_order() -> None:
    store = MemoryLanes()
    log = [
        message(1, feed="a", lane=1),
        message(2, feed="b", lane=1),
        message(3, feed="a", lane=1),
        message(4, feed="a", lane=2),
        message(5, feed="gone", lane=3),
    ]
    at_work(store, *log)
    assert [[d.position for d in b.derived] for b in store.batches] == [[1, 4], [2], [3], [5]]
    assert [b.project_version for b in store.batches] == ["v1", "v2", "v1", ""]
    assert store.derived[5].quarantine == "feed-unknown"


def test_a_stale_batch_is_read_and_folded_again() -> None:
    store = MemoryLanes()
    tries: list[int] = []

    def stale_twice(batch: Batch) -> None:
        tries.append(len(batch.messages))
        if len(tries) < 3:
            raise BatchStale("somebody else wrote")

    store.before_commit = stale_twice
    at_work(store, message(1))
    assert (tries, sorted(store.states)) == ([1, 1, 1], ["e1"])


def test_a_fault_of_the_store_itself_is_not_blamed_on_messages() -> None:
    store = MemoryLanes()

    def broken(batch: Batch) -> None:
        raise OSError("disk full")

    store.before_commit = broken
    with pytest.raises(OSError, match="disk full"):
        at_work(store, message(1), message(2))
    assert store.derived == {}


def test_a_store_that_refuses_even_the_bare_record_stops_the_worker() -> None:
    store = MemoryLanes()

    def broken(batch: Batch) -> None:
        raise ValueError("always")

    store.before_commit = broken
    with pytest.raises(ValueError, match="always"):
        at_work(store, message(1), message(2))
    assert store.derived == {}


def test_reused_control_ids_are_issues_and_reports_count_them() -> None:
    store, reports = MemoryLanes(), list[BatchReport]()
    conflict = msgspec.structs.replace(message(2), conflict=True)
    at_work(store, message(1), conflict, message(3, b"trip"), reports=reports)
    assert [i.code for i in store.derived[2].issues] == ["control-id-reused"]
    assert all(i.code in CATALOGUE for d in store.derived.values() for i in d.issues)
    (report,) = reports
    assert (report.messages, report.quarantined, report.issues) == (3, 1, 2)
    assert (report.states, report.views) == (2, 1)
    assert encode(report)
