"""The ``AuditLog`` port in memory, with the failures and delays that tests ask for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event, Lock

from chartloom.domain.audit import GENESIS, AuditEntry, AuditUnavailable, LogEnd, LoggedEvent
from chartloom.guard.audit import chain


class MemoryAudit:
    """A log; ``groups`` holds the size of every append. ``gate`` cleared: it blocks, ``busy``."""

    def __init__(self) -> None:
        self.events: list[LoggedEvent] = []
        self.groups: list[int] = []
        self.fail: BaseException | None = None
        self.delay_s = 0.0
        self._lock = Lock()
        self.gate, self.busy = Event(), Event()
        self.gate.set()

    def append(self, entries: Sequence[AuditEntry]) -> LogEnd:
        with self._lock:
            self.busy.set()
            self.gate.wait()
            time.sleep(self.delay_s)
            if self.fail is not None:
                raise self.fail
            end = self.end()
            self.events += chain(end.size, end.last_hash, entries)
            self.groups.append(len(entries))
            return self.end()

    def read(self, after: int, limit: int) -> list[LoggedEvent]:
        return self.events[after : after + limit]

    def end(self) -> LogEnd:
        if not self.events:
            return LogEnd(0, GENESIS, 0)
        return LogEnd(len(self.events), self.events[-1].hash, self.events[-1].at_us)


DOWN = AuditUnavailable("the store is down.")
