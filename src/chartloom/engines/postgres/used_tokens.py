"""Tokens that are good for one use, remembered for all processes of a site."""

from __future__ import annotations

from typing import Final

from chartloom.domain.ports import Clock
from chartloom.engines.postgres.access import ServiceClaims
from chartloom.engines.postgres.connect import Connector, Dedicated
from chartloom.guard import Guard

_USE: Final = b"SELECT use_token(%s, %b, %b, %s::bigint, %s::bigint)"
#: Remembered a little longer than they hold, for clocks that differ.
_LEEWAY_US: Final = 300_000_000


class PostgresUsedTokens:
    """Implements ``UsedTokens``. Thread-safe; a connection of its own, opened when needed."""

    def __init__(self, connector: Connector, guard: Guard, clock: Clock) -> None:
        self._guard, self._clock = guard, clock
        # Forgetting a use would allow another, so it is durable before it is believed.
        self._connection = Dedicated(connector, "tokens", {"synchronous_commit": "on"})
        self._claims = ServiceClaims(guard, "tokens")

    def first_use(self, issuer: str, token_id: str, until_us: int) -> bool:
        """Whether this is the token's first use; atomically remembers it until ``until_us``."""
        fingerprint = self._guard.blind("used token", f"{len(issuer)}:{issuer}{token_id}")
        over_us = self._clock.now_us() - _LEEWAY_US
        values = (*self._claims.current(), fingerprint, until_us, over_us)
        with self._connection.use() as conn:
            row = conn.execute(_USE, values, binary=True).fetchone()
        return bool(row and row[0])

    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        self._connection.close()
