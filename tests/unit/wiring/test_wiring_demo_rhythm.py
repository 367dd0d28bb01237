"""The demo's feeds keep their promise of freshness soon after it starts."""

from __future__ import annotations

from datetime import UTC, datetime

from chartloom.domain.store import FeedStatus
from chartloom.serve.freshness import Freshness, judge
from chartloom.simulate import FEEDS, Hospital
from chartloom.wiring import demo

AFTER_S, SPEED = 180.0, 120.0


def test_no_feed_is_stale_after_three_minutes() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    hospital = Hospital(
        7, patients=150, start=demo.begin(now, SPEED), history_days=demo._HISTORY_DAYS,
        bustle=demo._BUSTLE,
    )  # fmt: skip
    now_us = int(now.timestamp()) * 1_000_000
    newest = dict.fromkeys(FEEDS, 0)
    for due in hospital.live(SPEED, now_us=now_us):
        if due.due_s > AFTER_S:
            break
        newest[due.message.feed] = max(newest[due.message.feed], due.message.event_us)
    later_us = now_us + int(AFTER_S * 1e6)
    for name, event_us in newest.items():
        status = FeedStatus(name, 1, 1, 0, 0, 0, 0, now_us, event_us, (), -1.0, -1.0)
        label = judge(demo.promising(FEEDS[name]), status, later_us)
        assert label.state in (Freshness.FRESH, Freshness.LATE), (name, label.sentence)
