"""PostgreSQL arrays in binary form, packed in one go.

A batch passes whole columns as arrays. psycopg packs lists element by element through its adapters;
for columns whose type we know, this is several times cheaper.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from psycopg.adapt import AdaptersMap, Buffer, Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_EMPTY = struct.Struct("!iiI")
_LENGTH = struct.Struct("!i").pack
_INT2, _INT4, _INT8 = (
    struct.Struct("!ih").pack,
    struct.Struct("!ii").pack,
    struct.Struct("!iq").pack,
)
_TRUE, _FALSE = b"\0\0\0\1\1", b"\0\0\0\1\0"


class Packed:
    """One packed array; each element type has its subclass."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def _texts(values: Iterable[str]) -> Iterable[bytes]:
    return _blobs([v.encode() for v in values])


def _blobs(values: Iterable[bytes]) -> Iterable[bytes]:
    parts: list[bytes] = []
    for v in values:
        parts += (_LENGTH(len(v)), v)
    return parts


_Pack = Callable[[Any], Iterable[bytes]]
#: name -> (oid of the element type, oid of the array type, how elements are packed)
_TYPES: dict[str, tuple[int, int, _Pack]] = {
    "bool": (16, 1000, lambda values: [_TRUE if v else _FALSE for v in values]),
    "bytea": (17, 1001, _blobs),
    "int2": (21, 1005, lambda values: [_INT2(2, v) for v in values]),
    "int4": (23, 1007, lambda values: [_INT4(4, v) for v in values]),
    "int8": (20, 1016, lambda values: [_INT8(8, v) for v in values]),
    "text": (25, 1009, _texts),
}
_CLASSES: dict[str, type[Packed]] = {name: type(f"Packed_{name}", (Packed,), {}) for name in _TYPES}


def array(kind: str, values: Sequence[Any]) -> Packed:
    """``values`` as an array of ``kind`` (bool, bytea, int2, int4, int8, text); no NULLs.

    Raises ``struct.error`` or ``UnicodeEncodeError`` for what does not fit the type.
    """
    return _CLASSES[kind](packed(kind, values))


def packed(kind: str, values: Sequence[Any]) -> bytes:
    """The bytes of :func:`array`, for callers who hand them to libpq themselves."""
    element, _, pack = _TYPES[kind]
    if not values:
        return _EMPTY.pack(0, 0, element)
    return b"".join((_HEADER.pack(1, 0, element, len(values), 1), *pack(values)))


def oid_of(kind: str) -> int:
    """The oid of a type, or of its array if ``kind`` ends in ``[]``."""
    element, of_array, _ = _TYPES[kind.removesuffix("[]")]
    return of_array if kind.endswith("[]") else element


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> Buffer:
        return obj.data


def register(adapters: AdaptersMap) -> None:
    """Teaches a connection to pass packed arrays."""
    for name, (_, oid, _) in _TYPES.items():
        dumper = type(f"Dumper_{name}", (_PackedDumper,), {"oid": oid})
        adapters.register_dumper(_CLASSES[name], dumper)
