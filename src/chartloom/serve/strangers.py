"""Requests that are refused to callers nobody knows: counted, and on record once a minute.

One event for each would let whoever is outside fill the record; none would hide that they try.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import StoreUnavailable

EVERY_S: Final = 60.0
_log = logging.getLogger(__name__)


class Strangers:
    """Counts by reason, in the event loop. ``record`` writes one event: a code, and how many."""

    def __init__(self, record: Callable[[str, int], None], every_s: float = EVERY_S) -> None:
        self._record, self._every_s = record, every_s
        self._counted: Counter[str] = Counter()
        self._soon: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def count(self, why: str) -> None:
        """One more was refused. why: a code, of which there are few."""
        self._counted[why] += 1
        if self._soon is None or self._soon.done():
            self._soon = asyncio.get_running_loop().create_task(self._later())
            self._soon.add_done_callback(_told)

    async def flush(self) -> None:
        """Writes what was counted. What is not written, whatever the reason, is kept for the next
        time; that the record or the store is away is no error here, for readers are told so."""
        async with self._writing:
            for why, count in list(self._counted.items()):
                try:
                    await run_in_threadpool(self._record, why, count)
                except (AuditUnavailable, StoreUnavailable):
                    return
                self._counted[why] -= count
                if not self._counted[why]:
                    del self._counted[why]

    async def _later(self) -> None:
        while self._counted:
            await asyncio.sleep(self._every_s)
            await self.flush()


def _told(task: asyncio.Task[None]) -> None:
    """Nobody waits for the task: what ended it is said where the operator looks."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        _log.error(
            "Refused requests of strangers could not be put on record (%s). They stay counted and "
            "are tried again with the next one; if this comes back, look at the store's log.",
            type(error).__name__,
        )
