"""The audit log in the store: the chain is made by the database itself, under one lock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg import Error, errors

from chartloom.domain.audit import AuditEntry, AuditUnavailable, LogEnd, LoggedEvent
from chartloom.domain.errors import ChartloomError
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.store import Batch
from chartloom.engines.postgres.access import Claim, ServiceClaims, claim, refused
from chartloom.engines.postgres.arrays import array
from chartloom.engines.postgres.connect import Connection, Connector, Dedicated, our_errors
from chartloom.guard import Guard
from chartloom.guard.audit import Actor, Context, entry, events

_APPEND: Final = b"SELECT size, last_hash, last_at_us FROM audit_append(%s, %b, %b, %b)"
_READ: Final = (
    b"SELECT seq, at_us, previous, hash, body FROM audit_read(%s, %b, %s::bigint, %s::integer)"
)
_NOW: Final = b"SELECT size, last_hash, last_at_us FROM audit_now(%s, %b)"

#: What waits longer for the others is refused: those who wait for it release nothing then.
_SETTINGS: Final = {"synchronous_commit": "on", "lock_timeout": "5000", "statement_timeout": "8000"}


_FEEDS_SHOWN_CHARS_MAX: Final = 120


def append_within(conn: Connection, claimed: Claim, entries: Sequence[AuditEntry]) -> LogEnd:
    """Appends within the caller's transaction, and so under its fate. Do it last: the log is locked
    from here to the end of the transaction."""
    columns = (
        array("int8", [e.at_us for e in entries]),
        array("bytea", [e.body for e in entries]),
    )
    row = conn.execute(_APPEND, (*claimed, *columns), binary=True).fetchone()
    assert row is not None
    return LogEnd(row[0], bytes(row[1]), row[2])


def transformation(batch: Batch, now_us: int) -> AuditEntry:
    """The event of a batch of messages that became resources: one, whatever its size."""
    positions = [m.position for m in batch.messages]
    feeds = "+".join(sorted({m.feed for m in batch.messages}))
    event = events.transformation(
        Context(
            now_us,
            Actor(f"service:{batch.worker}", service=True),
            purpose=Purpose.OPERATIONS,
            observer=batch.worker,
        ),
        feeds if len(feeds) <= _FEEDS_SHOWN_CHARS_MAX else "many",
        min(positions, default=0),
        max(positions, default=0),
        len(positions),
        batch.project_version,
        sum(bool(d.quarantine) for d in batch.derived),
    )
    return entry(event)


class PostgresAuditLog:
    """Implements ``AuditLog``. Thread-safe; connections of its own, opened when needed.

    Nobody can change or remove an event, this process included: the store offers no way to.
    """

    def __init__(self, connector: Connector, guard: Guard) -> None:
        self._guard = guard
        self._writing = Dedicated(connector, "audit", _SETTINGS)
        self._reading = Dedicated(connector, "audit reader")
        self._claims = ServiceClaims(guard, "audit")

    def append(self, entries: Sequence[AuditEntry]) -> LogEnd:
        """Appends in order, under one lock, and returns when all are durable: where the log ends.

        Raises ``AuditUnavailable``; then what the events are about must not be done or shown.
        """
        if not entries:
            return self.end()
        with _unavailable(), self._writing.use() as conn:
            return append_within(conn, self._claims.current(), entries)

    def read(self, after: int, limit: int) -> list[LoggedEvent]:
        """Up to ``limit`` events with numbers above ``after``, in order."""
        return self._read(self._claims.current(), after, limit)

    def end(self) -> LogEnd:
        """Where the log ends."""
        return self._end(self._claims.current())

    def under(self, grant: Grant) -> AuditReader:
        """The log as somebody may read it; raises ``GrantRefused`` on the first read if not."""
        return AuditReader(self, grant)

    def close(self) -> None:
        """Closes the connections; the next call opens others."""
        self._writing.close()
        self._reading.close()

    def _read(self, claimed: Claim, after: int, limit: int) -> list[LoggedEvent]:
        rows = self._rows(_READ, claimed, after, limit)
        return [LoggedEvent(q, us, bytes(p), bytes(h), bytes(b)) for q, us, p, h, b in rows]

    def _end(self, claimed: Claim) -> LogEnd:
        ((size, last_hash, last_at_us),) = self._rows(_NOW, claimed)
        return LogEnd(size, bytes(last_hash), last_at_us)

    def _rows(self, query: bytes, claimed: Claim, *values: Any) -> list[tuple[Any, ...]]:
        with self._reading.use() as conn:
            try:
                return conn.execute(query, (*claimed, *values), binary=True).fetchall()
            except errors.InsufficientPrivilege:
                raise refused() from None


class AuditReader:
    """The log under somebody's grant: for everyone, and for operations. Reads only."""

    def __init__(self, log: PostgresAuditLog, grant: Grant) -> None:
        self._log, self._grant = log, grant

    def read(self, after: int, limit: int) -> list[LoggedEvent]:
        """Up to ``limit`` events with numbers above ``after``, in order."""
        return self._log._read(claim(self._log._guard, self._grant), after, limit)

    def end(self) -> LogEnd:
        """Where the log ends."""
        return self._log._end(claim(self._log._guard, self._grant))


@contextmanager
def _unavailable() -> Iterator[None]:
    """Whatever keeps an event from the log, in one word; the server's own words stay out."""
    try:
        with our_errors():
            yield
    except AuditUnavailable:
        raise
    except (ChartloomError, Error) as error:
        name = getattr(error, "sqlstate", None) or type(error).__name__
        raise AuditUnavailable(
            f"the store cannot put an event on record ({name}).",
            cure="See whether the store is up; nothing was done or shown.",
        ) from None
