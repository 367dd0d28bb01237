"""Group commit: arrivals of all connections gather while the previous group is being landed.

One thread calls ``Landing.land`` with one group at a time, so the order of submission is the order
of the log, and one durable commit serves everybody who waited meanwhile. The queue is bounded:
beyond it :attr:`GroupCommitter.congested` is true, and sources stop reading from their sockets.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from chartloom.domain.errors import LandingRefused, StoreUnavailable
from chartloom.domain.message import Arrival, Receipt
from chartloom.domain.ports import Landing
from chartloom.sources.common import Done, Landed

_LOG = logging.getLogger(__name__)
_RETRY_FIRST_S, _RETRY_MAX_S = 0.05, 1.0

_Waiting = tuple[Arrival, Done]
_Answers = list[Receipt | LandingRefused]


class GroupCommitter:
    """Implements :class:`~chartloom.sources.common.Lander` over any ``Landing``.

    waiting_max, waiting_bytes_max: messages and bytes on their way (queued and being landed) from
    which on the committer is congested; the first arrival is always taken, whatever its size.
    group_max, group_bytes_max: the most that one ``land`` call gets. gather_s: how long after a
    commit the next group may wait for those who were just answered to send again, since a commit
    costs about the same for one message as for fifty. As many as were on their way then are
    expected, and when they are there nobody waits longer; a lone sender never waits. patience_s:
    how long a group is tried again while the store is away before its senders are told; short
    interruptions of the store are so invisible to them.

    Where one message of a group cannot be kept, the group is halved until it is found; only its
    sender is told. Any error other than these is a defect: the arrivals concerned are refused, and
    :attr:`failure` resolves with it so that the process can end loudly.
    """

    def __init__(
        self,
        landing: Landing,
        *,
        waiting_max: int = 4096,
        waiting_bytes_max: int = 64 * 1024 * 1024,
        group_max: int = 512,
        group_bytes_max: int = 16 * 1024 * 1024,
        gather_s: float = 0.0,
        patience_s: float = 5.0,
    ) -> None:
        self._landing = landing
        self._waiting_max, self._waiting_bytes_max = waiting_max, waiting_bytes_max
        self._group_max, self._group_bytes_max = group_max, group_bytes_max
        self._gather_s, self._patience_s = gather_s, patience_s
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="landing")
        self._stopping = threading.Event()
        self._queue: deque[_Waiting] = deque()
        self._resumes: deque[Callable[[], None]] = deque()
        self._busy = False
        self._settled_s = 0.0
        self._expected_count = 1  #: as many were on their way when the last group was durable
        self._gathering: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.failure: asyncio.Future[None] = self._loop.create_future()
        self.waiting_count = 0  #: messages queued or being landed
        self.waiting_bytes = 0
        self.group_count = 0
        self.landed_count = 0
        self.unavailable_count = 0  #: groups that had to be refused

    @property
    def congested(self) -> bool:
        """True while sources must stop reading."""
        return (
            self.waiting_count >= self._waiting_max or self.waiting_bytes >= self._waiting_bytes_max
        )

    def submit(self, arrival: Arrival, done: Done) -> None:
        """Queues ``arrival``; ``done`` runs in the loop when it is durable or refused."""
        self._queue.append((arrival, done))
        self.waiting_count += 1
        self.waiting_bytes += len(arrival.body)
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._schedule()
        elif self._gathering is not None and len(self._queue) >= self._expected_count:
            self._gathering.cancel()
            self._gathering = None
            self._loop.call_soon(self._hand_over)

    def when_clear(self, resume: Callable[[], None]) -> None:
        """Runs ``resume`` once there is room again."""
        self._resumes.append(resume)
        if not self.congested:
            self._loop.call_soon(self._wake)

    async def close(self) -> None:
        """Lands or refuses all that is queued, then ends the thread. Nothing may be submitted."""
        self._stopping.set()
        await self._idle.wait()
        self._thread.shutdown(wait=True)
        if not self.failure.done():
            self.failure.cancel()

    def _schedule(self) -> None:
        # Not at once: what is submitted in this turn of the loop shall be one group.
        wait_s = self._settled_s + self._gather_s - self._loop.time()
        more = len(self._queue) < self._expected_count and not self.congested
        if wait_s > 0 and more and not self._stopping.is_set():
            self._gathering = self._loop.call_later(wait_s, self._hand_over)
        else:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        self._gathering = None
        group: list[_Waiting] = []
        size = 0
        queue = self._queue
        while queue and len(group) < self._group_max:
            size += len(queue[0][0].body)
            if group and size > self._group_bytes_max:
                break
            group.append(queue.popleft())
        landing = self._thread.submit(self._land, [arrival for arrival, _ in group])
        landing.add_done_callback(
            lambda future: self._loop.call_soon_threadsafe(self._settle, group, future)
        )

    def _land(self, arrivals: Sequence[Arrival]) -> _Answers:
        """In the thread: lands with patience. Trying again is safe, the landing knows duplicates
        by feed, control id and bytes, even if the first try was committed and its answer lost."""
        give_up_s = time.monotonic() + self._patience_s
        pause_s = _RETRY_FIRST_S
        while True:
            try:
                return [*self._landing.land(arrivals)]
            except LandingRefused as refusal:
                if len(arrivals) == 1:
                    _LOG.error(
                        "a message cannot be kept", extra={"chartloom": {"why": refusal.what}}
                    )
                    return [refusal]
                half = len(arrivals) // 2
                return self._land(arrivals[:half]) + self._land(arrivals[half:])
            except StoreUnavailable:
                if time.monotonic() + pause_s > give_up_s or self._stopping.wait(pause_s):
                    raise
                pause_s = min(2 * pause_s, _RETRY_MAX_S)

    def _settle(self, group: list[_Waiting], future: Future[_Answers]) -> None:
        error = future.exception()
        outcomes: Sequence[Landed]
        if error is None:
            outcomes = future.result()
            if len(outcomes) != len(group):
                error = AssertionError(f"{len(outcomes)} receipts for {len(group)} arrivals")
        if error is not None:
            outcomes = [self._refusal(error, len(group))] * len(group)
        self.group_count += 1
        self.landed_count += sum(isinstance(outcome, Receipt) for outcome in outcomes)
        self.waiting_count -= len(group)
        self.waiting_bytes -= sum(len(arrival.body) for arrival, _ in group)
        self._settled_s = self._loop.time()
        self._expected_count = min(len(group) + len(self._queue), self._group_max)
        if self._queue:
            self._schedule()
        else:
            self._busy = False
            self._idle.set()
        told = False
        try:
            for (_, done), outcome in zip(group, outcomes, strict=True):
                done(outcome)
            told = True
        finally:  # a defect in a source must not leave senders waiting in silence
            if not told and not self.failure.done():
                self.failure.set_exception(RuntimeError("a source failed to answer"))
        self._wake()

    def _refusal(self, error: BaseException, count: int) -> StoreUnavailable:
        self.unavailable_count += 1
        if isinstance(error, StoreUnavailable):
            _LOG.warning(
                "the store is not available", extra={"chartloom": {"refused_count": count}}
            )
            return error
        if not self.failure.done():
            self.failure.set_exception(error)
        return StoreUnavailable("The landing failed.", cure="See the log of the ingest process.")

    def _wake(self) -> None:
        # Each one may fill the queue again, hence the check before every call.
        for _ in range(len(self._resumes)):
            if self.congested or not self._resumes:
                return
            self._resumes.popleft()()
