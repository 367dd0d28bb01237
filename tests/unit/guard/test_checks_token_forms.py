"""Tokens, key sets and answers that are wrong in one way only: each way alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from joserfc import jwt
from joserfc.jwk import ECKey
from tests.support.clock import FakeClock
from tests.support.token_examples import (
    AUDIENCE,
    CERT,
    ISSUER,
    KEY,
    NOW_S,
    OTHER,
    RSA,
    TOKEN_URL,
    clock,
    refused,
    verifier,
)
from tests.support.tokens import b64, ec, public, sign
from tests.unit.guard.test_oidc import Site, site
from tests.unit.guard.test_token_doors import Doors, doors
from tests.unit.guard.test_tokens import claims, header

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.deid import k_report
from chartloom.guard.https import Answer, HttpsOrigin, ServiceUnavailable
from chartloom.guard.tokens import (
    AccessVerifier,
    Client,
    FetchedKeys,
    FixedKeys,
    TokenError,
    discover,
    make_assertion,
    read_keys,
)

__all__ = ["clock", "doors", "site", "verifier"]


# Form


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"iat": NOW_S + 20, "exp": NOW_S + 10, "nbf": NOW_S}, "lifetime"),
        ({"sub": "dr\n1"}, "claims"),
        ({"jti": "t\x7f"}, "claims"),
        ({"deep": [[[[[[[[1]]]]]]]]}, "malformed"),
    ],
)
def test_access_tokens(verifier: AccessVerifier, more: dict[str, Any], reason: str) -> None:
    assert verifier.verify(sign(header(), claims(deep=[[[[[[[1]]]]]]]), KEY))
    assert refused(lambda: verifier.verify(sign(header(), claims(**more), KEY))) == reason


@pytest.mark.parametrize("token", ["\u00e9", "\uff0e", "\u0131"])
def test_a_token_is_written_in_ascii(verifier: AccessVerifier, token: str) -> None:
    good = sign(header(), claims(), KEY)
    parts = good.split(".")
    for at in range(3):
        wrong = [*parts[:at], parts[at] + token, *parts[at + 1 :]]
        assert refused(lambda w=wrong: verifier.verify(".".join(w))) == "malformed"
    assert refused(lambda: verifier.verify((good + "\u00e9").encode("latin-1"))) == "malformed"


def test_what_two_readers_read_differently_is_not_believed(
    verifier: AccessVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = jwt.decode

    def otherwise(*args: Any, **more: Any) -> Any:
        found = real(*args, **more)
        found.claims["sub"] = "somebody-else"
        return found

    monkeypatch.setattr(jwt, "decode", otherwise)
    assert refused(lambda: verifier.verify(sign(header(), claims(), KEY))) == "malformed"


# Key sets


def usable(**more: Any) -> int:
    entry = {**OTHER.as_dict(private=False), **more}
    return len(read_keys(json.dumps({"keys": [entry]}).encode()))


@pytest.mark.parametrize(
    "more",
    [
        {"key_ops": "verify"}, {"key_ops": {"verify": 1}}, {"key_ops": None}, {"kid": ["k"]},
        {"kid": 7}, {"kid": None}, {"kid": "k" * 129},
    ],
)  # fmt: skip
def test_keys_that_are_left_out(more: dict[str, Any]) -> None:
    assert usable() == usable(key_ops=["verify"]) == 1
    assert usable(**more) == 0


def test_a_key_serves_the_algorithm_that_it_names() -> None:
    entry = {**RSA.as_dict(private=False), "alg": "RS256"}
    keys = read_keys(json.dumps({"keys": [entry]}).encode())
    assert keys.find(str(RSA.kid), "RS256")
    assert keys.find(str(RSA.kid), "RS384") is None
    assert public(RSA).find(str(RSA.kid), "RS384")


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_weak_key_with_zeros_in_front_is_weak() -> None:
    numbers = generate_private_key(65537, 1024).public_key().public_numbers()
    entry = {"kty": "RSA", "kid": "weak", "n": b64(numbers.n.to_bytes(256)), "e": "AQAB"}
    assert refused(lambda: read_keys(json.dumps({"keys": [entry]}).encode())) == "weak-key"


def test_while_the_issuer_is_down_it_is_not_asked_for_every_token(clock: FakeClock) -> None:
    class Origin:
        origin, asked, status = "https://north.example:443", 0, 200

        def request(self, *_: Any) -> Answer:
            self.asked += 1
            keys = {"keys": [KEY.as_dict(private=False)]}
            return Answer(self.status, "application/json", json.dumps(keys).encode())

    origin = Origin()
    keys = FetchedKeys(origin.origin + "/keys", origin, clock)  # type: ignore[arg-type]
    assert keys.find(str(KEY.kid), "ES256")
    origin.status = 500
    clock.time_us += 301_000_000
    for _ in range(5):
        assert keys.find(str(KEY.kid), "ES256")
    assert origin.asked == 2


# Assertions and the token endpoint


def endpoint_refuses(doors: Doors, **more: Any) -> tuple[str, str]:
    with pytest.raises(TokenError) as error:
        doors.endpoint.token(doors.form(), **more)
    return error.value.error, error.value.reason


def test_a_client_uses_the_algorithms_it_registered(doors: Doors) -> None:
    doors.clients["svc-1"] = msgspec.structs.replace(doors.clients["svc-1"], algorithms=("RS384",))
    assert endpoint_refuses(doors) == ("invalid_client", "algorithm")
    by_rsa = make_assertion(RSA, "RS384", "svc-1", TOKEN_URL, doors.clock)
    assert doors.endpoint.token(doors.form(by_rsa)).scope == "a"


def test_the_life_of_an_assertion_ends_soon_whenever_it_was_made(doors: Doors) -> None:
    for iat in (NOW_S + 31, NOW_S + 30, NOW_S, NOW_S - 1, ...):
        made = {"iss": "svc-1", "sub": "svc-1", "aud": TOKEN_URL, "jti": "j", "exp": NOW_S + 331}
        made |= {} if iat is ... else {"iat": iat}
        token = sign({"alg": "ES256", "kid": OTHER.kid, "typ": "JWT"}, made, OTHER)
        assert refused(lambda t=token: doors.assertions.verify(t)) in ("lifetime", "not-yet")


def test_a_key_without_an_id_gets_one(doors: Doors) -> None:
    key = ECKey.generate_key("P-256")
    named = ec()
    assertion = make_assertion(key, "ES256", "svc-3", TOKEN_URL, doors.clock)
    doors.clients["svc-3"] = Client("svc-3", FixedKeys(public(key, named)), frozenset({"a"}))
    assert doors.assertions.verify(assertion).client_id == "svc-3"


@pytest.mark.parametrize(
    ("owns", "certificate", "taken"),
    [
        (lambda der: True, CERT, True),
        (lambda der: True, b"", False),
        (lambda der: der == CERT, CERT, True),
        (lambda der: der == CERT, b"other", False),
    ],
)
def test_a_bound_client_shows_a_certificate_of_its_own(
    doors: Doors, owns: Callable[[bytes], bool], certificate: bytes, taken: bool
) -> None:
    client = msgspec.structs.replace(doors.clients["svc-1"], certificate_bound=True, owns=owns)
    doors.clients["svc-1"] = client
    if taken:
        assert doors.endpoint.token(doors.form(), certificate=certificate)
    else:
        refusal = endpoint_refuses(doors, certificate=certificate)
        assert refusal == ("invalid_client", "binding")


def test_a_client_that_is_not_bound_gets_a_free_token(doors: Doors, clock: FakeClock) -> None:
    """It may show a certificate to one door and none to the next."""
    token = doors.endpoint.token(doors.form(), certificate=CERT).access_token
    access = AccessVerifier(public(KEY), ISSUER, AUDIENCE, clock).verify(token)
    assert access.thumbprint == ""


@pytest.mark.parametrize(("purpose", "taken"), [("", 1), ("TREAT", 1), ("ANY", 0), ("treat", 0)])
def test_a_token_is_for_a_purpose_that_there_is(
    doors: Doors, clock: FakeClock, purpose: str, taken: bool
) -> None:
    form = doors.form(purpose_of_use=purpose)
    if taken:
        token = doors.endpoint.token(form).access_token
        access = AccessVerifier(public(KEY), ISSUER, AUDIENCE, clock).verify(token)
        assert access.purpose == purpose
    else:
        with pytest.raises(TokenError) as error:
            doors.endpoint.token(form)
        assert (error.value.error, error.value.reason) == ("invalid_request", "purpose")


# Sign-in


def test_an_answer_for_another_address_is_refused_before_anything_is_asked(site: Site) -> None:
    party = site.party()
    url, pending = party.begin()
    answer = site.idp.authorize(url)
    asked = len(site.served.asked)
    other = msgspec.structs.replace(pending, redirect_uri="https://evil.test/callback")
    assert refused(lambda: party.finish(other, answer)) == "issuer"
    assert len(site.served.asked) == asked
    assert party.finish(pending, answer)


def test_an_answer_of_another_issuer_is_refused_even_if_none_had_to_be_named(site: Site) -> None:
    site.idp.document = {"authorization_response_iss_parameter_supported": False}
    party = site.party()
    url, pending = party.begin()
    answer = site.idp.authorize(url)
    assert (
        refused(lambda: party.finish(pending, {**answer, "iss": "https://evil.test"})) == "issuer"
    )
    del answer["iss"]
    assert party.finish(pending, answer)


@pytest.mark.parametrize(
    ("claims", "answer", "reason"),
    [
        ({"auth_time": True}, {}, "claims"),
        ({"auth_time": False}, {}, "claims"),
        ({}, {"access_token": "acc\u00e9ss"}, "hash"),
        ({"at_hash": ...}, {"access_token": "acc\u00e9ss"}, ""),
    ],
)
def test_id_tokens(site: Site, claims: dict[str, Any], answer: dict[str, Any], reason: str) -> None:
    site.idp.claims, site.idp.answer = claims, answer
    if reason:
        assert refused(site.sign_in) == reason
    else:
        assert site.sign_in().subject == "person-1"


def test_an_issuer_is_not_looked_for_elsewhere(site: Site) -> None:
    client = site.connect(site.served.url)
    asked = len(site.served.asked)
    with pytest.raises(ConfigurationError, match="lies at another origin"):
        discover("https://evil.test", client)
    assert len(site.served.asked) == asked
    nowhere = HttpsOrigin("https://127.0.0.1:1", allow_private=True)
    with pytest.raises(ServiceUnavailable):
        discover("https://127.0.0.1:1", nowhere)


def test_without_a_sensitive_column_nothing_is_said_of_its_variety() -> None:
    rows = [{"zip": "021"}] * 11
    assert (k_report(rows, ["zip"]).k, k_report(rows, ["zip"]).l) == (11, 0)
    assert k_report([{"zip": "021", "code": "x"}] * 11, ["zip"], "code").l == 1
