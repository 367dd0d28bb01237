"""Transactions that PostgreSQL ends because two waited for each other: one goes on, and the other
begins again. In which order locks are taken, so that it is rare, stands in the room's README."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from psycopg import errors

from chartloom.domain.errors import StoreUnavailable

_T = TypeVar("_T")

#: Each attempt waits for its turn, so that a few are plenty.
_ATTEMPTS_MAX: Final = 6


def until_done(act: Callable[[], _T]) -> _T:
    """What ``act``, a whole transaction, gives. Raises ``StoreUnavailable`` when others keep
    getting in the way."""
    for _ in range(_ATTEMPTS_MAX):
        try:
            return act()
        except (errors.DeadlockDetected, errors.SerializationFailure):
            continue
    raise StoreUnavailable("others keep changing the same rows.", cure="Try again.")
