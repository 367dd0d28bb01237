"""Tokens for services: who gets one for which assertion, and what is no assertion."""

from __future__ import annotations

from typing import Any

import pytest
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
from tests.support.tokens import public, sign

from chartloom.guard.tokens import (
    AccessVerifier,
    AssertionVerifier,
    Client,
    FixedKeys,
    MemoryUsedTokens,
    TokenEndpoint,
    TokenError,
    TokenIssuer,
    make_assertion,
)

__all__ = ["clock", "verifier"]

# Client assertions and the token endpoint


class Doors:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.clients = {
            "svc-1": Client("svc-1", FixedKeys(public(OTHER, RSA)), frozenset({"a", "b"})),
            "svc-2": Client(
                "svc-2",
                FixedKeys(public(KEY)),
                frozenset({"a"}),
                algorithms=("ES256",),
                certificate_bound=True,
            ),
        }
        self.used = MemoryUsedTokens(clock)
        self.assertions = AssertionVerifier(self.clients, TOKEN_URL, self.used, clock)
        self.endpoint = TokenEndpoint(
            self.assertions, TokenIssuer(KEY, ISSUER, clock), [AUDIENCE, "urn:second"]
        )

    def form(self, assertion: str = "", **more: str) -> dict[str, str]:
        assertion = assertion or make_assertion(OTHER, "ES256", "svc-1", TOKEN_URL, self.clock)
        return {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": assertion,
            "scope": "a",
            **more,
        }


@pytest.fixture
def doors(clock: FakeClock) -> Doors:
    return Doors(clock)


def test_a_service_gets_a_token_for_its_assertion(doors: Doors, clock: FakeClock) -> None:
    issued = doors.endpoint.token(doors.form(scope="b a"))
    assert (issued.token_type, issued.expires_in, issued.scope) == ("bearer", 300, "a b")
    verifier = AccessVerifier(public(KEY), ISSUER, AUDIENCE, clock)
    assert verifier.verify(issued.access_token, scopes=["a", "b"]).client == "svc-1"
    second = doors.endpoint.token(doors.form(resource="urn:second"))
    assert refused(lambda: verifier.verify(second.access_token)) == "audience"
    by_rsa = make_assertion(RSA, "RS384", "svc-1", TOKEN_URL, clock)
    assert doors.endpoint.token(doors.form(by_rsa)).scope == "a"


def test_bound_services_get_bound_tokens(doors: Doors, clock: FakeClock) -> None:
    def form() -> dict[str, str]:
        return doors.form(make_assertion(KEY, "ES256", "svc-2", TOKEN_URL, clock))

    with pytest.raises(TokenError) as error:
        doors.endpoint.token(form())
    assert (error.value.error, error.value.reason) == ("invalid_client", "binding")
    token = doors.endpoint.token(form(), certificate=CERT).access_token
    verifier = AccessVerifier(public(KEY), ISSUER, AUDIENCE, clock)
    assert verifier.verify(token, certificate=CERT, bound=True).thumbprint


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type", "grant-type"),
        ({"client_assertion_type": "x"}, "invalid_client", "assertion-type"),
        ({"client_assertion": "x"}, "invalid_client", "malformed"),
        ({"scope": ""}, "invalid_scope", "scope"),
        ({"scope": "a c"}, "invalid_scope", "scope"),
        ({"scope": "A"}, "invalid_scope", "scope"),
        ({"client_id": "svc-2"}, "invalid_client", "client-id"),
        ({"resource": "https://evil.test"}, "invalid_target", "audience"),
        ({"client_secret": "x"}, "invalid_request", "unknown-field"),
    ],
)
def test_wrong_token_requests(
    doors: Doors, change: dict[str, str], error: str, reason: str
) -> None:
    with pytest.raises(TokenError) as refusal:
        doors.endpoint.token({**doors.form(), **change})
    assert (refusal.value.error, refusal.value.reason) == (error, reason)


def test_an_assertion_is_good_once(doors: Doors, clock: FakeClock) -> None:
    assertion = make_assertion(OTHER, "ES256", "svc-1", TOKEN_URL, clock)
    assert doors.assertions.verify(assertion).client_id == "svc-1"
    assert refused(lambda: doors.assertions.verify(assertion)) == "replayed"
    clock.time_us += 89_000_000  # expired, but within the leeway
    assert refused(lambda: doors.assertions.verify(assertion)) == "replayed"
    clock.time_us += 2_000_000
    assert refused(lambda: doors.assertions.verify(assertion)) == "expired"


def assertion_claims(**more: Any) -> dict[str, Any]:
    base = {
        "iss": "svc-1",
        "sub": "svc-1",
        "aud": TOKEN_URL,
        "exp": NOW_S + 60,
        "iat": NOW_S,
        "jti": "j-1",
    }
    return {k: v for k, v in {**base, **more}.items() if v is not ...}


@pytest.mark.parametrize(
    ("more", "head", "key", "reason"),
    [
        ({}, {}, OTHER, ""),
        ({"iat": ...}, {}, OTHER, ""),
        ({"iss": "svc-9", "sub": "svc-9"}, {}, OTHER, "unknown-client"),
        ({"iss": ["svc-1"]}, {}, OTHER, "unknown-client"),
        ({"iss": "svc-2", "sub": "svc-2"}, {}, OTHER, "unknown-key"),
        ({"sub": "svc-2"}, {}, OTHER, "claims"),
        ({"sub": ...}, {}, OTHER, "claims"),
        ({"aud": "https://other.test/token"}, {}, OTHER, "audience"),
        ({"aud": ISSUER}, {}, OTHER, "audience"),
        ({"exp": NOW_S + 331, "iat": ...}, {}, OTHER, "lifetime"),
        ({"exp": NOW_S + 301}, {}, OTHER, "lifetime"),
        ({"exp": NOW_S + 900, "iat": NOW_S + 800}, {}, OTHER, "not-yet"),
        ({"exp": NOW_S - 40, "iat": NOW_S - 50}, {}, OTHER, "expired"),
        ({"exp": ...}, {}, OTHER, "claims"),
        ({"jti": ...}, {}, OTHER, "claims"),
        ({}, {"alg": "HS256"}, b"x", "algorithm"),
        ({}, {"alg": "RS256"}, RSA, "algorithm"),
        ({}, {"kid": RSA.kid}, OTHER, "unknown-key"),
        ({}, {"jku": "https://evil.test"}, OTHER, "header"),
        ({}, {"typ": "at+jwt"}, OTHER, "type"),
        ({}, {}, KEY, "signature"),
    ],
)
def test_abused_assertions(
    doors: Doors, more: dict[str, Any], head: dict[str, Any], key: Any, reason: str
) -> None:
    full = {"alg": "ES256", "kid": OTHER.kid, "typ": "JWT", **head}
    token = sign(full, assertion_claims(**more), key)
    if not reason:
        assert doors.assertions.verify(token).client_id == "svc-1"
    else:
        assert refused(lambda: doors.assertions.verify(token)) == reason


def test_an_access_token_is_no_assertion_and_the_reverse(
    doors: Doors, clock: FakeClock, verifier: AccessVerifier
) -> None:
    assertion = make_assertion(KEY, "ES256", "svc-2", AUDIENCE, clock)
    assert refused(lambda: verifier.verify(assertion)) == "type"
    token = TokenIssuer(KEY, "svc-2", clock).issue("svc-2", TOKEN_URL, ["a"])
    assert refused(lambda: doors.assertions.verify(token)) == "type"


def test_used_tokens_are_bounded_and_fail_closed(clock: FakeClock) -> None:
    used = MemoryUsedTokens(clock, remembered_max=2)
    until = clock.time_us + 10
    assert used.first_use("a", "1", until)
    assert used.first_use("b", "1", until)
    assert not used.first_use("a", "1", until)
    assert refused(lambda: used.first_use("a", "2", until)) == "too-many"
    clock.time_us += 11
    assert used.first_use("a", "2", clock.time_us + 10)
