"""PostgreSQL arrays in binary form, packed in one go.

A batch passes whole columns as arrays. psycopg packs lists element by element through its adapters;
for columns whose type we know, this is several times cheaper.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from psycopg.adapt import AdaptersMap, Buffer, Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_EMPTY = struct.Struct("!iiI")
_LENGTH = struct.Struct("!i").pack
#: Lengths as they stand before elements, ready for those that are common.
_LENGTHS = tuple(_LENGTH(n) for n in range(4096))


class Packed:
    """One packed array; each element type has its subclass."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


_Pack = Callable[[Any], bytes]

# Whole columns at once where there is a way: a batch has tens of thousands of values.


def _texts(values: Sequence[str]) -> bytes:
    if len(values) == 1:
        encoded = values[0].encode()
        return _LENGTH(len(encoded)) + encoded
    if len(sizes := {*map(len, values)}) == 1 and (size := sizes.pop()) < 128:  # ids are alike
        length = "\0\0\0" + chr(size)
        joined = length + length.join(values)
        if joined.isascii():  # as many bytes as characters
            return joined.encode()
    return _blobs([v.encode() for v in values])


def _blobs(values: Sequence[bytes]) -> bytes:
    if len(values) == 1:
        return _LENGTH(len(values[0])) + values[0]
    if max(map(len, values)) < len(_LENGTHS):
        return b"".join([part for v in values for part in (_LENGTHS[len(v)], v)])
    return b"".join([part for v in values for part in (_LENGTH(len(v)), v)])


def _fixed(kind: str, size_bytes: int) -> _Pack:
    """Values of one of ``struct``'s kinds: all packed, then spread between their lengths, first
    bytes of all, second bytes of all, ..."""
    step = 4 + size_bytes
    alone = struct.Struct(f"!i{kind}").pack

    def fixed(values: Sequence[Any]) -> bytes:
        count = len(values)
        if count == 1:  # as in all columns of a message that comes by itself
            return alone(size_bytes, values[0])
        numbers = struct.pack(f"!{count}{kind}", *values)
        out = bytearray(step * count)
        out[3::step] = bytes((size_bytes,)) * count
        for at in range(size_bytes):
            out[4 + at :: step] = numbers[at::size_bytes]
        return bytes(out)

    return fixed


#: name -> (oid of the element type, oid of the array type, how elements are packed)
_TYPES: dict[str, tuple[int, int, _Pack]] = {
    "bool": (16, 1000, _fixed("?", 1)),
    "bytea": (17, 1001, _blobs),
    "float8": (701, 1022, _fixed("d", 8)),
    "int2": (21, 1005, _fixed("h", 2)),
    "int4": (23, 1007, _fixed("i", 4)),
    "int8": (20, 1016, _fixed("q", 8)),
    "text": (25, 1009, _texts),
}
_NOTHING = {name: _EMPTY.pack(0, 0, element) for name, (element, _, _) in _TYPES.items()}
_CLASSES: dict[str, type[Packed]] = {name: type(f"Packed_{name}", (Packed,), {}) for name in _TYPES}


def array(kind: str, values: Sequence[Any]) -> Packed:
    """``values`` as an array of ``kind`` (bool, bytea, float8, int2, int4, int8, text); no NULLs.

    Raises ``struct.error`` or ``UnicodeEncodeError`` for what does not fit the type.
    """
    return _CLASSES[kind](packed(kind, values))


def packed(kind: str, values: Sequence[Any]) -> bytes:
    """The bytes of :func:`array`, for callers who hand them to libpq themselves."""
    if not values:
        return _NOTHING[kind]
    element, _, pack = _TYPES[kind]
    return _HEADER.pack(1, 0, element, len(values), 1) + pack(values)


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
