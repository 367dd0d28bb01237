"""Transactions that PostgreSQL ends because two waited for each other: one goes on, and the other
begins again. In which order locks are taken, so that it is rare, stands in the room's README."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from psycopg import errors

from chartloom.domain.errors import StoreUnavailable

_T = TypeVar("_T")

#: Each attempt waits for its turn, so that a few are plenty.
_ATTEMPTS_MAX: Final = 6
#: Whoever gives way leaves readers this long before the next attempt.
_PAUSE_S: Final = 0.05
_GIVING_WAY_MAX: Final = 200


class GivesWay(Exception):
    """A transaction did not get a table in time; it begins again (:func:`when_free`)."""


def until_done(act: Callable[[], _T]) -> _T:
    """What ``act``, a whole transaction, gives. Raises ``StoreUnavailable`` when others keep
    getting in the way."""
    for _ in range(_ATTEMPTS_MAX):
        try:
            return act()
        except (errors.DeadlockDetected, errors.SerializationFailure):
            continue
    raise StoreUnavailable("others keep changing the same rows.", cure="Try again.")


def when_free(act: Callable[[], _T]) -> _T:
    """What ``act`` gives, a whole transaction that needs whole tables and waits for each a short
    while only (``lock_timeout``), so that those who read go on and it begins again. Raises
    ``StoreUnavailable`` when somebody keeps them for long."""
    for _ in range(_GIVING_WAY_MAX):
        try:
            return act()
        except (GivesWay, errors.DeadlockDetected):
            time.sleep(_PAUSE_S)
    raise StoreUnavailable(
        "something long is reading the store.", cure="Try again when exports and backups are done."
    )
