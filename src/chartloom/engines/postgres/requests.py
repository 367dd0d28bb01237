"""What one person asks for and another decides: data uses, and destructions of keys.

Sealed under a subject of the site's own, and behind row-level security like everything else.
"""

from __future__ import annotations

import builtins
from typing import Final, Generic, LiteralString, TypeVar

import msgspec
from psycopg import sql

from chartloom.domain import codec
from chartloom.domain.access import SHREDDINGS_SUBJECT, USES_SUBJECT, DataUse, Shredding
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.engines.postgres.store import PostgresStore

R = TypeVar("R", DataUse, Shredding)

_ADD: Final = """
    INSERT INTO {table} (id, source_patient, requested_us, state, body)
    VALUES (%s, %s, %s, %s, %s)"""
_LIST: Final = "SELECT id, body FROM {table} ORDER BY requested_us DESC, id LIMIT %s"
_GET: Final = "SELECT id, body FROM {table} WHERE id = %s"
_DECIDE: Final = """
    UPDATE {table} SET state = %(state)s, body = %(body)s WHERE id = %(id)s AND ({follows})"""

#: Which state may become which: a data use is withdrawn whenever, and decided once.
_USE_FOLLOWS: Final = "state = 'requested' OR %(state)s = 'withdrawn'"
_SHREDDING_FOLLOWS: Final = """
    state = 'requested' AND %(state)s <> 'done'
    OR state = 'approved' AND %(state)s IN ('done', 'withdrawn')"""


class _Requests(Generic[R]):
    """Requests of one kind in a table of their own."""

    def __init__(
        self,
        store: PostgresStore,
        type: type[R],
        subject: str,
        table: str,
        kind: str,
        follows: LiteralString,
    ) -> None:
        self._store, self._guard = store, store.guard
        self._decoder: msgspec.json.Decoder[R] = msgspec.json.Decoder(type)
        self._subject, self._kind = subject, kind
        names = {"table": sql.Identifier(table), "follows": sql.SQL(follows)}
        self._add, self._list, self._get, self._decide = (
            sql.SQL(text).format(**names) for text in (_ADD, _LIST, _GET, _DECIDE)
        )

    def add(self, grant: Grant, request: R) -> None:
        """Keeps a request, durably."""
        sealed, state = self._sealed(request), request.state.value
        row = (request.id, self._subject, request.requested_us, state, sealed)
        with self._store.entered(grant) as conn:
            conn.execute(self._add, row)

    def list(self, grant: Grant, limit: int = 200) -> builtins.list[R]:
        """Newest first."""
        with self._store.entered(grant) as conn:
            rows = conn.execute(self._list, (limit,), binary=True).fetchall()
        return [self._opened(grant, *row) for row in rows]

    def get(self, grant: Grant, id: str) -> R:
        """One of them; raises ``NotFound``."""
        with self._store.entered(grant) as conn:
            row = conn.execute(self._get, (id,), binary=True).fetchone()
        if row is None:
            raise NotFound("there is no such request.")
        return self._opened(grant, *row)

    def decide(self, grant: Grant, request: R) -> bool:
        """Keeps state and decider if that follows from the state there is."""
        sealed = self._sealed(request)
        values = {"id": request.id, "state": request.state.value, "body": sealed}
        with self._store.entered(grant) as conn:
            return conn.execute(self._decide, values).rowcount > 0

    def _sealed(self, request: R) -> bytes:
        return self._guard.seal(self._subject, self._kind, request.id, "1", codec.encode(request))

    def _opened(self, grant: Grant, id: str, body: bytes) -> R:
        plain = self._guard.unseal(grant, self._subject, self._kind, id, "1", body)
        return self._decoder.decode(plain)


class PostgresUses(_Requests[DataUse]):
    """Implements ``DataUses``."""

    def __init__(self, store: PostgresStore) -> None:
        super().__init__(store, DataUse, USES_SUBJECT, "data_use", "data-use", _USE_FOLLOWS)


class PostgresShreddings(_Requests[Shredding]):
    """Implements ``Shreddings``."""

    def __init__(self, store: PostgresStore) -> None:
        table, kind = "shredding", "shredding"
        super().__init__(store, Shredding, SHREDDINGS_SUBJECT, table, kind, _SHREDDING_FOLLOWS)
