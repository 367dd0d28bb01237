"""Housekeeping: what need not be kept for ever is added up or forgotten, a little at a time."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import psycopg
from psycopg import errors

from chartloom.domain.errors import NotFound, StoreDefect, StoreUnavailable
from chartloom.engines.postgres import held, migrate, queries_tidy
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.connect import Connection

#: Minutes of statistics that are kept one by one. The Feeds page draws an hour; a writer may be
#: late, and its row for a minute must not be added up before it is done with it.
MINUTES_KEPT = 120

#: Rows per transaction, and transactions of one kind per call.
BATCH_ROWS = 5_000
BATCHES_MAX = 200
_PAUSE_S = 0.02

_NOT_OURS = (psycopg.DataError, psycopg.IntegrityError)

_MINUTE_US = 60_000_000
_DAY_US = 86_400_000_000


class Retention(msgspec.Struct, frozen=True):
    """How long things are kept; see ``[retention]`` of the settings. All in days."""

    duplicate_days: int = 90  #: a message that is sent again is recognised so long
    outbox_days: int = 14  #: and longer while a consumer has not acknowledged
    issue_days: int = 400


class Tidied(msgspec.Struct):
    """How many rows one call removed."""

    landed_key: int = 0
    outbox: int = 0
    minutes: int = 0
    issue_day: int = 0


class TidyPart(StoreBase):
    """Keeps bounded what would grow for ever. One process at a time does it."""

    def tidy(
        self,
        keep: Retention,
        stopped: Callable[[], bool] = lambda: False,
        pause_s: float = _PAUSE_S,
    ) -> Tidied:
        """Removes what is past its time, in small transactions with pauses between; returns early
        when ``stopped``, when another process is at it, or when much is left for the next call.

        Raises ``StoreUnavailable`` or ``StoreDefect``.
        """
        done = Tidied()
        now_us = self._clock.now_us()
        today = now_us // _DAY_US
        minute = now_us // _MINUTE_US - MINUTES_KEPT
        with self._tidying.use() as conn:
            floor = migrate.position_floor(
                self._first_day(conn), now_us - keep.duplicate_days * _DAY_US
            )
            row = conn.execute(queries_tidy.ALONE).fetchone()
            if row is None or not row[0]:
                return done

            def run(query: str, before: int) -> int:
                return _in_batches(conn, query, before, stopped, pause_s)

            try:
                done.minutes = run(queries_tidy.MINUTES_IN_ADD_UP, minute)
                done.minutes += run(queries_tidy.MINUTES_OUT_ADD_UP, minute)
                done.issue_day = run(queries_tidy.ISSUES_FORGET, today - keep.issue_days)
                done.issue_day += run(queries_tidy.ISSUES_ADD_UP, today - 1)
                done.outbox = run(queries_tidy.OUTBOX_FORGET, now_us - keep.outbox_days * _DAY_US)
                done.landed_key = run(queries_tidy.KEYS_FORGET, floor)
                conn.execute(held.RELEASE)  # what held until all was derived anew
            except (errors.DeadlockDetected, errors.SerializationFailure):
                pass  # a writer was faster; the rest has time until the next call
            except psycopg.ProgrammingError as error:
                raise StoreDefect(error.sqlstate or type(error).__name__) from None
            except _NOT_OURS as error:
                raise StoreUnavailable(
                    f"housekeeping cannot go on ({error.sqlstate}).", cure="See the store's log."
                ) from None
            finally:
                if not conn.broken:
                    conn.execute(queries_tidy.NO_LONGER)
        return done

    # Who reads the outbox

    def add_outbox_consumer(self, name: str) -> None:
        """From now on nothing is removed from the outbox that ``name`` has not acknowledged."""
        with self._serving() as conn:
            conn.execute(queries_tidy.CONSUMER_ADD, (name,))

    def acknowledge_outbox(self, name: str, seq: int) -> None:
        """``name`` has consumed all rows up to ``seq``; raises ``NotFound`` for an unknown one."""
        with self._serving() as conn:
            if conn.execute(queries_tidy.CONSUMER_ACKNOWLEDGE, (seq, name)).rowcount == 0:
                raise NotFound("there is no such consumer of the outbox.")

    def remove_outbox_consumer(self, name: str) -> None:
        """Nothing is kept for ``name`` any more."""
        with self._serving() as conn:
            conn.execute(queries_tidy.CONSUMER_REMOVE, (name,))

    def sizes(self) -> dict[str, int]:
        """Bytes of each table with its indexes, the largest first."""
        with self._serving() as conn:
            return {name: int(size) for name, size in conn.execute(queries_tidy.SIZES).fetchall()}


def _in_batches(
    conn: Connection, query: str, before: int, stopped: Callable[[], bool], pause_s: float
) -> int:
    total = 0
    for _ in range(BATCHES_MAX):
        if stopped():
            break
        count = conn.execute(query.encode(), {"before": before, "most": BATCH_ROWS}).rowcount
        total += count
        if count < BATCH_ROWS:
            break
        time.sleep(pause_s)
    return total
