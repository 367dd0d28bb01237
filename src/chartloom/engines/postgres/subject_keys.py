"""Wrapped subject keys and their tombstones, in the store. Nothing here can open a body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import DatabaseError

from chartloom.domain.keys import StaleGeneration, Tombstone, WrappedKey
from chartloom.engines.postgres.access import ServiceClaims
from chartloom.engines.postgres.arrays import array, packed
from chartloom.engines.postgres.calls import Prepared, Statement, rows
from chartloom.engines.postgres.connect import Connector, Dedicated
from chartloom.guard import Guard

_KEY: Final = (
    "SELECT subject, generation, wrapped, created_at_us, destroyed_at_us, destroyed_by, reason"
)
_GET: Final = Statement(
    "keys_get", f"{_KEY} FROM subject_keys_get($1, $2, $3)", ("text", "bytea", "text[]")
)
_PUT: Final = Statement(
    "keys_put",
    f"{_KEY} FROM subject_keys_put($1, $2, $3, $4, $5, $6)",
    ("text", "bytea", "text[]", "int4[]", "bytea[]", "int8[]"),
)
_BELOW: Final = """
SELECT subject, generation, wrapped, created_at_us, destroyed_at_us, destroyed_by, reason
FROM subject_keys_below(%s, %b, %s::integer, %s::integer)"""
_REWRAP: Final = "SELECT subject_keys_rewrap(%s, %b, %b, %b, %b, %b)"
_DESTROY: Final = "SELECT subject_keys_destroy(%s, %b, %s, %s::bigint, %s, %s)"
_FLOOR: Final = "SELECT subject_keys_raise_floor(%s, %b, %s::integer)"
_COUNT: Final = "SELECT generation, count FROM subject_keys_count(%s, %b)"
_EPOCH: Final = "SELECT subject_keys_epoch(%s, %b)"

#: SQLSTATE of 0006 for a key wrapped by a generation below the floor.
_BELOW_FLOOR: Final = "CL001"
#: A key that was acknowledged must be there after a crash: what it seals would be lost without it.
_DURABLE: Final = {"synchronous_commit": "on"}


class PostgresSubjectKeys:
    """Implements ``SubjectKeys``. Thread-safe; a connection of its own, opened when needed."""

    def __init__(self, connector: Connector, guard: Guard) -> None:
        self._connection = Dedicated(connector, "keys", _DURABLE)
        self._claims = ServiceClaims(guard, "keys")
        self._calls = Prepared()

    def get(self, subjects: Sequence[str]) -> dict[str, WrappedKey | Tombstone]:
        """What is kept of the subjects; those never seen are left out. One round trip."""
        return _kept(self._hot(_GET, packed("text", subjects)))

    def put_absent(self, keys: Sequence[WrappedKey]) -> dict[str, WrappedKey | Tombstone]:
        """Keeps keys of subjects that have none, durably; what holds now, for every subject.

        Raises ``StaleGeneration`` if a key is wrapped by a generation below the floor.
        """
        columns = (
            packed("text", [k.subject for k in keys]),
            packed("int4", [k.generation for k in keys]),
            packed("bytea", [k.wrapped for k in keys]),
            packed("int8", [k.created_at_us for k in keys]),
        )
        try:
            return _kept(self._hot(_PUT, *columns))
        except DatabaseError as error:
            if error.sqlstate != _BELOW_FLOOR:
                raise
            raise StaleGeneration(
                "the key was wrapped by a generation that has been replaced.",
                cure="Wrap it by the newest one.",
            ) from None

    def raise_floor(self, generation: int) -> None:
        """From now on no key wrapped by an older generation is kept; waits for those on the way."""
        self._rows(_FLOOR, generation)

    def of_generations_below(self, generation: int, limit: int) -> list[WrappedKey]:
        """Up to ``limit`` keys that are wrapped by older generations."""
        kept = _kept(self._rows(_BELOW, generation, limit)).values()
        return [k for k in kept if isinstance(k, WrappedKey)]

    def rewrap(self, changes: Sequence[tuple[WrappedKey, WrappedKey]]) -> int:
        """Replaces each old key by its new wrapping if the old one is still there; how many."""
        columns = (
            array("text", [old.subject for old, _ in changes]),
            array("bytea", [old.wrapped for old, _ in changes]),
            array("int4", [new.generation for _, new in changes]),
            array("bytea", [new.wrapped for _, new in changes]),
        )
        return int(self._rows(_REWRAP, *columns)[0][0])

    def destroy(self, tombstone: Tombstone) -> bool:
        """Puts a tombstone in place of a key (or of none), durably; False if one was there."""
        t = tombstone
        return bool(self._rows(_DESTROY, t.subject, t.destroyed_at_us, t.by, t.reason)[0][0])

    def count_by_generation(self) -> dict[int, int]:
        """How many keys each generation wraps."""
        return {g: n for g, n in self._rows(_COUNT) if g > 0}

    def destroyed_count(self) -> int:
        """How many subjects have a tombstone."""
        return sum(n for g, n in self._rows(_COUNT) if g == 0)

    def epoch(self) -> int:
        """Grows with every tombstone."""
        return int(self._rows(_EPOCH)[0][0])

    def close(self) -> None:
        """Closes the connection; the next call opens another."""
        self._connection.close()

    def _hot(self, statement: Statement, *values: bytes) -> list[tuple[Any, ...]]:
        with self._connection.use() as conn:
            claim, mac = self._claims.current()
            return rows(conn, self._calls.one(conn, statement, (claim.encode(), mac, *values)))

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._connection.use() as conn:
            claim = self._claims.current()
            return conn.execute(query.encode(), (*claim, *values), binary=True).fetchall()


def _kept(rows: Sequence[tuple[Any, ...]]) -> dict[str, WrappedKey | Tombstone]:
    found: dict[str, WrappedKey | Tombstone] = {}
    for subject, generation, wrapped, created_us, destroyed_us, by, reason in rows:
        if generation > 0:
            found[subject] = WrappedKey(subject, generation, bytes(wrapped), created_us)
        else:
            found[subject] = Tombstone(subject, destroyed_us, by, reason)
    return found
