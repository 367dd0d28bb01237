"""Entering the store under a grant: without it, row-level security leaves every table empty.

A grant becomes a claim: a short text, and a MAC by which the store believes it. A transaction
begins with both; what they open ends with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from psycopg import InterfaceError, OperationalError, errors, pq

from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.labels import mask_of_grant
from chartloom.engines.postgres.calls import Result, check, received
from chartloom.engines.postgres.connect import Connection
from chartloom.guard import Guard, SystemClock

#: A claim and its MAC: what ``begin_access`` takes.
Claim = tuple[str, bytes]

BEGIN_ACCESS: Final = "SELECT begin_access(%s, %b)"

BEGIN: Final = b"BEGIN"
#: One snapshot for everything that is read.
BEGIN_SNAPSHOT: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

_STATEMENT: Final = b"chartloom_begin_access"
_TEXT: Final = b"SELECT begin_access($1, $2)"
_OIDS: Final = (25, 17)  # text, bytea
_FORMATS: Final = (pq.Format.TEXT, pq.Format.BINARY)
_SYSTEM_CLOCK: Final = SystemClock()

_SERVICE_TTL_S: Final = 300.0
_RENEW_BELOW_US: Final = 60_000_000


def claim(guard: Guard, grant: Grant) -> Claim:
    """What the store has to know of ``grant``: until when, which, what for, labels, persons.

    Expiry is told by the system's clock, as the store reads it. Raises ``GrantRefused`` for a grant
    that is not valid, or that cannot be written down without a doubt.
    """
    expires_us = _SYSTEM_CLOCK.now_us() + guard.remaining_us(grant)
    persons = ("*",) if "*" in grant.persons else grant.persons
    for word in (grant.grant_id, grant.purpose, *persons):
        # Of all spaces, the plain one alone is printable.
        if not word or "," in word or " " in word or not word.isprintable():
            raise GrantRefused("the grant names somebody in a way that the store cannot hold.")
    labels = mask_of_grant(grant.labels)
    text = f"{expires_us} {grant.grant_id} {grant.purpose} {labels} {','.join(persons)}"
    return text, guard.claim_mac(text)


class ServiceClaims:
    """Claims of the store's own work that nobody asked for by a grant: landing, leases."""

    def __init__(self, guard: Guard, name: str) -> None:
        self._guard, self._name = guard, name
        self._grant: Grant | None = None
        self._claim: Claim = ("", b"")
        self._lock = Lock()

    def current(self) -> Claim:
        """A claim for everyone that is good for a minute or more."""
        return self._both()[1]

    def grant(self) -> Grant:
        """The grant of that claim."""
        return self._both()[0]

    def _both(self) -> tuple[Grant, Claim]:
        with self._lock:
            if self._grant is None or self._left_us(self._grant) < _RENEW_BELOW_US:
                self._grant = self._guard.mint(
                    f"service:{self._name}", Purpose.OPERATIONS, ttl_s=_SERVICE_TTL_S
                )
                self._claim = claim(self._guard, self._grant)
            return self._grant, self._claim

    def _left_us(self, grant: Grant) -> int:
        try:
            return self._guard.remaining_us(grant)
        except GrantRefused:
            return 0


@contextmanager
def entered(conn: Connection, claimed: Claim, begin: bytes = BEGIN) -> Iterator[Connection]:
    """A transaction under a claim: one round trip to begin, one to end. ``conn`` must be idle.

    Both go to libpq directly: psycopg's own pipeline costs more than the round trips it saves.
    """
    _begin(conn, claimed, begin)
    try:
        yield conn
    except BaseException:
        # A connection that broke has no transaction left, and what broke it is told.
        with contextlib.suppress(OperationalError, InterfaceError):
            if conn.pgconn.status == pq.ConnStatus.OK:
                conn.pgconn.exec_(b"ROLLBACK")
        raise
    check(conn, conn.pgconn.exec_(b"COMMIT"))


@contextmanager
def believed() -> Iterator[None]:
    """A claim that the store does not believe is ``GrantRefused``."""
    try:
        yield
    except errors.InvalidAuthorizationSpecification:
        raise refused() from None


def _begin(conn: Connection, claimed: Claim, begin: bytes) -> None:
    try:
        for result in _send(conn, claimed, begin):
            check(conn, result)
    except errors.InvalidSqlStatementName:  # not prepared yet on this connection
        conn.pgconn.exec_(b"ROLLBACK")
        check(conn, conn.pgconn.prepare(_STATEMENT, _TEXT, _OIDS))
        _begin(conn, claimed, begin)
    except errors.InvalidAuthorizationSpecification:
        conn.pgconn.exec_(b"ROLLBACK")
        raise refused() from None


def _send(conn: Connection, claimed: Claim, begin: bytes) -> list[Result]:
    """The results of ``begin`` and of begin_access, which go out together."""
    pgconn, (text, mac) = conn.pgconn, claimed
    pgconn.enter_pipeline_mode()
    pgconn.send_query_params(begin, None)
    pgconn.send_query_prepared(_STATEMENT, [text.encode(), mac], _FORMATS)
    pgconn.pipeline_sync()
    return received(conn)


def refused() -> GrantRefused:
    """The error for a grant that the store does not believe."""
    return GrantRefused(
        "the store does not accept the grant.",
        cure="Ask for a new one; if that does not help, compare the clocks of the hosts.",
    )
