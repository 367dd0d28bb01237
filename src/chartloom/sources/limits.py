"""Explicit limits: rate of a feed, and bytes of unfinished messages over all connections."""

from __future__ import annotations


class TokenBucket:
    """At most ``rate_per_s`` on average, with bursts of one second's worth (at least one)."""

    __slots__ = ("_at_s", "_burst", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = max(1.0, rate_per_s)
        self._tokens = self._burst
        self._at_s = 0.0

    def take(self, count: int, now_s: float) -> bool:
        """True if ``count`` may pass now. A batch larger than the burst passes when the bucket is
        full and leaves a debt, since it could never pass otherwise."""
        if not self._rate_per_s:
            return True
        self._tokens = min(
            self._burst, self._tokens + max(0.0, now_s - self._at_s) * self._rate_per_s
        )
        self._at_s = now_s
        if self._tokens < min(count, self._burst):
            return False
        self._tokens -= count
        return True


class ByteBudget:
    """Bytes of large unfinished messages over all connections of all feeds."""

    __slots__ = ("bytes_max", "used_bytes")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.used_bytes = 0

    def change(self, before: int, after: int) -> bool:
        """Books a holder's change; False if the budget is passed and the holder must let go."""
        self.used_bytes += after - before
        return after <= before or self.used_bytes <= self.bytes_max
