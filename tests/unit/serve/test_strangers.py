"""Requests refused to callers nobody knows: one event a minute says how many."""

from __future__ import annotations

import asyncio

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
