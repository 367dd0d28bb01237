"""Links work once, sessions end, and nothing that is not ours is accepted."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.memory_doors import MemorySessions

from chartloom.guard import Guard
from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.guard.tokens import MemoryUsedTokens
from chartloom.serve.access import LINK_S, Handles, equal, sign_in_path
from chartloom.serve.entrance import inside
from chartloom.serve.sessions import LOCAL_OPERATOR, Limits, SessionBook

TOKEN = "0123456789abcdef0123456789abcdef"
NOW = 1_780_000_000_000_000
MINUTE_US = 60_000_000


class Clock:
    def __init__(self) -> None:
        self.us = NOW

    def now_us(self) -> int:
        return self.us


@pytest.fixture
def clock() -> Clock:
    return Clock()


def handles(clock: Clock, token: str = TOKEN) -> Handles:
    return Handles(token, clock, MemoryUsedTokens(clock))


@pytest.fixture
def access(clock: Clock) -> Handles:
    return handles(clock)


def link(now_us: int = NOW) -> str:
    return sign_in_path(TOKEN, now_us).partition("token=")[2]


def test_a_link_works_exactly_once(access: Handles) -> None:
    token = link()
    assert access.redeem(token)
    assert not access.redeem(token)


def test_a_used_link_stays_used_after_a_restart(clock: Clock) -> None:
    used, token = MemoryUsedTokens(clock), link()
    assert Handles(TOKEN, clock, used).redeem(token)
    assert not Handles(TOKEN, clock, used).redeem(token)


def test_links_are_different_each_time() -> None:
    assert link() != link()


def test_a_link_expires(access: Handles, clock: Clock) -> None:
    token = link()
    clock.us += (LINK_S + 1) * 1_000_000
    assert not access.redeem(token)


def test_a_used_link_stays_used_until_it_expires(access: Handles, clock: Clock) -> None:
    token = link()
    access.redeem(token)
    clock.us += (LINK_S - 5) * 1_000_000
    access.redeem(link(clock.us))
    assert not access.redeem(token)


def test_a_link_of_another_site_is_refused(access: Handles) -> None:
    foreign = sign_in_path("f" * 32, NOW).partition("token=")[2]
    assert not access.redeem(foreign)


def test_search_terms_are_hidden_and_come_back(access: Handles) -> None:
    terms = {"patient": "O’Neill", "control": "A1"}
    handle = access.hide(terms)
    assert "Neill" not in handle
    assert set(handle) <= set(string.ascii_letters + string.digits + "-_")
    assert access.reveal(handle) == terms
    assert access.hide(terms) != handle  # equal searches cannot be told from their addresses


def test_handles_are_for_one_use_and_one_site(access: Handles, clock: Clock) -> None:
    assert access.reveal(handles(clock, "f" * 32).hide({"patient": "x"})) == {}
    assert access.reveal(access.hide({"patient": "x"}, "search one"), "search two") == {}


def test_a_short_token_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="32"):
        handles(clock, "short")


@settings(max_examples=300)
@given(text=st.text(max_size=200))
def test_nothing_made_up_is_ever_accepted(text: str) -> None:
    access = handles(Clock())
    assert not access.redeem(text)
    assert access.reveal(text) == {}
    assert not equal(text, "")


@pytest.mark.parametrize(
    "path", ["/", "/chart", "/chart/a-b?section=results&section=x", "/messages?find=abc_-"]
)
def test_a_sign_in_may_lead_into_the_console(path: str) -> None:
    assert inside(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.org", "/\\evil.org", "https://evil.org", "/a//evil.org", "javascript:x", "/\tx"),
        *(
            "",
            "/%0d%0aSet-Cookie: x",
            "/x\r\ny",
            "\\\\evil.org",
            "/@evil",
            "evil.org",
            "/" + "a" * 501,
        ),
    ],
)
def test_a_sign_in_leads_nowhere_else(path: str) -> None:
    assert inside(path) == "/"


# Sessions


def book(tmp_path: Any, clock: Clock, staff: list[Staff]) -> tuple[SessionBook, MemorySessions]:
    guard = Guard.open(tmp_path / "keys", clock)
    kept = MemorySessions(guard)
    return SessionBook(kept, guard, clock, lambda: staff[0], Limits(900, 43_200)), kept


STAFF = Staff((StaffMember("ann", "Ann", (Role.CLINICIAN,)),))


def test_a_session_is_found_by_its_word_and_no_other(tmp_path: Any, clock: Clock) -> None:
    sessions, kept = book(tmp_path, clock, [STAFF])
    word = sessions.open("ann", "oidc", {})
    found = sessions.find(word)
    assert found is not None
    assert found.principal.roles == {"clinician"}
    for at, old in enumerate(word):
        changed = word[:at] + ("A" if old != "A" else "B") + word[at + 1 :]
        assert sessions.find(changed) is None
    assert word.encode() not in b"".join(kept.rows)  # who reads the table cannot use it


def test_a_session_ends_without_use(tmp_path: Any, clock: Clock) -> None:
    sessions, kept = book(tmp_path, clock, [STAFF])
    word = sessions.open("ann", "oidc", {})
    for _ in range(4):  # use keeps it
        clock.us += 14 * MINUTE_US
        assert sessions.find(word) is not None
    clock.us += 15 * MINUTE_US
    assert sessions.find(word) is None
    assert not kept.rows


def test_no_use_keeps_a_session_for_ever(tmp_path: Any, clock: Clock) -> None:
    sessions, _ = book(tmp_path, clock, [STAFF])
    word = sessions.open("ann", "oidc", {})
    minutes = 0
    while sessions.find(word) is not None:
        clock.us += 10 * MINUTE_US
        minutes += 10
    assert minutes == 720


def test_signing_in_ends_the_session_before_it(tmp_path: Any, clock: Clock) -> None:
    sessions, kept = book(tmp_path, clock, [STAFF])
    word = sessions.open("ann", "oidc", {})
    before = sessions.find(word)
    assert before is not None
    again = sessions.open("ann", "oidc", {}, replaces=before.key)
    assert again != word
    assert sessions.find(word) is None
    assert len(kept.rows) == 1


def test_roles_are_those_of_today(tmp_path: Any, clock: Clock) -> None:
    staff = [STAFF]
    sessions, _ = book(tmp_path, clock, staff)
    word = sessions.open("ann", "oidc", {})
    staff[0] = Staff()
    found = sessions.find(word)
    assert found is not None
    assert found.principal.roles == frozenset()


def test_the_local_operator_runs_the_site_and_nothing_else(tmp_path: Any, clock: Clock) -> None:
    sessions, _ = book(tmp_path, clock, [STAFF])
    found = sessions.find(sessions.open(LOCAL_OPERATOR, "local", {}))
    assert found is not None
    assert found.principal.roles == {"administrator", "integration_engineer"}
    # Nobody becomes it by a name that a provider gives.
    other = sessions.find(sessions.open(LOCAL_OPERATOR, "oidc", {}))
    assert other is not None
    assert other.principal.roles == frozenset()
