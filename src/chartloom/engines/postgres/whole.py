"""A message about several persons, sealed so that each part needs the keys of its own persons.

The whole is put together only for who holds all keys. When a person's key is destroyed, what was
said of that person is gone, wherever a copy lies, and the rest of the message is still there.

A body is :data:`_PARTED` and the MessagePack of ``[frame, [part, ...]]``. The frame (what is about
nobody, and how all fits together) is sealed for the site; a part with the key of each of its
persons, one around the other.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.message import Part, Parts
from chartloom.guard import Guard, SealBroken

#: First byte; those of single seals are others (``guard/guard.py``).
_PARTED: Final = b"\x10"
_KIND, _VERSION = "message", "parts"


class Opened(NamedTuple):
    """A message's bytes. sha256: of the whole. parts: if it is about several persons. shown: if
    some of those cannot be read any more, the spans of what can."""

    body: bytes
    sha256: bytes
    parts: Parts | None = None
    shown: tuple[tuple[int, int], ...] = ()


class _Frame(msgspec.Struct, array_like=True):
    """rest: the body without its sealed parts."""

    sha256: bytes
    parts: Parts
    rest: bytes


_encode = msgspec.msgpack.Encoder().encode
_FRAME: Final = msgspec.msgpack.Decoder(_Frame)
_SEALED: Final = msgspec.msgpack.Decoder(tuple[bytes, list[bytes]])


def is_parted(sealed: bytes) -> bool:
    """Whether a sealed body was sealed here."""
    return bytes(sealed[:1]) == _PARTED


def seal(guard: Guard, position: int, body: bytes, sha256: bytes, parts: Parts) -> bytes:
    """Parts of persons whose key was destroyed are sealed for nobody."""
    rest, at, sealed = bytearray(), 0, []
    for number, part in enumerate(parts.items):
        if part.persons:
            rest += body[at : part.start]
            at = part.end
            sealed.append(_seal_part(guard, position, number, part, body))
    frame = _encode(_Frame(sha256, parts, bytes(rest + body[at:])))
    outer = guard.seal("", _KIND, str(position), _VERSION, frame)
    return _PARTED + _encode((outer, sealed))


def _seal_part(guard: Guard, position: int, number: int, part: Part, body: bytes) -> bytes:
    text = body[part.start : part.end]
    for person in part.persons:
        try:
            text = guard.seal(person, _KIND, f"{position}/{number}", _VERSION, text)
        except SubjectShredded:
            text = guard.seal_for_nobody(text)
    return text


def unseal(guard: Guard, grant: Grant, position: int, sealed: bytes) -> Opened:
    """The message; parts of destroyed keys are written as the filler.

    Raises ``GrantRefused`` without a grant for everyone, ``SubjectShredded`` if every part is gone,
    ``SealBroken`` if something is damaged or belongs elsewhere.
    """
    try:
        outer, inner = _SEALED.decode(sealed[1:])
        frame = _FRAME.decode(guard.unseal(grant, "", _KIND, str(position), _VERSION, outer))
    except msgspec.MsgspecError as error:
        raise _broken(position) from error
    parts = frame.parts
    if len(inner) != sum(bool(p.persons) for p in parts.items):
        raise _broken(position)
    waiting = iter(inner)
    body, at, gone = bytearray(), 0, []
    for number, part in enumerate(parts.items):
        if not part.persons:
            continue
        between = part.start - len(body)
        body += frame.rest[at : at + between]
        at += between
        text = _unseal_part(guard, grant, position, number, part, next(waiting))
        if text is None:
            gone.append((part.start, part.end))
            text = parts.filler.ljust(part.end - part.start)
        body += text
    body += frame.rest[at:]
    if len(gone) == len(inner):
        raise SubjectShredded(tuple(sorted(parts.persons)))
    if not gone and hashlib.sha256(body).digest() != frame.sha256:
        raise _broken(position)
    return Opened(bytes(body), frame.sha256, parts, _left(gone, len(body)) if gone else ())


def _unseal_part(
    guard: Guard, grant: Grant, position: int, number: int, part: Part, sealed: bytes
) -> bytes | None:
    text = sealed
    for person in reversed(part.persons):
        try:
            text = guard.unseal(grant, person, _KIND, f"{position}/{number}", _VERSION, text)
        except SubjectShredded:
            return None
    return text


def _left(gone: list[tuple[int, int]], size: int) -> tuple[tuple[int, int], ...]:
    starts, ends = [0, *(b for _, b in gone)], [*(a for a, _ in gone), size]
    return tuple((a, b) for a, b in zip(starts, ends, strict=True) if a < b)


def _broken(position: int) -> SealBroken:
    return SealBroken("the parts of a message do not fit together.", where=f"message {position}")
