"""Waiting until what somebody said counts: one way for all pages that land words of people."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep
from typing import Final

#: How often it is looked whether a word counts by now.
_LOOK_S: Final = 0.02


def settle(counts: Callable[[], bool], settle_s: float) -> None:
    """Waits until what was landed counts, ``settle_s`` at most, so that the page that follows knows
    of it. It is landed: nothing is lost when that takes longer."""
    until_s = monotonic() + settle_s
    while monotonic() < until_s and not counts():
        sleep(_LOOK_S)
