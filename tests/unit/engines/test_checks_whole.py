"""A message in parts is opened only if all its parts are there, fit and are what was landed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.message import Part, Parts
from chartloom.engines.postgres import whole
from chartloom.guard import Guard, SealBroken

BODY = b"head|ana says|middle|ben says|tail"
PARTS = Parts((Part(5, 13, ("ana",)), Part(21, 29, ("ben",))), b"", b"", b"", b"-")


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    return Guard.open(tmp_path / "keys")


@pytest.fixture
def grant(guard: Guard) -> Grant:
    return guard.mint("t", Purpose.OPERATIONS)


def sealed(guard: Guard, digest: bytes = b"") -> bytes:
    return whole.seal(guard, 7, BODY, digest or hashlib.sha256(BODY).digest(), PARTS)


def test_a_part_more_or_less_is_noticed(guard: Guard, grant: Grant) -> None:
    good = sealed(guard)
    assert whole.unseal(guard, grant, 7, good).body == BODY
    outer, inner = msgspec.msgpack.decode(good[1:], type=tuple[bytes, list[bytes]])
    for changed in ([*inner, inner[0]], inner[:1], []):
        damaged = good[:1] + msgspec.msgpack.encode((outer, changed))
        with pytest.raises(SealBroken):
            whole.unseal(guard, grant, 7, damaged)


def test_what_is_not_what_was_landed_is_not_shown(guard: Guard, grant: Grant) -> None:
    with pytest.raises(SealBroken):
        whole.unseal(guard, grant, 7, sealed(guard, hashlib.sha256(b"another").digest()))


class Shredded:
    """The guard of a site where the keys of these persons were destroyed."""

    def __init__(self, guard: Guard, *gone: str) -> None:
        self._guard, self._gone = guard, gone

    def unseal(self, grant: Grant, person: str, *more: Any) -> bytes:
        if person in self._gone:
            raise SubjectShredded((person,))
        return self._guard.unseal(grant, person, *more)


def test_of_destroyed_keys_the_rest_is_shown_and_without_any_rest_nothing(
    guard: Guard, grant: Grant
) -> None:
    one: Any = Shredded(guard, "ana")
    opened = whole.unseal(one, grant, 7, sealed(guard))
    assert b"ana says" not in opened.body
    assert b"ben says" in opened.body
    both: Any = Shredded(guard, "ana", "ben")
    with pytest.raises(SubjectShredded):
        whole.unseal(both, grant, 7, sealed(guard))
