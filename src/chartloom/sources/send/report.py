"""What became of what was sent."""

from __future__ import annotations

from array import array
from collections import Counter

import msgspec


class Latency(msgspec.Struct, frozen=True):
    """Sent to answered, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class SendReport(msgspec.Struct):
    """Counts and times of one run; also what progress callbacks get while it goes on.

    sent_count: messages written at least once. answers: by code (``AA``, ``AR``, ``202`` ...).
    silent_count: messages that asked for no answer. accepted_count, refused_count: by final answer.
    unanswered_count: given up on after all retries. failure: why the run ended early, "" if it did
    not.
    """

    sent_count: int = 0
    sent_bytes: int = 0
    accepted_count: int = 0
    refused_count: int = 0
    silent_count: int = 0
    unanswered_count: int = 0
    resent_count: int = 0
    reconnect_count: int = 0
    elapsed_s: float = 0.0
    failure: str = ""
    answers: Counter[str] = msgspec.field(default_factory=Counter)
    latencies_s: array[float] = msgspec.field(default_factory=lambda: array("f"))

    @property
    def is_complete(self) -> bool:
        """Every message was accepted, or asked for no answer."""
        return not (self.failure or self.refused_count or self.unanswered_count)

    @property
    def rate_per_s(self) -> float:
        """Accepted messages per second."""
        return self.accepted_count / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def latency(self) -> Latency | None:
        """Percentiles, None if nothing was answered. Sorts, so not for every progress call."""
        if not self.latencies_s:
            return None
        ordered = sorted(self.latencies_s)
        last = len(ordered) - 1
        p50, p95, p99 = (1000 * ordered[round(last * q)] for q in (0.5, 0.95, 0.99))
        return Latency(p50, p95, p99, 1000 * ordered[-1])
