"""What an access token must have when it is made, and to what it may be bound."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.tokens import ec, sign

from chartloom.guard.tokens import AccessVerifier, TokenIssuer, TokenRefused
from chartloom.guard.tokens.access import LIFETIME_MAX_S, certificate_thumbprint

ISSUER, AUDIENCE = "https://north.example", "https://north.example/api"
KEY, CERT = ec(), b"certificate"


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer(KEY, ISSUER, FakeClock())


@pytest.fixture
def verifier(issuer: TokenIssuer) -> AccessVerifier:
    return AccessVerifier(issuer.public_keys(), ISSUER, AUDIENCE, FakeClock())


@pytest.mark.parametrize(
    ("audience", "scopes", "ttl_s"),
    [
        ("", ["a"], 60),
        (AUDIENCE, ["a b"], 60),
        (AUDIENCE, ["a", "b c"], 60),
        (AUDIENCE, ["a"], 0),
        (AUDIENCE, ["a"], -1),
        (AUDIENCE, ["a"], LIFETIME_MAX_S + 1),
    ],
)
def test_no_token_is_made_that_says_more_than_was_meant(
    issuer: TokenIssuer, audience: str, scopes: list[str], ttl_s: int
) -> None:
    assert issuer.issue("s", AUDIENCE, ["a"], ttl_s=60)
    with pytest.raises(ValueError, match="plain scopes"):
        issuer.issue("s", audience, scopes, ttl_s=ttl_s)


def made(**more: Any) -> str:
    now_s = FakeClock().now_us() // 1_000_000
    claims = {
        "iss": ISSUER, "sub": "s", "aud": AUDIENCE, "client_id": "s", "scope": "a", "iat": now_s,
        "nbf": now_s, "exp": now_s + 60, "jti": "1", **more,
    }  # fmt: skip
    return sign({"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt"}, claims, KEY)


@pytest.mark.parametrize(
    "cnf",
    [
        {},
        {"x5t#S256": ""},
        {"x5t#S256": 7},
        {"x5t#S256": None},
        {"jkt": "x"},
        {"x5t#S256": certificate_thumbprint(CERT), "jkt": "x"},
        [certificate_thumbprint(CERT)],
        certificate_thumbprint(CERT),
        None,
    ],
)
def test_a_token_bound_in_another_way_is_not_taken_as_free(
    verifier: AccessVerifier, cnf: object
) -> None:
    assert verifier.verify(made()).thumbprint == ""
    for certificate in (b"", CERT):
        with pytest.raises(TokenRefused):
            verifier.verify(made(cnf=cnf), certificate=certificate)


def test_a_bound_token_is_taken_with_its_certificate_only(verifier: AccessVerifier) -> None:
    bound = made(cnf={"x5t#S256": certificate_thumbprint(CERT)})
    assert verifier.verify(bound, certificate=CERT, bound=True).thumbprint
    to_nothing = made(cnf={"x5t#S256": certificate_thumbprint(b"")})
    for token, certificate in (
        (bound, b""), (bound, b"other"), (made(), CERT), (made(), b""), (to_nothing, b""),
    ):  # fmt: skip
        with pytest.raises(TokenRefused) as refused:
            verifier.verify(token, certificate=certificate, bound=True)
        assert refused.value.reason == "binding"


@pytest.mark.parametrize("more", [{"purpose": 7}, {"purpose": None}, {"scope": ["a"]}, {"aud": "x"},
                                  {"aud": [AUDIENCE, "x"]}, {"sub": ""}, {"jti": 7}])  # fmt: skip
def test_claims_are_what_they_should_be(verifier: AccessVerifier, more: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        verifier.verify(made(**more))


def test_all_scopes_that_are_asked_for_must_be_there(verifier: AccessVerifier) -> None:
    assert verifier.verify(made(scope="a b"), scopes=["a", "b"])
    for scopes in (["c"], ["a", "c"]):
        with pytest.raises(TokenRefused) as refused:
            verifier.verify(made(scope="a b"), scopes=scopes)
        assert refused.value.reason == "scope"
