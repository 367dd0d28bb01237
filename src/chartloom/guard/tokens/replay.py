"""Tokens that may be used once."""

from __future__ import annotations

from threading import Lock
from typing import Final

from chartloom.domain.ports import Clock
from chartloom.guard.tokens.strict import TokenRefused

REMEMBERED_MAX: Final = 100_000


class MemoryUsedTokens:
    """``UsedTokens`` for one process. When full of tokens that still hold, it refuses new ones."""

    def __init__(self, clock: Clock, remembered_max: int = REMEMBERED_MAX) -> None:
        self._clock = clock
        self._max = remembered_max
        self._used: dict[tuple[str, str], int] = {}
        self._lock = Lock()

    def first_use(self, issuer: str, token_id: str, until_us: int) -> bool:
        """Whether the token was not used before; remembers it until then."""
        now_us = self._clock.now_us()
        with self._lock:
            if self._used.get((issuer, token_id), -1) >= now_us:
                return False
            if len(self._used) >= self._max:
                self._used = {k: until for k, until in self._used.items() if until >= now_us}
            if len(self._used) >= self._max:
                raise TokenRefused("too-many")
            self._used[issuer, token_id] = until_us
            return True
