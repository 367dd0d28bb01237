"""When sessions end: without use, in all, and by the hand of whoever signs out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.clock import FakeClock
from tests.support.memory_doors import MemorySessions

from chartloom.guard import Guard
from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.serve.sessions import Limits, SessionBook

LIMITS = Limits(idle_s=900, absolute_s=7200, fresh_s=300)
SECOND = 1_000_000
STAFF = Staff((StaffMember("ann", "Ann", (Role.CLINICIAN,)),))


class Here:
    """A book of sessions and its clock."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        guard = Guard.open(folder / "keys", self.clock)
        self.kept = MemorySessions(guard)
        self.book = SessionBook(self.kept, guard, self.clock, lambda: STAFF, LIMITS)

    def open(self, *, proved_ago_s: int | None = 0) -> str:
        now_us = self.clock.now_us()
        proved_us = 0 if proved_ago_s is None else now_us - proved_ago_s * SECOND
        return self.book.open("ann", "oidc", {}, proved_us=proved_us)

    def wait(self, seconds: float) -> None:
        self.clock.time_us += int(seconds * SECOND)


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_a_session_that_is_not_used_ends(here: Here) -> None:
    word = here.open()
    here.wait(LIMITS.idle_s - 0.000001)
    assert here.book.find(word) is not None
    here.wait(LIMITS.idle_s)
    assert here.book.find(word) is None
    assert here.kept.rows == {}  # on the server, too: a clock turned back brings nothing back
    here.wait(-LIMITS.idle_s)
    assert here.book.find(word) is None


def test_use_prolongs_it_but_not_beyond_its_time(here: Here) -> None:
    word = here.open()
    for _ in range(LIMITS.absolute_s // 600 - 1):
        here.wait(600)
        assert here.book.find(word) is not None
    here.wait(600 - 0.000001)
    assert here.book.find(word) is not None
    here.wait(0.000001)
    assert here.book.find(word) is None
    assert here.kept.rows == {}


def test_being_looked_at_seldom_is_use_all_the_same(here: Here) -> None:
    """What is remembered of use is at most half a minute old: never so old that it ends early."""
    word = here.open()
    here.wait(29)
    assert here.book.find(word) is not None
    here.wait(LIMITS.idle_s - 30)
    assert here.book.find(word) is not None
    here.wait(LIMITS.idle_s - 1)
    assert here.book.find(word) is not None


def test_what_is_over_is_tidied_and_nothing_else(here: Here) -> None:
    idle, used = here.open(), here.open()
    here.wait(LIMITS.idle_s - 1)
    assert here.book.find(used) is not None
    here.wait(1)
    assert here.book.tidy() == 1
    assert here.book.find(idle) is None
    assert here.book.find(used) is not None
    here.wait(LIMITS.absolute_s)
    assert here.book.tidy() == 1
    assert here.kept.rows == {}


def test_proof_is_fresh_for_its_time(here: Here) -> None:
    word = here.open(proved_ago_s=100)
    here.wait(LIMITS.fresh_s - 100 - 0.000001)
    found = here.book.find(word)
    assert found is not None
    assert found.fresh
    here.wait(0.000001)
    found = here.book.find(word)
    assert found is not None
    assert not found.fresh


def test_without_proof_nothing_is_fresh(here: Here) -> None:
    found = here.book.find(here.open(proved_ago_s=None))
    assert found is not None
    assert not found.fresh


def test_a_new_session_ends_the_one_it_replaces(here: Here) -> None:
    before = here.book.find(here.open())
    assert before is not None
    after = here.book.open("ann", "oidc", {}, replaces=before.key)
    assert list(here.kept.rows) != [before.key]
    found = here.book.find(after)
    assert found is not None
    here.book.end(found)
    assert here.kept.rows == {}
