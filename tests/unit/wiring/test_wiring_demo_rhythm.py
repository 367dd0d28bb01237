"""The demo's feeds keep their promise of freshness, and something happens for an hour."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from chartloom.domain.store import FeedStatus
from chartloom.project import load_project
from chartloom.serve.freshness import Freshness, judge
from chartloom.simulate import FEEDS, Hospital
from chartloom.wiring import demo

AFTER_S, SPEED = 180.0, demo.SPEED


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


def test_something_happens_every_few_minutes_for_most_of_an_hour() -> None:
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    hospital = Hospital(
        7, patients=150, start=demo.begin(now, SPEED), history_days=demo._HISTORY_DAYS,
        bustle=demo._BUSTLE,
    )  # fmt: skip
    now_us = int(now.timestamp()) * 1_000_000
    lively: Counter[int] = Counter()
    for due in hospital.live(SPEED, now_us=now_us):
        if due.due_s > 3_000:
            break
        assert due.message.at_us <= now_us + due.due_s * 1e6 + 1  # never before its time
        lively[int(due.due_s // 300)] += 1
    assert all(lively[part] >= 5 for part in range(10)), lively


def test_the_demo_says_when_it_has_caught_up(tmp_path: Path) -> None:
    demo.prepare_demo_site(tmp_path / "site", 7)
    driver = demo.DemoDriver(load_project(tmp_path / "site"), 7, 150, SPEED)
    assert "16 times the clock's speed. In about 64 min" in driver.rhythm()
    assert "real time" in driver.rhythm()
