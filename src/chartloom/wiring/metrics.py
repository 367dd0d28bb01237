"""Feed metrics for Prometheus, read from the store, so that every process's work is in them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from chartloom.project.model import ConsoleSettings
    from chartloom.serve import MetricsRule
    from chartloom.wiring.site import OpenSite

#: metric, FeedStatus attribute, help
_COUNTERS = (
    ("chartloom_feed_received", "received_count", "Messages landed."),
    ("chartloom_feed_applied", "applied_count", "Messages applied."),
    ("chartloom_feed_quarantined", "quarantined_count", "Messages that went to quarantine."),
    ("chartloom_feed_duplicates", "duplicate_count", "Messages recognised as sent before."),
    ("chartloom_feed_issues", "issue_count", "Issues found."),
)
_GAUGES = (
    ("chartloom_feed_waiting", "waiting_count", 1.0, "Messages landed, not yet applied."),
    ("chartloom_feed_last_received_s", "last_received_at_us", 1e-6, "Unix time of receipt."),
    ("chartloom_feed_last_event_s", "last_event_us", 1e-6, "Unix time of the newest data."),
    ("chartloom_feed_latency_p50_s", "latency_p50_ms", 1e-3, "Accepted to in the chart, p50."),
    ("chartloom_feed_latency_p99_s", "latency_p99_ms", 1e-3, "Accepted to in the chart, p99."),
)


def metrics_rule(console: ConsoleSettings) -> MetricsRule:
    """Who may read the metrics. Raises ``ConfigurationError`` if the token is not to be had."""
    from chartloom.serve import MetricsRule

    if not console.metrics_token_env:
        return MetricsRule(local=console.metrics_local)
    token = os.environ.get(console.metrics_token_env, "").strip()
    if not token:
        raise ConfigurationError(
            f"The environment variable {console.metrics_token_env} is empty.",
            where="chartloom.toml",
            cure="Put the token for /metrics there, or remove metrics_token_env.",
        )
    return MetricsRule(token)


class FeedCollector(Collector):
    """Asks the store whenever it is scraped. Labels are feed names, never anything of a patient."""

    def __init__(self, opened: OpenSite) -> None:
        self._opened = opened

    def describe(self) -> list[Metric]:
        """Nothing is asked of the store at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """One sample per feed and metric."""
        grant = self._opened.grant(actor="service:metrics", ttl_s=60)
        statuses = self._opened.store.feeds(grant)
        for name, attribute, text in _COUNTERS:
            counter = CounterMetricFamily(name, text, labels=("feed",))
            for status in statuses:
                counter.add_metric((status.feed,), getattr(status, attribute))
            yield counter
        for name, attribute, factor, text in _GAUGES:
            gauge = GaugeMetricFamily(name, text, labels=("feed",))
            for status in statuses:
                value = getattr(status, attribute)
                if value > 0 or attribute == "waiting_count":
                    gauge.add_metric((status.feed,), value * factor)
            yield gauge
