"""Counters per feed, kept as plain numbers and shown to Prometheus when it asks. No PHI."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

#: Upper bounds of the latency buckets, in seconds.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class FeedStats:
    """What one feed received, and how fast it was durable.

    outcomes: messages by landing outcome. answers: by acknowledgement or HTTP status. events: by
    code of :mod:`~chartloom.sources.events`. latency: received to durable, counts per bucket.
    """

    __slots__ = (
        "answers",
        "connections",
        "connections_total",
        "events",
        "garbage_bytes",
        "in_flight",
        "last_received_at_us",
        "latency_counts",
        "latency_sum_s",
        "outcomes",
        "paused",
        "received_bytes",
    )

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.received_bytes = 0
        self.garbage_bytes = 0
        self.connections = 0
        self.connections_total = 0
        self.in_flight = 0
        self.paused = 0  #: how often reading from a sender was stopped
        self.last_received_at_us = 0
        self.latency_counts = [0] * (len(BUCKETS_S) + 1)
        self.latency_sum_s = 0.0

    def durable(self, outcome: str, size_bytes: int, received_at_us: int, now_us: int) -> None:
        """Books one durable message."""
        self.outcomes[outcome] += 1
        self.received_bytes += size_bytes
        self.last_received_at_us = received_at_us
        latency_s = max(0, now_us - received_at_us) / 1e6
        self.latency_counts[bisect_left(BUCKETS_S, latency_s)] += 1
        self.latency_sum_s += latency_s

    @property
    def durable_count(self) -> int:
        """Messages made durable or known as duplicates."""
        return self.outcomes.total()


class IngestCollector(Collector):
    """Turns the counters into Prometheus metrics at scrape time."""

    def __init__(self, stats: Mapping[str, FeedStats]) -> None:
        self._stats = stats

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names are fixed, the registry need not collect at registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics of all feeds."""
        yield from (
            self._counts("messages", "Messages by landing outcome.", "outcome", "outcomes"),
            self._counts("answers", "Answers by code.", "code", "answers"),
            self._counts("events", "Irregularities by code.", "code", "events"),
        )
        received = CounterMetricFamily(
            "chartloom_ingest_received_bytes", "Bytes of durable messages.", labels=["feed"]
        )
        garbage = CounterMetricFamily(
            "chartloom_ingest_garbage_bytes", "Bytes outside of frames.", labels=["feed"]
        )
        paused = CounterMetricFamily(
            "chartloom_ingest_paused", "How often reading was stopped.", labels=["feed"]
        )
        connections = GaugeMetricFamily(
            "chartloom_ingest_connections", "Open connections.", labels=["feed"]
        )
        in_flight = GaugeMetricFamily(
            "chartloom_ingest_in_flight", "Messages received, not yet durable.", labels=["feed"]
        )
        last = GaugeMetricFamily(
            "chartloom_ingest_last_received_seconds", "When last received.", labels=["feed"]
        )
        latency = HistogramMetricFamily(
            "chartloom_ingest_durable_seconds", "Received to durable.", labels=["feed"]
        )
        for feed, s in self._stats.items():
            received.add_metric([feed], s.received_bytes)
            garbage.add_metric([feed], s.garbage_bytes)
            paused.add_metric([feed], s.paused)
            connections.add_metric([feed], s.connections)
            in_flight.add_metric([feed], s.in_flight)
            last.add_metric([feed], s.last_received_at_us / 1e6)
            latency.add_metric([feed], list(_cumulative(s.latency_counts)), s.latency_sum_s)
        yield from (received, garbage, paused, connections, in_flight, last, latency)

    def _counts(self, name: str, text: str, label: str, attribute: str) -> Metric:
        family = CounterMetricFamily(f"chartloom_ingest_{name}", text, labels=["feed", label])
        for feed, s in self._stats.items():
            for key, count in getattr(s, attribute).items():
                family.add_metric([feed, str(key)], count)
        return family


def _cumulative(counts: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    bounds = [*(str(b) for b in BUCKETS_S), "+Inf"]
    for bound, count in zip(bounds, counts, strict=True):
        total += count
        yield bound, float(total)
