"""Statements of the hottest paths, called through libpq directly.

psycopg converts values one by one and runs a state machine per statement; where all values are
packed already and one statement is a whole transaction, both cost more than the statement itself.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from psycopg import OperationalError, errors, pq

from chartloom.engines.postgres.arrays import oid_of
from chartloom.engines.postgres.connect import Connection

_INT8: Final = struct.Struct("!q").pack
_BINARY: Final = pq.Format.BINARY
_GOOD: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


def int8(value: int) -> bytes:
    """A ``bigint`` as a parameter."""
    return _INT8(value)


class Call:
    """``SELECT function(...)``, prepared once per connection; the connection must be idle.

    kinds: the types of the parameters; ``int8`` or an array like ``text[]``.
    """

    def __init__(self, function: str, kinds: Sequence[str]) -> None:
        marks = ", ".join(f"${i}" for i in range(1, len(kinds) + 1))
        self._name = f"call_{function}".encode()
        self._text = f"SELECT {function}({marks})".encode()
        self._oids = [oid_of(kind) for kind in kinds]
        self._formats = [_BINARY] * len(kinds)
        self._prepared_on: Connection | None = None

    def __call__(self, conn: Connection, values: Sequence[bytes]) -> bytes | None:
        """Runs it in a transaction of its own, and returns its one value in binary form.

        Raises what psycopg would raise for the server's error.
        """
        pgconn = conn.pgconn
        if self._prepared_on is not conn:
            check(conn, pgconn.prepare(self._name, self._text, self._oids))
            self._prepared_on = conn
        result = pgconn.exec_prepared(self._name, values, self._formats, _BINARY)
        check(conn, result)
        return result.get_value(0, 0)


def check(conn: Connection, result: pq.abc.PGresult) -> None:
    """Raises what psycopg would raise for a result that is an error."""
    if result.status in _GOOD:
        return
    if conn.pgconn.status == pq.ConnStatus.BAD:
        raise OperationalError("the connection is lost")
    raise errors.error_from_result(result, "utf-8")
