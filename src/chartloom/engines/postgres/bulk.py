"""Rows of a table as arrays: a whole group as one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from psycopg import errors

from chartloom.engines.postgres.access import BEGIN_ACCESS, Claim, refused
from chartloom.engines.postgres.arrays import Packed, array
from chartloom.engines.postgres.connect import Connection

Row = tuple[Any, ...]


class Table(msgspec.Struct, frozen=True):
    """A table with the columns that we write, and their types, in the order of our rows."""

    name: str
    columns: tuple[tuple[str, str], ...]

    @property
    def names(self) -> str:
        """The columns, for a column list."""
        return ", ".join(name for name, _ in self.columns)

    @property
    def arrays(self) -> str:
        """Their arrays, bound: what ``unnest`` takes."""
        return ", ".join(f"%b::{kind}[]" for _, kind in self.columns)

    @property
    def types(self) -> tuple[str, ...]:
        """Their types."""
        return tuple(kind for _, kind in self.columns)


@contextmanager
def transaction(conn: Connection, claimed: Claim) -> Iterator[None]:
    """A transaction under a claim, sent as one pipeline: it waits only where a result is read."""
    with conn.pipeline(), conn.transaction():
        conn.execute(BEGIN_ACCESS, claimed)
        try:
            yield
        except errors.InvalidAuthorizationSpecification:
            raise refused() from None


def columns(table: Table, rows: Sequence[Row]) -> list[Packed]:
    """Rows turned into the arrays that ``unnest`` wants."""
    values = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    return [array(kind, v) for kind, v in zip(table.types, values, strict=True)]
