"""Open sessions: an officer sees whose, and ends them; nobody else does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.browser.test_console_http import Client
from tests.browser.test_roles import events_since, house, ids, sign_in, size_of, url
from tests.browser.test_two_persons import late
from tests.support.site import Site

from chartloom.domain.grant import Purpose
from chartloom.serve.sessions import SessionBook

__all__ = ["house", "ids", "sign_in", "url"]


def end(client: Client, **form: str) -> tuple[int, str]:
    status, _, text = client.ask("/sessions", "POST", {**form, "csrf": client.csrf("/me")})
    return status, text


def names_of(text: str, whose: str) -> list[str]:
    """Names of sessions under the heading of a person."""
    (part,) = re.findall(rf"<h2[^>]*>{whose}.*?</section>", text, re.DOTALL)
    return re.findall(r'name="session" value="([0-9a-f]{32})"', part)


@pytest.mark.parametrize("subject", ["officer", "admin"])
def test_one_session_is_ended_and_no_other(
    sign_in: Callable[[str], Client], house: Site, subject: str
) -> None:
    boss, first, second = sign_in(subject), sign_in("engineer"), sign_in("engineer")
    text = boss.ask("/sessions")[2]
    for client in (first, second, boss):
        word = client.cookie.partition("=")[2]
        assert word not in text
        assert SessionBook(house.sessions, house.guard, house.clock, lambda: house.staff).find(word)
    name = house.staff.member("engineer").name  # type: ignore[union-attr]
    newest = names_of(text, re.escape(name))[0]
    before = size_of(house)
    assert end(boss, session=newest)[0] == 303
    assert sorted((first.ask("/me")[0], second.ask("/me")[0])) == [200, 401]
    (event,) = [e for e in events_since(house, before) if e.kind == "session-ended"]
    assert (event.actor, event.denied) == (subject, "")
    assert "session-ended" not in text
    assert end(boss, session=newest)[0] == 409, "over already"


def test_all_sessions_of_a_person(sign_in: Callable[[str], Client], house: Site) -> None:
    officer, one, two, other = map(sign_in, ("officer", "analyst", "analyst", "engineer"))
    before = size_of(house)
    assert end(officer, person="analyst")[0] == 303
    assert [c.ask("/me")[0] for c in (one, two, other, officer)] == [401, 401, 200, 200]
    ended = [e for e in events_since(house, before) if e.kind == "session-ended"]
    assert len(ended) >= 2
    assert all("session/analyst" in e.things for e in ended)


@pytest.mark.parametrize("subject", ["one", "engineer", "analyst", "nobody"])
def test_nobody_else_sees_or_ends(
    sign_in: Callable[[str], Client], house: Site, url: str, subject: str
) -> None:
    victim, client = sign_in("officer"), sign_in(subject)
    assert client.ask("/sessions")[0] == 404
    assert end(client, person="officer")[0] == 404
    assert end(late(house, url, subject), person="officer")[0] == 404
    assert victim.ask("/me")[0] == 200


def test_ending_takes_a_fresh_sign_in(
    sign_in: Callable[[str], Client], house: Site, url: str
) -> None:
    victim, officer = sign_in("analyst"), late(house, url, "officer")
    assert officer.ask("/sessions")[0] == 200
    before = size_of(house)
    status, text = end(officer, person="analyst")
    assert (status, "/sign-in/start?again=1" in text) == (403, True)
    assert victim.ask("/me")[0] == 200
    assert [e.denied for e in events_since(house, before) if e.denied] == ["sign-in-too-old"]


def test_choosing_a_purpose_does_not_bring_a_session_back(house: Site) -> None:
    book = SessionBook(house.sessions, house.guard, house.clock, lambda: house.staff)
    word = book.open("officer", "oidc", {})
    visitor = book.find(word)
    assert visitor is not None
    (stored,) = [s for s in book.open_now() if s.key == visitor.key]
    assert book.end_one(stored)
    book.choose(visitor, Purpose.OPERATIONS)
    assert book.find(word) is None
