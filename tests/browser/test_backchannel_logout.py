"""Whoever signs out at the provider is signed out here; what is not quite a token does nothing."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.browser.test_console_http import Client
from tests.browser.test_sign_in import Door, door, last_event

from chartloom.guard.tokens import LOGOUT_EVENT
from chartloom.serve.sessions import SessionBook

__all__ = ["door"]


def book_of(door: Door) -> SessionBook:
    site = door.site
    return SessionBook(site.sessions, site.guard, site.clock, lambda: site.staff)


@pytest.fixture
def ann(door: Door) -> Iterator[Client]:
    client = Client(door.url)
    query, _ = door.begin(client)
    assert client.ask(door.choose(query, "ann"))[0] == 200
    assert client.ask("/me")[0] == 200
    yield client
    client.ask("/sign-out", "POST", {"csrf": ""})


def say(door: Door, token: str | None) -> int:
    form = {} if token is None else {"logout_token": token}
    return Client(door.url).ask("/backchannel-logout", "POST", form)[0]


def sid_of(door: Door) -> str:
    newest = max(book_of(door).open_now(), key=lambda s: s.session.started_us)
    assert newest.session.issuer_session
    return newest.session.issuer_session


def test_all_sessions_of_a_subject(door: Door, ann: Client) -> None:
    eve = Client(door.url)
    query, _ = door.begin(eve)
    assert eve.ask(door.choose(query, "eve"))[0] == 200
    assert door.provider.sign_out_everywhere("ann")
    event = last_event(door)
    assert [ann.ask("/me")[0], eve.ask("/me")[0]] == [401, 200]
    assert event.kind == "session-ended"
    assert "session/ann" in event.things


def test_one_session(door: Door, ann: Client) -> None:
    sid = sid_of(door)
    wrong = door.provider.logout_token("ann", sid="another")
    assert say(door, wrong) == 200
    assert ann.ask("/me")[0] == 200
    assert say(door, door.provider.logout_token("eve", sid=sid)) == 200
    assert ann.ask("/me")[0] == 200, "the session of another subject"
    assert say(door, door.provider.logout_token("", sub=None, sid=sid)) == 200
    assert ann.ask("/me")[0] == 401


def test_at_the_providers_page(door: Door, ann: Client) -> None:
    query, _ = door.begin(Client(door.url))
    there = Client(door.provider.issuer)
    page = there.ask(f"/authorize?{query}")[2]
    form = {"asked": page.split('name="asked" value="')[1].split('"')[0].replace("&amp;", "&")}
    text = there.ask("/authorize", "POST", {**form, "subject": "ann", "everywhere": "1"})[2]
    assert "ended every session" in text
    assert ann.ask("/me")[0] == 401


def test_a_token_works_once(door: Door, ann: Client) -> None:
    token = door.provider.logout_token("nobody")
    assert [say(door, token), say(door, token)] == [200, 400]
    assert last_event(door).denied == "replayed"
    assert ann.ask("/me")[0] == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://elsewhere.example"}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"iat": None}, "not-yet"),
        ({"exp": None}, "claims"),
        ({"jti": None}, "claims"),
        ({"jti": 7}, "claims"),
        ({"events": None}, "claims"),
        ({"events": {"other": {}}}, "event"),
        ({"events": {LOGOUT_EVENT: True}}, "event"),
        ({"events": [LOGOUT_EVENT]}, "event"),
        ({"nonce": "n"}, "nonce"),
        ({"sub": None}, "claims"),
        ({"sub": 7}, "claims"),
        ({"sid": 7}, "claims"),
        ({"exp": 4_000_000_000}, "lifetime"),
        ({"iat": 1, "exp": 100}, "expired"),
    ],
)
def test_tokens_that_say_something_else(
    door: Door, ann: Client, changes: dict[str, Any], reason: str
) -> None:
    assert say(door, door.provider.logout_token("ann", **changes)) == 400
    event = last_event(door)
    assert (event.kind, event.denied) == ("session-ended", reason)
    assert ann.ask("/me")[0] == 200


def forged(door: Door, key: Any, header: dict[str, str]) -> str:
    good = door.provider.logout_token("ann")
    claims = jwt.decode(good, door.provider._key, algorithms=["ES256"]).claims
    return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def by_shared_secret(door: Door, header: dict[str, str]) -> str:
    """Signed with the provider's public key as if it were a secret."""
    body = door.provider.logout_token("ann").split(".")[1]
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    secret = door.provider._key.as_pem(private=False)
    mac = hmac.digest(secret, f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def test_tokens_that_somebody_else_signed(door: Door, ann: Client) -> None:
    kid = door.provider._key.kid
    other = ECKey.generate_key("P-256")
    good = door.provider.logout_token("ann")
    head, body, signature = good.split(".")
    wrong = [
        forged(door, other, {"alg": "ES256", "kid": kid, "typ": "logout+jwt"}),
        forged(door, other, {"alg": "ES256", "kid": "unknown", "typ": "logout+jwt"}),
        by_shared_secret(door, {"alg": "HS256", "kid": kid, "typ": "logout+jwt"}),
        forged(door, door.provider._key, {"alg": "ES256", "kid": kid, "typ": "at+jwt"}),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[:-4]}AAAA",
        "eyJhbGciOiJub25lIn0." + body + ".",
        "x" * 9_000,
        "",
    ]
    for token in wrong:
        assert say(door, token) == 400
        assert last_event(door).kind == "session-ended"
        assert last_event(door).denied
    assert say(door, None) == 400
    assert ann.ask("/me")[0] == 200


def test_an_id_token_is_no_logout_token_and_the_reverse(door: Door, ann: Client) -> None:
    newest = max(book_of(door).open_now(), key=lambda s: s.session.started_us)
    assert newest.session.id_token
    assert say(door, newest.session.id_token) == 400
    assert ann.ask("/me")[0] == 200


def test_there_is_no_page(door: Door) -> None:
    client = Client(door.url)
    assert client.ask("/backchannel-logout")[0] in (404, 405)
    assert urlsplit(door.url).scheme == "http"
