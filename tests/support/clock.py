"""A clock that tests set by hand."""

from __future__ import annotations


class FakeClock:
    """Stands still at ``time_us`` until a test moves it."""

    def __init__(self, now_us: int = 1_780_000_000_000_000) -> None:
        self.time_us = now_us

    def now_us(self) -> int:
        return self.time_us
