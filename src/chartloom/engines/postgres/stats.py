"""Counts and latencies per feed and minute, kept by each writer session in rows of its own."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_MINUTE_US = 60_000_000
#: Bucket ``i`` holds latencies up to ``0.1 ms * 2**(i/4)``: 19 % wide, from 0.1 ms to 20 min.
BUCKETS = 96
_PACK = struct.Struct(f"!{BUCKETS}I")
_FIRST_MS = 0.1
_KEEP_MINUTES = 3


def bucket_of(latency_us: int) -> int:
    """The bucket of a latency."""
    if latency_us <= _FIRST_MS * 1000:
        return 0
    return min(BUCKETS - 1, math.ceil(4 * math.log2(latency_us / (_FIRST_MS * 1000))))


def percentile_ms(histogram: Sequence[int], share: float) -> float:
    """The latency below which ``share`` of all lie (upper edge of the bucket), -1 if none."""
    total = sum(histogram)
    if not total:
        return -1.0
    need, seen = share * total, 0
    for i, count in enumerate(histogram):
        seen += count
        if seen >= need:
            return float(_FIRST_MS * 2 ** (i / 4))
    raise AssertionError("unreachable")


def add_histograms(packed: Iterable[bytes]) -> list[int]:
    """The sum of packed histograms."""
    total = [0] * BUCKETS
    for row in packed:
        for i, count in enumerate(_PACK.unpack(row)):
            total[i] += count
    return total


class Applied(msgspec.Struct, frozen=True):
    """What the statistics need to know of one consumed message. latency_us: -1 if not live."""

    feed: str
    issue_count: int
    quarantined: bool
    event_us: int
    latency_us: int


class _Minute:
    """One row in the making: totals of this session for a feed and minute."""

    __slots__ = ("applied", "histogram", "issues", "last_event_us", "quarantined")

    def __init__(self) -> None:
        self.applied = self.quarantined = self.issues = self.last_event_us = 0
        self.histogram = [0] * BUCKETS

    def add(self, item: Applied, sign: int, now_us: int = 0) -> None:
        self.applied += sign * (not item.quarantined)
        self.quarantined += sign * item.quarantined
        self.issues += sign * item.issue_count
        # What is held tells the chart nothing new, and nothing can be news of tomorrow: a wrong
        # year would keep a feed fresh for good.
        if not item.quarantined:
            self.last_event_us = max(self.last_event_us, min(item.event_us, now_us))
        if item.latency_us >= 0:
            self.histogram[bucket_of(item.latency_us)] += sign


class FeedMinutes:
    """The session's running rows. They are written as totals, so nobody else may write them."""

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self._rows: dict[tuple[str, int], _Minute] = {}
        self._added: Sequence[Applied] = ()
        self._minute = 0  # never goes back: a row that was dropped must not begin again from zero

    def rows(self, now_us: int, items: Sequence[Applied]) -> list[tuple[Any, ...]]:
        """Adds a batch and returns the touched rows of ``feed_minute_out``.

        Call :meth:`undo` if its transaction fails.
        """
        self._added = items
        minute = self._minute = max(self._minute, now_us // _MINUTE_US)
        for key in [k for k in self._rows if k[1] < minute - _KEEP_MINUTES]:
            del self._rows[key]
        touched = sorted({(item.feed, minute) for item in items})
        for item in items:
            self._rows.setdefault((item.feed, minute), _Minute()).add(item, 1, now_us)
        return [self._row(*key) for key in touched]

    def _row(self, feed: str, minute: int) -> tuple[Any, ...]:
        row = self._rows[feed, minute]
        return (
            feed,
            minute,
            self.shard,
            row.applied,
            row.quarantined,
            row.issues,
            row.last_event_us,
            _PACK.pack(*row.histogram),
        )

    def undo(self) -> None:
        """Takes the last batch out again, if it was added and not yet :meth:`settle`-d."""
        for item in self._added:
            self._rows[(item.feed, self._minute)].add(item, -1)
        self._added = ()

    def settle(self) -> None:
        """The last batch is durable."""
        self._added = ()
