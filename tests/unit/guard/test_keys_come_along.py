"""Wrapped keys that were read along with something else need not be looked up."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.clock import FakeClock
from tests.support.memory_keys import MemoryKeys

from chartloom.domain.grant import Purpose
from chartloom.domain.keys import SubjectShredded, WrappedKey
from chartloom.guard import Fetched, Guard
from chartloom.guard.keys import FileKek, KeyBroker

NONCE = bytes(12)


class Site:
    """Two brokers ("processes") over one store of keys; the first sealed for p1."""

    def __init__(self, folder: Path) -> None:
        clock = FakeClock()
        self.guard = Guard.open(folder / "keys", clock)
        self.store = MemoryKeys()
        kek = FileKek(folder / "kek", create=True)
        self.one, self.other = (KeyBroker(kek, self.store, self.guard, clock) for _ in range(2))
        self.sealed = self.one.sealing_key("p1").encrypt(NONCE, b"body", None)
        self.other.look()
        self.store.calls.clear()

    def came(self) -> Fetched:
        key = self.store.rows["p1"]
        assert isinstance(key, WrappedKey)
        return Fetched(self.other.mark, {"p1": key})


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_keys_that_came_along_are_not_read_again(site: Site) -> None:
    assert not site.other.ensure(["p1"], fetched=site.came())
    grant = site.guard.mint("worker", Purpose.OPERATIONS)
    assert site.other.opening_key(grant, "p1").decrypt(NONCE, site.sealed, None) == b"body"
    assert site.store.calls["get"] == 0


def test_others_are_looked_up_or_made(site: Site) -> None:
    assert not site.other.ensure(["p1", "p2"], fetched=site.came())
    assert site.store.calls == {"get": 1, "put_absent": 1}
    assert set(site.store.rows) == {"p1", "p2"}


def test_a_key_that_came_along_before_one_was_destroyed_is_read_again(site: Site) -> None:
    came = site.came()
    site.one.shred("p1", "staff-1", "patient-request")
    site.other.look(now=True)
    assert site.other.ensure(["p1"], fetched=came) == {"p1"}
    with pytest.raises(SubjectShredded):
        site.other.sealing_key("p1")
