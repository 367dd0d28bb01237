"""Statements of the hottest paths, called through libpq directly.

psycopg converts values one by one and runs a state machine per statement; where all values are
packed already, that costs more than the statement itself. Statements that belong together travel
together: one round trip, and one transaction unless one is open.
"""

from __future__ import annotations

import contextlib
import select
import struct
from collections.abc import Sequence
from typing import Any, Final

from psycopg import InterfaceError, OperationalError, errors, pq
from psycopg.adapt import Transformer

from chartloom.engines.postgres.arrays import oid_of
from chartloom.engines.postgres.connect import Connection

_INT2: Final = struct.Struct("!h").pack
_INT4: Final = struct.Struct("!i").pack
_INT8: Final = struct.Struct("!q").pack
_BINARY: Final = pq.Format.BINARY
_GOOD: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)

Result = pq.abc.PGresult


def int2(value: int) -> bytes:
    """A ``smallint`` as a parameter."""
    return _INT2(value)


def int4(value: int) -> bytes:
    """An ``integer`` as a parameter."""
    return _INT4(value)


def int8(value: int) -> bytes:
    """A ``bigint`` as a parameter."""
    return _INT8(value)


def boolean(value: bool) -> bytes:
    """A ``boolean`` as a parameter."""
    return b"\1" if value else b"\0"


class Statement:
    """A statement with parameters ``$1`` and so on, prepared once per connection.

    kinds: the types of the parameters; ``int8`` or an array like ``text[]``.
    """

    __slots__ = ("formats", "name", "oids", "text")

    def __init__(self, name: str, text: str, kinds: Sequence[str] = ()) -> None:
        self.name = f"hot_{name}".encode()
        self.text = text.encode()
        self.oids = [oid_of(kind) for kind in kinds]
        self.formats = [_BINARY] * len(kinds)


def call(function: str, kinds: Sequence[str]) -> Statement:
    """``SELECT function(...)``."""
    marks = ", ".join(f"${i}" for i in range(1, len(kinds) + 1))
    return Statement(function, f"SELECT {function}({marks})", kinds)


#: Values, packed; None is NULL.
Values = Sequence[Any]
#: A statement and its values.
Step = tuple[Statement, Values]

BEGIN: Final = Statement("begin", "BEGIN")
COMMIT: Final = Statement("commit", "COMMIT")
BEGIN_ACCESS: Final = call("begin_access", ("text", "bytea"))


class Prepared:
    """Runs statements on one connection at a time, each prepared there when it is first needed."""

    def __init__(self) -> None:
        self._on: Connection | None = None
        self._known: set[bytes] = set()

    def ahead(
        self, conn: Connection, steps: Sequence[Step], then: Sequence[Statement] = ()
    ) -> None:
        """Sends steps and does not wait: the server is at work while more is made ready. They come
        before those of the next :meth:`run`, whose results are also theirs. The first is ``BEGIN``,
        so that whoever does not get there can take them back (:func:`rolled_back`). then: what may
        be sent besides.
        """
        if conn.pgconn.pipeline_status == pq.PipelineStatus.OFF:
            self._prepare(conn, [*(statement for statement, _ in steps), *then])
            conn.pgconn.enter_pipeline_mode()
        self._send(conn, steps)
        conn.pgconn.flush()

    def run(self, conn: Connection, steps: Sequence[Step]) -> list[Result]:
        """Runs the steps in one round trip; what each returned, in binary form.

        Unless a transaction is open they are one together. Raises what psycopg would raise for the
        first error; then nothing of them stays, and no transaction is open.
        """
        pgconn = conn.pgconn
        if pgconn.pipeline_status == pq.PipelineStatus.OFF:
            self._prepare(conn, [statement for statement, _ in steps])
            pgconn.enter_pipeline_mode()
        self._send(conn, steps)
        pgconn.pipeline_sync()
        for result in (results := received(conn)):
            if result.status not in _GOOD:
                rolled_back(conn)
                check(conn, result)
        return results

    def one(self, conn: Connection, statement: Statement, values: Values) -> Result:
        """Runs one statement, in a transaction of its own unless one is open."""
        self._prepare(conn, (statement,))
        result = conn.pgconn.exec_prepared(statement.name, values, statement.formats, _BINARY)
        check(conn, result)
        return result

    @staticmethod
    def _send(conn: Connection, steps: Sequence[Step]) -> None:
        for statement, values in steps:
            conn.pgconn.send_query_prepared(statement.name, values, statement.formats, _BINARY)

    def _prepare(self, conn: Connection, statements: Sequence[Statement]) -> None:
        if self._on is not conn:
            self._on, self._known = conn, set()
        for statement in statements:
            if statement.name not in self._known:
                check(conn, conn.pgconn.prepare(statement.name, statement.text, statement.oids))
                self._known.add(statement.name)


def rows(conn: Connection, result: Result) -> list[tuple[Any, ...]]:
    """The rows of a result, their values as psycopg has them."""
    transformer = Transformer(conn)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


def received(conn: Connection) -> list[Result]:
    """The results of a pipeline up to its sync, and leaves it. Whatever interrupts that closes the
    connection, for nobody could tell what the answers to come belong to."""
    results: list[Result] = []
    try:
        while True:
            result = _next_result(conn.pgconn)
            if result is None:  # the end of one statement
                continue
            if result.status == pq.ExecStatus.PIPELINE_SYNC:
                conn.pgconn.exit_pipeline_mode()
                return results
            results.append(result)
    except BaseException:
        conn.close()
        raise


def _next_result(pgconn: pq.abc.PGconn) -> Result | None:
    """Waits where other threads can go on: libpq itself would wait with the interpreter locked."""
    poll = None
    while pgconn.flush():
        poll = poll or select.poll()
        poll.register(pgconn.socket, select.POLLOUT | select.POLLIN)
        poll.poll()
        pgconn.consume_input()
    while pgconn.is_busy():
        poll = poll or select.poll()
        poll.register(pgconn.socket, select.POLLIN)
        poll.poll()
        pgconn.consume_input()
    result = pgconn.get_result()
    if pgconn.status == pq.ConnStatus.BAD:
        raise OperationalError("the connection is lost")
    return result


def rolled_back(conn: Connection) -> None:
    """Ends the transaction that failed, if one is open and the connection is not lost."""
    pgconn = conn.pgconn
    with contextlib.suppress(OperationalError, InterfaceError):
        if (
            pgconn.status == pq.ConnStatus.OK
            and pgconn.pipeline_status != pq.PipelineStatus.OFF  # steps were sent ahead
        ):
            pgconn.pipeline_sync()
            received(conn)
        if (
            pgconn.status == pq.ConnStatus.OK
            and pgconn.transaction_status != pq.TransactionStatus.IDLE
        ):
            pgconn.exec_(b"ROLLBACK")


def check(conn: Connection, result: Result) -> None:
    """Raises what psycopg would raise for a result that tells of an error."""
    if result.status in _GOOD:
        return
    if conn.pgconn.status == pq.ConnStatus.BAD:
        raise OperationalError("the connection is lost")
    raise errors.error_from_result(result, "utf-8")
