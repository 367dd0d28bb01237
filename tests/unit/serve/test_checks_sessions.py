"""Sessions, links and metrics: words that are none ask nothing, and nothing comes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from tests.support.clock import FakeClock
from tests.support.memory_doors import MemorySessions

from chartloom.domain.access import StoredSession
from chartloom.domain.grant import Grant
from chartloom.guard import Guard
from chartloom.guard.staff import Claims, Principal, Role, Staff, StaffMember
from chartloom.guard.tokens import MemoryUsedTokens
from chartloom.serve.access import Handles, _mac, equal, sign_in_path
from chartloom.serve.readiness import MetricsRule
from chartloom.serve.sessions import SessionBook, Visitor, kept_claims, key_of

STAFF = Staff((StaffMember("ann", "Ann", (Role.CLINICIAN,)),))
TOKEN = "t" * 40


class Counted(MemorySessions):
    asked = 0

    def get(self, grant: Grant, key: bytes) -> StoredSession | None:
        self.asked += 1
        return super().get(grant, key)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kept(tmp_path: Path, clock: FakeClock) -> Counted:
    return Counted(Guard.open(tmp_path / "keys", clock))


@pytest.fixture
def book(kept: Counted, clock: FakeClock) -> SessionBook:
    return SessionBook(kept, kept._guard, clock, lambda: STAFF)


@pytest.mark.parametrize("word", ["", "x", "x" * 39, "x" * 65, "x" * 1_000_000, "\u00e9" * 43])
def test_of_a_word_that_is_none_the_store_is_not_asked(
    book: SessionBook, kept: Counted, word: str
) -> None:
    assert book.find(word) is None
    assert kept.asked == 0
    assert book.find("x" * 43) is None
    assert kept.asked == 1


@pytest.mark.parametrize(("chars", "kept_chars"), [(0, 0), (6_000, 6_000), (6_001, 0)])
def test_a_token_too_long_for_an_address_is_not_kept(
    book: SessionBook, kept: Counted, chars: int, kept_chars: int
) -> None:
    word = book.open("ann", "oidc", {}, id_token="x" * chars)
    assert len(kept.rows[key_of(word)].session.id_token) == kept_chars


def test_of_claims_that_are_not_there_none_is_kept() -> None:
    staff = Staff(claims=Claims("groups", "wards", {"doctors": Role.CLINICIAN}))
    claims = {"groups": ["doctors"], "name": "Ann", "email": "a@north.example", "sub": "s"}
    assert kept_claims(staff, claims) == {"groups": ["doctors"], "name": "Ann"}
    assert kept_claims(staff, {}) == {}


# Links


@pytest.mark.parametrize("expires", ["", "x", "-1", "1e9", "0x7fffffff", " 1"])
def test_a_link_says_in_one_way_until_when_it_holds(clock: FakeClock, expires: str) -> None:
    """Even one that holds our own mark."""
    handles = Handles(TOKEN, clock, MemoryUsedTokens(clock))
    body = f"{expires}.once"
    assert not handles.redeem(f"{body}.{_mac(TOKEN, 'link', body)}")
    good = sign_in_path(TOKEN, clock.now_us()).partition("token=")[2]
    assert handles.redeem(good)
    assert not handles.redeem(good)


def test_nothing_equals_nothing() -> None:
    """Who has no session has no secret that could be presented."""
    assert equal("x", "x")
    assert not equal("", "")
    assert not equal("x", "")
    assert not equal("", "x")
    assert not equal("\ud800", "x")


# Metrics


@pytest.mark.parametrize("client", [None, ("10.0.0.7", 1), ("", 0)])
def test_who_comes_from_nowhere_is_not_from_here(client: Any) -> None:
    request = Request({"type": "http", "headers": [], "client": client})
    assert not MetricsRule().admits(request)


# What is open


def test_a_session_is_open_until_it_is_over_or_idle(
    book: SessionBook, kept: Counted, clock: FakeClock
) -> None:
    def is_open() -> bool:
        return bool(book.open_now())

    limits = book.limits
    book.open("ann", "oidc", {})
    clock.time_us += (limits.idle_s - 1) * 1_000_000
    assert is_open()
    clock.time_us += 1_000_000
    assert not is_open()
    word = book.open("ann", "oidc", {})
    clock.time_us += limits.absolute_s * 1_000_000 - 1
    kept.touch(book._grant(), key_of(word), clock.time_us)
    assert is_open()
    clock.time_us += 1
    assert not is_open(), "however much it is used"


def test_who_asked_with_a_token_chooses_no_purpose(book: SessionBook, kept: Counted) -> None:
    book.choose(Visitor(Principal("lab", service=True), None, b""), "TREAT")
    assert not kept.rows
    word = book.open("ann", "oidc", {})
    visitor = book.find(word)
    assert visitor is not None
    book.choose(visitor, "TREAT")
    assert kept.rows[key_of(word)].session.purpose == "TREAT"


def test_ending_a_session_says_whether_it_was_open(book: SessionBook) -> None:
    book.open("ann", "oidc", {})
    (stored,) = book.open_now()
    assert book.end_one(stored) is True
    assert book.end_one(stored) is False
