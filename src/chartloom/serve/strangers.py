"""Requests that are refused to callers nobody knows: counted, and on record once a minute.

One event for each would let whoever is outside fill the record; none would hide that they try.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import StoreUnavailable

EVERY_S: Final = 60.0


class Strangers:
    """Counts by reason, in the event loop. ``record`` writes one event: a code, and how many."""

    def __init__(self, record: Callable[[str, int], None], every_s: float = EVERY_S) -> None:
        self._record, self._every_s = record, every_s
        self._counted: Counter[str] = Counter()
        self._soon: asyncio.Task[None] | None = None

    def count(self, why: str) -> None:
        """One more was refused. why: a code, of which there are few."""
        self._counted[why] += 1
        if self._soon is None or self._soon.done():
            self._soon = asyncio.get_running_loop().create_task(self._later())

    async def flush(self) -> None:
        """Writes what was counted; what cannot be written now is kept for the next time."""
        counted, self._counted = self._counted, Counter()
        while counted:
            why, count = counted.popitem()
            try:
                await run_in_threadpool(self._record, why, count)
            except (AuditUnavailable, StoreUnavailable):
                self._counted += counted + Counter({why: count})
                return

    async def _later(self) -> None:
        while self._counted:
            await asyncio.sleep(self._every_s)
            await self.flush()
