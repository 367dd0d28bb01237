"""Factors that a site demands, and signing in once more, with the demo's provider."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from tests.browser.test_console_http import Client
from tests.browser.test_sign_in import Door, door, last_event

from chartloom.guard.tokens import Demands
from chartloom.serve.sessions import Limits, SessionBook

__all__ = ["door"]


@pytest.fixture
def strict(door: Door) -> Iterator[Door]:
    door.party.demands = Demands(acr=("mfa",), amr=("mfa", "otp"))
    yield door
    door.party.demands = Demands()


def answered(door: Door, *, second: bool) -> tuple[Client, int, str]:
    client = Client(door.url)
    query, _ = door.begin(client)
    status, _, text = client.ask(door.choose(query, "ann", second=second))
    return client, status, text


def test_with_both_factors_one_gets_in(strict: Door) -> None:
    client, status, _ = answered(strict, second=True)
    assert (status, client.ask("/me")[0]) == (200, 200)


def test_without_the_second_factor_the_page_says_what_is_missing(strict: Door) -> None:
    client, status, text = answered(strict, second=False)
    assert status == 403
    for words in ("not in the way this site demands", "<code>mfa</code>", "second factor"):
        assert words in text
    assert client.ask("/me")[0] == 401
    event = last_event(strict)
    assert (event.kind, event.denied) == ("sign-in", "acr")


def test_a_site_that_demands_nothing_takes_one_factor(door: Door) -> None:
    client, status, _ = answered(door, second=False)
    assert (status, client.ask("/me")[0]) == (200, 200)


def test_the_provider_is_asked_for_the_class_that_is_demanded(strict: Door) -> None:
    query, _ = strict.begin(Client(strict.url))
    assert parse_qs(query)["acr_values"] == ["mfa"]


def test_signing_in_again_asks_the_provider_to_look_and_makes_the_session_fresh(door: Door) -> None:
    client, _, _ = answered(door, second=True)
    book = SessionBook(
        door.site.sessions, door.site.guard, door.site.clock, lambda: door.site.staff, Limits()
    )

    def is_fresh() -> bool:
        visitor = book.find(client.cookie.partition("=")[2])
        assert visitor is not None
        return visitor.fresh

    assert is_fresh()
    before = client.cookie
    door.site.clock.shift_us += Limits().fresh_s * 1_000_000
    assert not is_fresh()
    status, headers, _ = client.ask("/sign-in/start?again=1&next=/uses")
    assert status == 303
    query = headers["location"].partition("?")[2]
    asked = {k: v[0] for k, v in parse_qs(query).items()}
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    status, _, text = client.ask(door.choose(query, "ann"))
    assert status == 200
    assert "url=/uses" in text
    assert client.cookie != before
    assert is_fresh()
