"""Requests refused to callers nobody knows: one event a minute says how many."""

from __future__ import annotations

import asyncio
import logging

import pytest

from chartloom.domain.audit import AuditUnavailable
from chartloom.serve.strangers import Strangers


class Record:
    """What is on record; ``down``: how often it cannot be written."""

    def __init__(self, down: int = 0) -> None:
        self.rows: list[tuple[str, int]] = []
        self.down = down

    def __call__(self, why: str, count: int) -> None:
        if self.down:
            self.down -= 1
            raise AuditUnavailable("the log is away.", cure="Wait.")
        self.rows.append((why, count))


def test_many_are_one_event_by_reason() -> None:
    record = Record()

    async def come() -> None:
        strangers = Strangers(record, every_s=0.01)
        for _ in range(1_000):
            strangers.count("host")
        strangers.count("method")
        assert record.rows == []
        while len(record.rows) < 2:
            await asyncio.sleep(0.001)
        strangers.count("host")  # and again, after a quiet time
        while len(record.rows) < 3:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(come(), 20))
    assert sorted(record.rows) == [("host", 1), ("host", 1_000), ("method", 1)]


def test_what_cannot_be_written_is_kept() -> None:
    record = Record(down=1)

    async def come() -> None:
        strangers = Strangers(record, every_s=3_600)
        strangers.count("host")
        strangers.count("host")
        strangers.count("method")
        await strangers.flush()
        assert record.rows == []
        strangers.count("host")
        await strangers.flush()

    asyncio.run(come())
    assert sorted(record.rows) == [("host", 3), ("method", 1)]


def test_a_record_that_is_down_is_tried_again() -> None:
    record = Record(down=3)

    async def come() -> None:
        strangers = Strangers(record, every_s=0.01)
        strangers.count("host")
        while not record.rows:
            await asyncio.sleep(0.001)

    asyncio.run(asyncio.wait_for(come(), 20))
    assert record.rows == [("host", 1)]


def test_what_nobody_thought_of_loses_no_count_and_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    rows: list[tuple[str, int]] = []

    def record(why: str, count: int) -> None:
        if not caplog.records:
            raise RuntimeError("patient Archer")  # what it says goes nowhere
        rows.append((why, count))

    async def come() -> None:
        strangers = Strangers(record, every_s=0.01)
        strangers.count("host")
        while not caplog.records:
            await asyncio.sleep(0.001)
        strangers.count("host")
        while not rows:
            await asyncio.sleep(0.001)

    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(come(), 20))
    assert rows == [("host", 2)]
    assert "RuntimeError" in caplog.text
    assert "Archer" not in caplog.text


def test_two_who_write_at_once_count_nobody_twice() -> None:
    record = Record()

    async def come() -> None:
        strangers = Strangers(record, every_s=3_600)
        for _ in range(3):
            strangers.count("host")
        await asyncio.gather(strangers.flush(), strangers.flush())

    asyncio.run(come())
    assert record.rows == [("host", 3)]
