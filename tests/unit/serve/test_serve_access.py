"""Links work once, sessions end, and nothing that is not ours is accepted."""

from __future__ import annotations

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.serve.access import LINK_S, SESSION_S, Access, sign_in_path

TOKEN = "0123456789abcdef0123456789abcdef"
NOW = 1_780_000_000_000_000


class Clock:
    def __init__(self) -> None:
        self.us = NOW

    def now_us(self) -> int:
        return self.us


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def access(clock: Clock) -> Access:
    return Access(TOKEN, clock)


def link(now_us: int = NOW) -> str:
    return sign_in_path(TOKEN, now_us).partition("token=")[2]


def test_a_link_works_exactly_once(access: Access) -> None:
    token = link()
    assert access.redeem(token) is not None
    assert access.redeem(token) is None


def test_links_are_different_each_time() -> None:
    assert link() != link()


def test_a_link_expires(access: Access, clock: Clock) -> None:
    token = link()
    clock.us += (LINK_S + 1) * 1_000_000
    assert access.redeem(token) is None


def test_a_used_link_stays_used_until_it_expires(access: Access, clock: Clock) -> None:
    token = link()
    access.redeem(token)
    clock.us += (LINK_S - 5) * 1_000_000
    access.redeem(link(clock.us))
    assert access.redeem(token) is None


def test_a_link_of_another_site_is_refused(access: Access) -> None:
    foreign = sign_in_path("f" * 32, NOW).partition("token=")[2]
    assert access.redeem(foreign) is None


def test_the_cookie_carries_the_session(access: Access) -> None:
    session = access.redeem(link())
    assert session is not None
    assert access.session(access.cookie(session)) == session


def test_a_session_ends(access: Access, clock: Clock) -> None:
    session = access.redeem(link())
    assert session is not None
    cookie = access.cookie(session)
    clock.us += SESSION_S * 1_000_000
    assert access.session(cookie) is None


def test_every_changed_character_of_a_cookie_is_noticed(access: Access) -> None:
    session = access.redeem(link())
    assert session is not None
    cookie = access.cookie(session)
    for at, old in enumerate(cookie):
        new = "A" if old != "A" else "B"
        changed = cookie[:at] + new + cookie[at + 1 :]
        assert access.session(changed) is None, at


def test_a_csrf_token_belongs_to_one_session(access: Access) -> None:
    one, two = access.redeem(link()), access.redeem(link())
    assert one is not None
    assert two is not None
    assert access.csrf_holds(one, access.csrf(one))
    assert not access.csrf_holds(two, access.csrf(one))
    assert not access.csrf_holds(one, "")


def test_search_terms_are_hidden_and_come_back(access: Access) -> None:
    terms = {"patient": "O’Neill", "control": "A1"}
    handle = access.hide(terms)
    assert "Neill" not in handle
    assert set(handle) <= set(string.ascii_letters + string.digits + "-_")
    assert access.reveal(handle) == terms
    assert access.hide(terms) != handle  # equal searches cannot be told from their addresses


def test_handles_of_another_site_reveal_nothing(access: Access, clock: Clock) -> None:
    assert access.reveal(Access("f" * 32, clock).hide({"patient": "x"})) == {}


def test_a_short_token_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="32"):
        Access("short", clock)


def test_bearer_needs_the_whole_token(access: Access) -> None:
    assert access.bearer(f"Bearer {TOKEN}") is not None
    assert access.bearer(f"Bearer {TOKEN[:-1]}") is None
    assert access.bearer(f"Basic {TOKEN}") is None
    assert access.bearer("") is None


@settings(max_examples=300)
@given(text=st.text(max_size=200))
def test_nothing_made_up_is_ever_accepted(text: str) -> None:
    access = Access(TOKEN, Clock())
    assert access.session(text) is None
    assert access.redeem(text) is None
    assert access.reveal(text) == {}
    assert access.bearer(text) is None
