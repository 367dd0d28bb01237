"""Group commit of audit events: many threads wait together for one durable append.

The rule of the house: first on record, then released. A read collects its events, waits here, and
only then gives the data away; if the log fails, so does the read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from threading import Condition, Thread
from time import monotonic
from typing import Any, Final

from chartloom.domain.audit import AuditEntry, AuditUnavailable
from chartloom.domain.ports import AuditLog
from chartloom.guard.audit.canonical import entry

#: Events written in one append.
GROUP_MAX: Final = 1_000
#: Events that may wait; more are refused, with the reads they are about.
WAITING_MAX: Final = 20_000
#: How long a read waits for its events to be durable.
TIMEOUT_S: Final = 10.0


class Recorder:
    """Takes events from many threads (or tasks) and appends them in groups. One per process.

    gather_s: how long a group waits for company. 0: not at all; while one group is written the next
    gathers by itself, which is enough under load and costs a lonely read nothing.
    """

    def __init__(
        self,
        log: AuditLog,
        *,
        gather_s: float = 0.0,
        group_max: int = GROUP_MAX,
        waiting_max: int = WAITING_MAX,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._log = log
        self._gather_s = gather_s
        self._group_max = group_max
        self._waiting_max = waiting_max
        self._timeout_s = timeout_s
        self._changed = Condition()
        self._waiting: list[tuple[list[AuditEntry], Future[None]]] = []
        self._waiting_events = 0
        self._closed = False
        self._thread = Thread(target=self._run, name="audit-recorder", daemon=True)
        self._thread.start()

    def record(self, *events: Mapping[str, Any]) -> None:
        """Returns when the events are durable.

        Raises ``AuditUnavailable`` if that cannot be said in time: release nothing then.
        """
        if not events:
            return
        promise = self.submit(events)
        try:
            promise.result(self._timeout_s)
        except TimeoutError as error:
            raise AuditUnavailable(
                f"the audit log did not answer within {self._timeout_s} s.",
                cure="See whether the store is up; nothing was shown.",
            ) from error

    def submit(self, events: Iterable[Mapping[str, Any]]) -> Future[None]:
        """Done when the events are durable, failed with ``AuditUnavailable`` if they are not.

        For asyncio: ``await asyncio.wait_for(asyncio.wrap_future(recorder.submit(events)), ...)``.
        """
        entries = [entry(e) for e in events]
        promise: Future[None] = Future()
        promise.set_running_or_notify_cancel()  # a waiter that goes away takes nothing back
        with self._changed:
            if self._closed:
                raise AuditUnavailable("the audit recorder is closed.")
            if self._waiting_events + len(entries) > self._waiting_max:
                raise AuditUnavailable(
                    f"more than {self._waiting_max} audit events wait to be written.",
                    cure="The store is too slow or down; nothing was shown.",
                )
            self._waiting.append((entries, promise))
            self._waiting_events += len(entries)
            self._changed.notify()
        return promise

    def close(self) -> None:
        """Writes what waits, then stops. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next():
            entries = [e for some, _ in group for e in some]
            # Many threads made them: in the log they stand in order of time.
            entries.sort(key=lambda e: e.at_us)
            try:
                self._log.append(entries)
            except AuditUnavailable as error:
                _fail(group, error)
            except BaseException as error:
                # Whatever it is: those who wait must not release anything, and must not hang.
                failure = AuditUnavailable(f"the audit log failed ({type(error).__name__}).")
                failure.__cause__ = error
                _fail(group, failure)
                if not isinstance(error, Exception):
                    raise
            else:
                for _, promise in group:
                    promise.set_result(None)

    def _next(self) -> list[tuple[list[AuditEntry], Future[None]]]:
        """The next group; empty when closed and nothing waits."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            until = monotonic() + self._gather_s
            while not self._closed and self._waiting_events < self._group_max:
                left = until - monotonic()
                if left <= 0 or not self._changed.wait(left):
                    break
            taken = events = 0
            for entries, _ in self._waiting:
                if taken and events + len(entries) > self._group_max:
                    break
                events += len(entries)
                taken += 1
            group, self._waiting = self._waiting[:taken], self._waiting[taken:]
            self._waiting_events -= events
            return group


def _fail(group: list[tuple[list[AuditEntry], Future[None]]], error: AuditUnavailable) -> None:
    for _, promise in group:
        promise.set_exception(error)
