"""Putting rows into a table: by COPY when they are many, within a pipeline when they are few."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, Final

import msgspec

from chartloom.engines.postgres.arrays import Packed, array
from chartloom.engines.postgres.connect import Connection

Row = tuple[Any, ...]

#: From here on COPY's cheaper rows outweigh its round trips, which cannot be pipelined.
COPY_ROWS_MIN = 48

#: Types of fixed width: bytes, and how ``struct`` calls them.
_FIXED: Final = {"int8": (8, "q"), "int4": (4, "i"), "int2": (2, "h"), "bool": (1, "?")}
_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END: Final = b"\xff\xff"
_LENGTH: Final = struct.Struct("!i").pack


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
        copy.write(stream(table, rows))


def stream(table: Table, rows: Sequence[Row]) -> bytes:
    """The rows as COPY reads them in binary form. Columns of fixed width must come first.

    Raises ``struct.error`` or ``UnicodeEncodeError`` for what does not fit the type.
    """
    fixed = [_FIXED[kind] for kind in takewhile(_FIXED.__contains__, table.types)]
    count = len(fixed)
    pack = struct.Struct("!h" + "".join(f"i{code}" for _, code in fixed)).pack
    head: list[Any] = [len(table.types)]
    for size, _ in fixed:
        head += (size, 0)
    parts: list[bytes] = [_COPY_HEAD]
    for row in rows:
        head[2::2] = row[:count]
        parts.append(pack(*head))
        for value in row[count:]:
            data = value.encode() if isinstance(value, str) else value
            parts += (_LENGTH(len(data)), data)
    parts.append(_COPY_END)
    return b"".join(parts)


def columns(table: Table, rows: Sequence[Row]) -> list[Packed]:
    """Rows turned into the arrays that ``unnest`` wants."""
    values = zip(*rows, strict=True) if rows else ((),) * len(table.columns)
    return [array(kind, v) for kind, v in zip(table.types, values, strict=True)]
