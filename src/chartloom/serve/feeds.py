"""The Feeds page: is everything coming in, how fast, and how fresh is it?"""

from __future__ import annotations

import msgspec
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.feed import Feed
from chartloom.domain.store import FeedStatus
from chartloom.serve import needs
from chartloom.serve.console import Console
from chartloom.serve.freshness import FreshnessLabel, judge
from chartloom.serve.svg import sparkline
from chartloom.serve.words import plural


class FeedCard(msgspec.Struct, frozen=True):
    """One feed as the page shows it; ``status`` is None until the first message."""

    feed: Feed
    status: FeedStatus | None
    freshness: FreshnessLabel
    spark: Markup

    @property
    def rate_now(self) -> int:
        """Messages in the last full minute (or the running one, if it has more)."""
        rates = self.status.rate_per_minute if self.status else ()
        return max(rates[-2:], default=0)

    @property
    def address(self) -> str:
        """Where the sender connects, as far as the feed's options tell."""
        options = self.feed.options
        if self.feed.source == "files":
            return str(options.get("folder", ""))
        host, port = options.get("host", "127.0.0.1"), options.get("port", "")
        return f"{host}:{port}" if port else ""

    @property
    def minutes(self) -> list[tuple[int, int]]:
        """Minutes with messages, newest first: (minutes ago, messages)."""
        rates = self.status.rate_per_minute if self.status else ()
        last = len(rates) - 1
        return [(last - i, n) for i, n in reversed(list(enumerate(rates))) if n]


def cards(console: Console, statuses: list[FeedStatus], now_us: int) -> list[FeedCard]:
    """A card per configured feed, then feeds that are only known from the past."""
    by_name = {status.feed: status for status in statuses}
    shown = []
    for feed in console.project.feeds:
        status = by_name.get(feed.name)
        label = judge(feed, status, now_us)
        shown.append(FeedCard(feed, status, label, _spark(feed, status)))
    return shown


def _spark(feed: Feed, status: FeedStatus | None) -> Markup:
    if status is None or not any(status.rate_per_minute):
        return Markup("")
    total, peak = sum(status.rate_per_minute), max(status.rate_per_minute)
    label = f"{feed.name}: {plural(total, 'message')} in the last hour, at most {peak} in a minute"
    return sparkline(status.rate_per_minute, label)


def routes(console: Console) -> list[BaseRoute]:
    """``/`` and ``/feeds``."""

    async def feeds(request: Request) -> Response:
        statuses = await console.ask(request, needs.SITE, console.store.feeds)
        now_us = console.clock.now_us()
        shown = cards(console, statuses, now_us)
        known = {card.feed.name for card in shown}
        return console.page(
            request,
            "feeds.html",
            cards=shown,
            removed=[s for s in statuses if s.feed not in known],
            total_rate=sum(card.rate_now for card in shown),
            total_waiting=sum(s.waiting_count for s in statuses),
            total_quarantined=sum(s.quarantined_count for s in statuses),
            total_received=sum(s.received_count for s in statuses),
        )

    return [Route("/feeds", feeds)]
