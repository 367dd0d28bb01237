"""Access tokens: what holds is taken, every abuse is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.token_examples import (
    AUDIENCE,
    CERT,
    ISSUER,
    KEY,
    NOW_S,
    OTHER,
    RSA,
    clock,
    refused,
    verifier,
)
from tests.support.tokens import b64, ec, public, public_set, sign

from chartloom.guard.tokens import (
    AccessVerifier,
    TokenIssuer,
    TokenRefused,
    certificate_thumbprint,
    signing_key,
)

__all__ = ["clock", "verifier"]


def header(**more: Any) -> dict[str, Any]:
    return {"alg": "ES256", "kid": KEY.kid, "typ": "at+jwt", **more}


def claims(**more: Any) -> dict[str, Any]:
    base = {
        "iss": ISSUER,
        "sub": "svc-1",
        "aud": AUDIENCE,
        "client_id": "svc-1",
        "scope": "system/*.rs",
        "iat": NOW_S,
        "nbf": NOW_S,
        "exp": NOW_S + 300,
        "jti": "t-1",
    }
    return {k: v for k, v in {**base, **more}.items() if v is not ...}


# Access tokens


def test_what_is_issued_is_taken(clock: FakeClock, verifier: AccessVerifier) -> None:
    pem = KEY.as_pem(private=True)
    issuer = TokenIssuer(signing_key(pem), ISSUER, clock)
    token = issuer.issue("dr-1", AUDIENCE, ["b", "a"], client="svc-1", purpose="TREAT")
    access = verifier.verify(token, scopes=["a"])
    assert (access.subject, access.client, access.purpose) == ("dr-1", "svc-1", "TREAT")
    assert access.scopes == {"a", "b"}
    assert access.expires_at_s == NOW_S + 300
    assert access.token_id != verifier.verify(issuer.issue("x", AUDIENCE, ["a"])).token_id
    assert "d" not in issuer.key_set()["keys"][0]
    assert len(issuer.public_keys()) == 1
    assert AccessVerifier(issuer.public_keys(), ISSUER, AUDIENCE, clock).verify(token)


def test_long_lives_are_not_issued(clock: FakeClock) -> None:
    issuer = TokenIssuer(KEY, ISSUER, clock)
    for ttl_s in (0, -1, 301):
        with pytest.raises(ValueError, match="short life"):
            issuer.issue("a", AUDIENCE, ["x"], ttl_s=ttl_s)


def test_a_token_holds_for_its_time_and_no_longer(
    clock: FakeClock, verifier: AccessVerifier
) -> None:
    token = TokenIssuer(KEY, ISSUER, clock).issue("a", AUDIENCE, ["x"])
    clock.time_us += 329 * 1_000_000
    verifier.verify(token)
    clock.time_us += 1_000_000
    assert refused(lambda: verifier.verify(token)) == "expired"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        # no signature, or another algorithm
        (lambda: sign(header(alg="none"), claims(), None) + "AA", "algorithm"),
        (lambda: sign(header(alg="none"), claims(), None), "malformed"),
        (lambda: sign(header(alg="None"), claims(), KEY), "algorithm"),
        (lambda: sign(header(alg="NONE"), claims(), KEY), "algorithm"),
        (lambda: sign(header(alg="HS256"), claims(), b"secret"), "algorithm"),
        (lambda: sign(header(alg="HS256"), claims(), KEY.as_pem(private=False)), "algorithm"),
        (lambda: sign(header(alg="HS256"), claims(), public_set(KEY)), "algorithm"),
        (lambda: sign(header(alg="RS256"), claims(), RSA), "algorithm"),
        (lambda: sign(header(alg=["ES256"]), claims(), KEY), "header"),
        (lambda: sign(header(alg=None), claims(), KEY), "header"),
        (lambda: sign({"kid": KEY.kid, "typ": "at+jwt"}, claims(), KEY), "algorithm"),
        (lambda: sign(header(), claims(), RSA), "signature"),
        (lambda: sign(header(), claims(), KEY.as_pem(private=False)), "signature"),
        (lambda: f"{b64(json.dumps(header()).encode())}.e30.{b64(bytes(64))}", "signature"),
        (lambda: sign(header(), claims(), KEY)[:-1], "malformed"),
        # another key, or a key that the token names
        (lambda: sign(header(), claims(), OTHER), "signature"),
        (lambda: sign(header(kid=OTHER.kid), claims(), OTHER), "unknown-key"),
        (lambda: sign(header(kid="../../dev/null"), claims(), KEY), "unknown-key"),
        (lambda: sign(header(kid=""), claims(), KEY), "unknown-key"),
        (lambda: sign(header(kid="x" * 129), claims(), KEY), "unknown-key"),
        (lambda: sign(header(kid=KEY.kid + "\u0000"), claims(), KEY), "unknown-key"),
        (lambda: sign({"alg": "ES256", "typ": "at+jwt"}, claims(), KEY), "unknown-key"),
        (lambda: sign(header(jku="https://evil.test/k"), claims(), OTHER), "header"),
        (lambda: sign(header(x5u="https://evil.test/k"), claims(), OTHER), "header"),
        (lambda: sign(header(jwk=OTHER.as_dict(private=False)), claims(), OTHER), "header"),
        (lambda: sign(header(x5c=["MII"]), claims(), OTHER), "header"),
        (lambda: sign(header(crit=["exp"]), claims(), KEY), "header"),
        (lambda: sign(header(crit=[]), claims(), KEY), "header"),
        (lambda: sign(header(b64=False), claims(), KEY), "header"),
        (lambda: sign(header(cty="JWT"), claims(), KEY), "header"),
        (lambda: sign(header(zip="DEF"), claims(), KEY), "header"),
        (lambda: sign(header(unheard=1), claims(), KEY), "header"),
        # another kind of token
        (lambda: sign(header(typ="JWT"), claims(), KEY), "type"),
        (lambda: sign({"alg": "ES256", "kid": KEY.kid}, claims(), KEY), "type"),
        (lambda: ".".join([sign(header(), claims(), KEY), "AA", "AA"]), "encrypted"),
        (lambda: sign(header(), sign(header(), claims(), KEY).encode(), KEY), "malformed"),
        # for others
        (lambda: sign(header(), claims(aud="https://other.test"), KEY), "audience"),
        (lambda: sign(header(), claims(aud=AUDIENCE + "/"), KEY), "audience"),
        (lambda: sign(header(), claims(aud=[AUDIENCE, "https://other.test"]), KEY), "audience"),
        (lambda: sign(header(), claims(aud=[AUDIENCE]), KEY), "audience"),
        (lambda: sign(header(), claims(aud=...), KEY), "audience"),
        (lambda: sign(header(), claims(aud={}), KEY), "audience"),
        (lambda: sign(header(), claims(iss="https://chart.test/"), KEY), "issuer"),
        (lambda: sign(header(), claims(iss="https://ch\u0430rt.test"), KEY), "issuer"),
        (lambda: sign(header(), claims(iss=[ISSUER]), KEY), "issuer"),
        (lambda: sign(header(), claims(iss=...), KEY), "issuer"),
        # times
        (lambda: sign(header(), claims(iat=NOW_S - 400, exp=NOW_S - 100), KEY), "expired"),
        (lambda: sign(header(), claims(exp=NOW_S - 30, iat=NOW_S - 100), KEY), "expired"),
        (lambda: sign(header(), claims(nbf=NOW_S + 31), KEY), "not-yet"),
        (lambda: sign(header(), claims(iat=NOW_S + 31, exp=NOW_S + 60), KEY), "not-yet"),
        (lambda: sign(header(), claims(exp=NOW_S + 301), KEY), "lifetime"),
        (lambda: sign(header(), claims(exp=10**15), KEY), "lifetime"),
        (lambda: sign(header(), claims(exp=...), KEY), "claims"),
        (lambda: sign(header(), claims(iat=...), KEY), "not-yet"),
        (lambda: sign(header(), claims(exp="9999999999"), KEY), "claims"),
        (lambda: sign(header(), claims(exp=True), KEY), "claims"),
        (lambda: sign(header(), claims(exp=None), KEY), "claims"),
        (lambda: sign(header(), claims(exp=float("nan")), KEY), "malformed"),
        (lambda: sign(header(), claims(exp=float("inf")), KEY), "malformed"),
        (lambda: sign(header(), b'{"exp":1e999}', KEY), "malformed"),
        # other claims
        (lambda: sign(header(), claims(jti=...), KEY), "claims"),
        (lambda: sign(header(), claims(jti=""), KEY), "claims"),
        (lambda: sign(header(), claims(jti=5), KEY), "claims"),
        (lambda: sign(header(), claims(sub=...), KEY), "claims"),
        (lambda: sign(header(), claims(sub="dr\u200b-1"), KEY), "claims"),
        (lambda: sign(header(), claims(sub="dr-\u0430"), KEY), "claims"),
        (lambda: sign(header(), claims(sub={"a": 1}), KEY), "claims"),
        (lambda: sign(header(), claims(client_id="x" * 513), KEY), "claims"),
        (lambda: sign(header(), claims(scope=...), KEY), "claims"),
        (lambda: sign(header(), claims(scope=["system/*.rs"]), KEY), "claims"),
        (lambda: sign(header(), claims(purpose=["TREAT"]), KEY), "claims"),
        (lambda: sign(header(), claims(scope="other"), KEY), "scope"),
        (lambda: sign(header(), claims(scope="system/*.rsx"), KEY), "scope"),
        # JSON and encoding tricks
        (lambda: sign(b'{"alg":"none","alg":"ES256"}', claims(), KEY), "malformed"),
        (lambda: sign(header(), b'{"sub":"a","sub":"b"}', KEY), "malformed"),
        (lambda: sign(header(), b'{"sub":"a","\\u0073ub":"b"}', KEY), "malformed"),
        (lambda: sign(header(), b"[1]", KEY), "malformed"),
        (lambda: sign(header(), b"null", KEY), "malformed"),
        (lambda: sign(header(), b"{} x", KEY), "malformed"),
        (lambda: sign(header(), b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", KEY), "malformed"),
        (lambda: sign(header(), b"\xff\xfe{}", KEY), "malformed"),
        (lambda: sign(header(), "{}".encode("utf-16"), KEY), "malformed"),
        (lambda: sign(header(), claims(pad="x" * 9000), KEY), "too-large"),
        (lambda: "x" * 10_000_000, "too-large"),
        (lambda: sign(header(), claims(), KEY) + "=", "malformed"),
        (lambda: sign(header(), claims(), KEY) + "\n", "malformed"),
        (lambda: " " + sign(header(), claims(), KEY), "malformed"),
        (lambda: sign(header(), claims(), KEY).replace(".", "\uff0e"), "malformed"),
        (lambda: sign(header(), claims(), KEY).replace(".", "..", 1), "malformed"),
        (lambda: "", "malformed"),
        (lambda: "..", "malformed"),
        (lambda: "a.b", "malformed"),
        (lambda: None, "too-large"),
    ],
)
def test_abused_access_tokens(
    verifier: AccessVerifier, make: Callable[[], Any], reason: str
) -> None:
    token = make()
    assert refused(lambda: verifier.verify(token, scopes=["system/*.rs"])) == reason


def test_the_token_those_abuses_start_from_is_good(verifier: AccessVerifier) -> None:
    access = verifier.verify(sign(header(), claims(), KEY), scopes=["system/*.rs"])
    assert access.subject == "svc-1"
    assert verifier.verify(sign(header(typ="application/at+JWT"), claims(), KEY).encode())


def test_a_public_key_never_serves_as_a_shared_secret(clock: FakeClock) -> None:
    """Even where HS256 would be allowed by mistake, a set gives no such key."""
    assert public(KEY).find(str(KEY.kid), "HS256") is None
    assert public(RSA).find(str(RSA.kid), "ES256") is None
    assert public(ec("k", "P-384")).find("k", "ES256") is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_changed_character_is_refused(draw: st.DataObject) -> None:
    verifier = AccessVerifier(public(KEY), ISSUER, AUDIENCE, FakeClock(NOW_S * 1_000_000))
    token = sign(header(), claims(), KEY)
    at = draw.draw(st.integers(0, len(token) - 1))
    new = draw.draw(st.characters(codec="utf-8").filter(lambda c: c != token[at]))
    with pytest.raises(TokenRefused):
        verifier.verify(token[:at] + new + token[at + 1 :])


@settings(max_examples=150, deadline=None)
@given(st.text() | st.binary())
def test_nonsense_is_refused_as_a_token(text: str | bytes) -> None:
    verifier = AccessVerifier(public(KEY), ISSUER, AUDIENCE, FakeClock(NOW_S * 1_000_000))
    with pytest.raises(TokenRefused):
        verifier.verify(text)


def test_tokens_bound_to_a_certificate(clock: FakeClock, verifier: AccessVerifier) -> None:
    issuer = TokenIssuer(KEY, ISSUER, clock)
    bound = issuer.issue("a", AUDIENCE, ["x"], certificate=CERT)
    access = verifier.verify(bound, certificate=CERT)
    assert access.thumbprint == certificate_thumbprint(CERT)
    assert refused(lambda: verifier.verify(bound)) == "binding"
    assert refused(lambda: verifier.verify(bound, certificate=b"other")) == "binding"
    free = issuer.issue("a", AUDIENCE, ["x"])
    assert verifier.verify(free, certificate=CERT)
    assert refused(lambda: verifier.verify(free, certificate=CERT, bound=True)) == "binding"
    for cnf in ({}, {"jkt": "x"}, {"x5t#S256": ""}, {"x5t#S256": 1}, "x", None):
        token = sign(header(), claims(cnf=cnf), KEY)
        assert refused(lambda t=token: verifier.verify(t, certificate=CERT)) == "binding"
