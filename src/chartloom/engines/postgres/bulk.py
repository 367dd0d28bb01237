"""Putting rows into a table: by COPY when they are many, within a pipeline when they are few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec

from chartloom.engines.postgres.arrays import Packed, array
from chartloom.engines.postgres.connect import Connection

Row = tuple[Any, ...]

#: From here on COPY's cheaper rows outweigh its round trips, which cannot be pipelined.
COPY_ROWS_MIN = 48


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
        """Their types, for COPY."""
        return tuple(kind for _, kind in self.columns)


@contextmanager
def transaction(conn: Connection, *, small: bool) -> Iterator[None]:
    """A transaction; a small one is sent as one pipeline and waits only where a result is read."""
    if small:
        with conn.pipeline(), conn.transaction():
            yield
    else:
        with conn.transaction():
            yield


@contextmanager
def together(conn: Connection) -> Iterator[None]:
    """Statements within go out together, also in a transaction that is no pipeline."""
    if conn.pgconn.pipeline_status:
        yield
    else:
        with conn.pipeline():
            yield


def insert(conn: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Inserts the rows."""
    if not rows:
        return
    if conn.pgconn.pipeline_status:
        text = f"INSERT INTO {table.name} ({table.names}) SELECT * FROM unnest({table.arrays})"  # noqa: S608
        conn.execute(text.encode(), columns(table, rows))
        return
    text = f"COPY {table.name} ({table.names}) FROM STDIN (FORMAT BINARY)"
    with conn.cursor() as cursor, cursor.copy(text.encode()) as copy:
        copy.set_types(table.types)
        for row in rows:
            copy.write_row(row)


def columns(table: Table, rows: Sequence[Row]) -> list[Packed]:
    """Rows turned into the arrays that ``unnest`` wants."""
    values = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    return [array(kind, v) for kind, v in zip(table.types, values, strict=True)]
