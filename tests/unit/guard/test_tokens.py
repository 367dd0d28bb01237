"""Access tokens, client assertions and key sets: what holds is taken, every abuse is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import OctKey
from tests.support.clock import FakeClock
from tests.support.tls_server import Asked, Reply, https_server
from tests.support.tokens import b64, ec, public, public_set, rsa, sign

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.guard.https import AddressRefused, HttpsOrigin, ServiceUnavailable
from chartloom.guard.tokens import (
    AccessVerifier,
    AssertionVerifier,
    Client,
    FetchedKeys,
    FileKeys,
    FixedKeys,
    MemoryUsedTokens,
    TokenEndpoint,
    TokenError,
    TokenIssuer,
    TokenRefused,
    certificate_thumbprint,
    make_assertion,
    read_keys,
    signing_key,
)

ISSUER, AUDIENCE = "https://chart.test", "https://chart.test/fhir"
TOKEN_URL = "https://chart.test/token"
KEY, OTHER, RSA = ec(), ec(), rsa()
CERT = b"DER of a certificate"
NOW_S = 1_780_000_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW_S * 1_000_000)


@pytest.fixture
def verifier(clock: FakeClock) -> AccessVerifier:
    return AccessVerifier(public(KEY), ISSUER, AUDIENCE, clock)


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


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(TokenRefused) as error:
        call()
    assert error.value.reason not in str(error.value)
    return error.value.reason


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


# Key sets


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        ({"kty": "oct", "k": "c2VjcmV0", "kid": "x"}, "private-key"),
        (OTHER.as_dict(private=True), "private-key"),
        (RSA.as_dict(private=True), "private-key"),
        ({"kty": "EC", "kid": "x"}, "malformed"),
        ({**OTHER.as_dict(private=False), "x": "AAAA"}, "malformed"),
        ({**OTHER.as_dict(private=False), "kid": KEY.kid}, "malformed"),
        ("x", "malformed"),
        ({**OTHER.as_dict(private=False), "kid": ""}, 1),
        ({**OTHER.as_dict(private=False), "use": "enc"}, 1),
        ({**OTHER.as_dict(private=False), "key_ops": ["sign"]}, 1),
        ({"kty": "AKP", "kid": "pq", "pub": "AA"}, 1),
        ({**OTHER.as_dict(private=False), "x5u": "https://evil.test", "alg": "ES256"}, 2),
    ],
)
def test_entries_of_key_sets(entry: Any, outcome: str | int) -> None:
    content = json.dumps({"keys": [KEY.as_dict(private=False), entry]}).encode()
    if isinstance(outcome, int):
        assert len(read_keys(content)) == outcome
    else:
        assert refused(lambda: read_keys(content)) == outcome


def test_weak_rsa_keys_are_refused() -> None:
    numbers = generate_private_key(65537, 1024).public_key().public_numbers()
    entry = {
        "kty": "RSA",
        "kid": "weak",
        "n": b64(numbers.n.to_bytes(128)),
        "e": b64(numbers.e.to_bytes(3)),
    }
    assert refused(lambda: read_keys(json.dumps({"keys": [entry]}).encode())) == "weak-key"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[' + b"{}," * 60 + b"{}]}",
        b'{"keys":[],"keys":[]}',
    ],
)
def test_what_is_no_key_set(content: bytes) -> None:
    assert refused(lambda: read_keys(content)) == "malformed"
    assert refused(lambda: read_keys(b" " * 65_537)) == "too-large"


def test_key_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(ConfigurationError):
        FileKeys(path)
    path.write_bytes(public_set(KEY))
    keys = FileKeys(path)
    assert keys.find(str(KEY.kid), "ES256").kid == KEY.kid
    assert refused(lambda: keys.find(str(OTHER.kid), "ES256")) == "unknown-key"
    path.write_bytes(public_set(OTHER, RSA))
    assert keys.find(str(OTHER.kid), "ES256").kid == OTHER.kid
    assert refused(lambda: keys.find(str(KEY.kid), "ES256")) == "unknown-key"
    path.write_bytes(json.dumps({"keys": [OctKey.generate_key().as_dict()]}).encode())
    with pytest.raises(ConfigurationError):
        keys.find(str(KEY.kid), "ES256")


class Keys:
    """A JWKS address whose answer changes."""

    def __init__(self) -> None:
        self.reply = Reply(200, public_set(KEY))

    def __call__(self, asked: Asked) -> Reply:
        return self.reply if asked.path == "/jwks?x=1" else Reply(404)


def test_fetched_keys_are_kept_and_renewed(tmp_path: Path, clock: FakeClock) -> None:
    answers = Keys()
    with https_server(tmp_path, answers) as served:
        client = HttpsOrigin(served.url, ca=served.ca, allow_private=True)
        keys = FetchedKeys(served.url + "/jwks?x=1", client, clock)
        kid, other = str(KEY.kid), str(OTHER.kid)
        for _ in range(3):
            assert keys.find(kid, "ES256").kid == kid
        assert len(served.asked) == 1
        answers.reply = Reply(200, public_set(KEY, OTHER))
        assert refused(lambda: keys.find(other, "ES256")) == "unknown-key"
        for _ in range(5):  # unknown ids cannot make us ask all the time
            refused(lambda: keys.find("nobody", "ES256"))
        assert len(served.asked) == 1
        clock.time_us += 31_000_000
        assert keys.find(other, "ES256").kid == other
        assert len(served.asked) == 2
        for broken in (Reply(500), Reply(302, b"", {"Location": "/jwks?x=1"}), Reply(200, b"[]")):
            answers.reply = broken
            clock.time_us += 301_000_000
            assert keys.find(kid, "ES256").kid == kid  # the old set, for a while
        clock.time_us += 3_600_000_000
        with pytest.raises(ChartloomError):
            keys.find(kid, "ES256")


def test_keys_are_fetched_from_nowhere_else(tmp_path: Path, clock: FakeClock) -> None:
    with https_server(tmp_path, Keys()) as served:
        client = HttpsOrigin(served.url, ca=served.ca)
        with pytest.raises(ConfigurationError):
            FetchedKeys("https://evil.test/jwks", client, clock)
        keys = FetchedKeys(served.url + "/jwks?x=1", client, clock)
        with pytest.raises(AddressRefused):
            keys.find("k", "ES256")
        missing = HttpsOrigin(served.url, ca=served.ca, allow_private=True)
        with pytest.raises(ServiceUnavailable, match="404"):
            FetchedKeys(served.url + "/other", missing, clock).find("k", "ES256")
