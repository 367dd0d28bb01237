"""What the worker's loop outlives: whatever the store may say, the process goes on."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.memory_lanes import MemoryLanes

from chartloom import hot
from chartloom.domain.errors import BatchRefused, ChartloomError, LimitExceeded, StoreDamaged
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message

GRANT = Grant("test", Purpose.OPERATIONS, EVERYONE, ("*",), 2**62, "g")


class Ailing(MemoryLanes):
    """Its first reads fail; then it works, and asks the worker to stop when nothing is left."""

    def __init__(self, errors: list[ChartloomError], stop: threading.Event) -> None:
        super().__init__()
        self.errors, self.stop = errors, stop

    def pending(self, grant: Grant, lanes: Sequence[int], limit: int) -> list[Message]:
        if self.errors:
            raise self.errors.pop()
        return super().pending(grant, lanes, limit)

    def wait(self, timeout_s: float) -> bool:
        self.stop.set()
        return False


@pytest.mark.parametrize("error", [StoreDamaged("x"), LimitExceeded("x"), BatchRefused("x")])
def test_the_loop_goes_on_after(error: ChartloomError, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hot, "_WAIT_S", 0.0)
    stop = threading.Event()
    store = Ailing([error, error], stop)
    store.log = [Message(n, "unknown", b"", 7, b"", 0, fault="worker-died") for n in (1, 2)]
    mappings: dict[str, Any] = {}
    worker = hot.Worker(store, mappings, EXAMPLE_NAMESPACE, FakeClock(), lambda: GRANT, "w", 4)
    worker.run(stop)
    assert {p: d.quarantine for p, d in store.derived.items()} == {
        1: "worker-died",
        2: "worker-died",
    }


class Paused(threading.Event):
    """Notes for how long somebody waits for it, and lets nobody wait."""

    def __init__(self) -> None:
        super().__init__()
        self.waits_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits_s.append(timeout or 0.0)
        return self.is_set()


def test_batches_begin_at_a_pace_while_messages_keep_coming() -> None:
    stop = Paused()
    store = Ailing([], stop)
    store.log = [Message(n, "unknown", b"", 7, b"", 0, fault="worker-died") for n in (1, 2, 3)]
    worker = hot.Worker(store, {}, EXAMPLE_NAMESPACE, FakeClock(), lambda: GRANT, "w", 4, 1)
    worker.run(stop)
    assert len(store.derived) == 3
    assert len(stop.waits_s) == 3
    assert all(0 <= s <= hot._PACE_S for s in stop.waits_s)


def test_a_batch_too_slow_for_the_store_is_halved() -> None:
    store = MemoryLanes()
    store.log = [Message(n, "unknown", b"", 7, b"", 0) for n in range(1, 9)]
    sizes: list[int] = []

    def limited(batch: Any) -> None:
        sizes.append(len(batch.messages))
        if len(batch.messages) > 2:
            raise LimitExceeded("too slow")

    store.before_commit = limited
    worker = hot.Worker(store, {}, EXAMPLE_NAMESPACE, FakeClock(), lambda: GRANT, "w", 4)
    assert worker.run_once() == 8
    assert sizes == [8, 4, 2, 2, 4, 2, 2]
    assert len(store.derived) == 8
