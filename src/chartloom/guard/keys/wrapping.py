"""Subject keys as they are wrapped: each with a tag of its subject, which it cannot leave."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

import msgspec

from chartloom.domain.keys import WrappedKey
from chartloom.guard.keys.files import KEY_BYTES
from chartloom.guard.keys.kek import Kek, KeyDamaged

_TAG_BYTES: Final = 8


def tagged(key: bytes, subject: str) -> bytes:
    """What is wrapped: the tag makes that a wrapped key cannot be moved to another subject."""
    return key + _tag(subject)


def unwrapped(kek: Kek, keys: Sequence[WrappedKey]) -> list[bytes]:
    """The plain keys, each proven to be its subject's own.

    Raises ``GenerationUnknown`` or ``KeyDamaged``.
    """
    by_generation: dict[int, list[int]] = {}
    for i, key in enumerate(keys):
        by_generation.setdefault(key.generation, []).append(i)
    plain = [b""] * len(keys)
    for generation, places in by_generation.items():
        opened = kek.unwrap(generation, [keys[i].wrapped for i in places])
        for i, content in zip(places, opened, strict=True):
            plain[i] = _own(content, keys[i].subject)
    return plain


def _own(content: bytes, subject: str) -> bytes:
    key, tag = content[:KEY_BYTES], content[KEY_BYTES:]
    if not hmac.compare_digest(tag, _tag(subject)):  # with a whole tag, the key is whole
        raise KeyDamaged("a wrapped key belongs to another record.")
    return key


def rewrapped(kek: Kek, old: Sequence[WrappedKey]) -> list[tuple[WrappedKey, WrappedKey]]:
    """Each key with what it is under the newest generation."""
    plain = [tagged(key, o.subject) for key, o in zip(unwrapped(kek, old), old, strict=True)]
    generation, wrapped = kek.wrap(plain)
    return [
        (o, msgspec.structs.replace(o, generation=generation, wrapped=w))
        for o, w in zip(old, wrapped, strict=True)
    ]


def _tag(subject: str) -> bytes:
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).digest()[:_TAG_BYTES]
