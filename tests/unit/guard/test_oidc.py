"""Sign-in by OpenID Connect against a real HTTPS provider that can misbehave in every way."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.clock import FakeClock
from tests.support.tls_server import Asked, Reply, Served, https_server
from tests.support.tokens import b64, ec, public, public_set, rsa, sign

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.https import HttpsOrigin, ServiceUnavailable
from chartloom.guard.tokens import (
    AssertionVerifier,
    Client,
    Demands,
    FetchedKeys,
    FixedKeys,
    Identity,
    MemoryUsedTokens,
    Pending,
    RelyingParty,
    Secret,
    SigningKey,
    TokenRefused,
    discover,
)
from chartloom.guard.tokens.oidc import challenge, left_half

NOW_S = 1_780_000_000
CLIENT, REDIRECT = "chartloom", "https://chart.test/signed-in"
RSA, EC, OWN = rsa(), ec(), ec()


class FakeProvider:
    """An identity provider; tests change what it says."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.url = ""
        self.document: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {}
        self.answer: dict[str, Any] = {}
        self.key: Any = RSA
        self.codes: dict[str, dict[str, str]] = {}
        self.clients: AssertionVerifier | None = None

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/.well-known/openid-configuration":
            return Reply(200, json.dumps({**self.standard(), **self.document}).encode())
        if asked.path == "/keys":
            return Reply(200, public_set(RSA, EC))
        return self.token(asked)

    def standard(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": self.url + "/authorize",
            "token_endpoint": self.url + "/token",
            "jwks_uri": self.url + "/keys",
            "authorization_response_iss_parameter_supported": True,
        }

    def authorize(self, url: str) -> dict[str, str]:
        """What a browser brings back after the person agreed."""
        assert url.startswith(self.url + "/authorize?")
        query = {k: v[0] for k, v in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.url}

    def token(self, asked: Asked) -> Reply:
        form = {k: v[0] for k, v in parse_qs(asked.body.decode()).items()}
        query = self.codes.pop(form["code"], None)
        made = hashlib.sha256(form["code_verifier"].encode()).digest()
        if (
            query is None
            or not self.authenticated(asked, form)
            or form["redirect_uri"] != query["redirect_uri"]
            or base64.urlsafe_b64encode(made).rstrip(b"=").decode() != query["code_challenge"]
        ):
            return Reply(400, b'{"error":"invalid_grant"}')
        now_s = self.clock.now_us() // 1_000_000
        claims = {
            "iss": self.url,
            "sub": "person-1",
            "aud": CLIENT,
            "iat": now_s,
            "exp": now_s + 600,
            "nonce": query["nonce"],
            "auth_time": now_s - 5,
            "at_hash": left_half("access", "RS256"),
            "sid": "session-1",
            **self.claims,
        }
        header = {"alg": "RS256", "kid": RSA.kid, "typ": "JWT", **self.header}
        kept = {k: v for k, v in claims.items() if v is not ...}
        answer = {
            "access_token": "access",
            "token_type": "Bearer",
            "id_token": sign(header, kept, self.key),
            **self.answer,
        }
        return Reply(200, json.dumps(answer).encode())

    def authenticated(self, asked: Asked, form: dict[str, str]) -> bool:
        if self.clients is not None:
            return self.clients.verify(form["client_assertion"]).client_id == CLIENT
        pair = base64.b64encode(f"{CLIENT}:s%3Acret".encode()).decode()
        return asked.headers.get("authorization") == f"Basic {pair}"


class Site:
    """A provider, and this site as its relying party."""

    def __init__(self, served: Served, idp: FakeProvider, clock: FakeClock) -> None:
        self.served, self.idp, self.clock = served, idp, clock
        idp.url = served.url

    def connect(self, origin: str) -> HttpsOrigin:
        return HttpsOrigin(origin, ca=self.served.ca, allow_private=True)

    def party(self, auth: Any = None, **more: Any) -> RelyingParty:
        provider = discover(self.served.url, self.connect(self.served.url))
        keys = FetchedKeys(provider.jwks_uri, self.connect(self.served.url), self.clock)
        auth = auth or Secret("s:cret")
        return RelyingParty(
            provider, CLIENT, REDIRECT, auth, keys, self.connect, self.clock, **more
        )

    def sign_in(self, party: RelyingParty | None = None, **more: Any) -> Identity:
        party = party or self.party()
        url, pending = party.begin(**more)
        return party.finish(pending, self.idp.authorize(url))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    clock = FakeClock(NOW_S * 1_000_000)
    idp = FakeProvider(clock)
    with https_server(tmp_path, idp) as served:
        yield Site(served, idp, clock)


def refused(site: Site, **more: Any) -> str:
    with pytest.raises(TokenRefused) as error:
        site.sign_in(**more)
    return error.value.reason


def test_a_person_signs_in(site: Site) -> None:
    found = site.sign_in()
    assert (found.issuer, found.subject, found.session_id) == (
        site.served.url,
        "person-1",
        "session-1",
    )
    assert found.signed_in_s == NOW_S - 5
    assert "person-1" not in repr(found)
    assert "s:cret" not in repr(Secret("s:cret"))


def test_every_sign_in_has_its_own_secrets(site: Site) -> None:
    party = site.party()
    pendings = [party.begin()[1] for _ in range(20)]
    assert len({p.state for p in pendings} | {p.nonce for p in pendings}) == 40
    assert len({p.verifier for p in pendings}) == 20
    assert all(43 <= len(p.verifier) <= 128 for p in pendings)
    party = site.party(demands=Demands(acr=("mfa",)))
    url, pending = party.begin(prompt="login", max_age_s=0)
    assert pending.verifier not in url
    for part in ("prompt=login", "acr_values=mfa", "max_age=0", challenge(pending.verifier)):
        assert part in url


def test_the_published_pkce_example() -> None:
    """RFC 7636 appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_signing_in_with_a_key_instead_of_a_secret(site: Site) -> None:
    client = Client(CLIENT, FixedKeys(public(OWN)), frozenset())
    site.idp.clients = AssertionVerifier(
        {CLIENT: client}, site.served.url + "/token", MemoryUsedTokens(site.clock), site.clock
    )
    assert site.sign_in(site.party(SigningKey(OWN))).subject == "person-1"


def test_a_wrong_secret_or_a_used_code_is_refused(site: Site) -> None:
    with pytest.raises(TokenRefused, match="not accepted") as error:
        site.sign_in(site.party(Secret("wrong")))
    assert error.value.reason == "code"
    party = site.party()
    url, pending = party.begin()
    answer = site.idp.authorize(url)
    party.finish(pending, answer)
    with pytest.raises(TokenRefused):
        party.finish(pending, answer)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"state": "other"}, "state"),
        ({"state": ""}, "state"),
        ({"state": "\u00e9"}, "state"),
        ({"iss": "https://evil.test"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"error": "access_denied"}, "declined"),
        ({"code": ""}, "malformed"),
        ({"code": "x" * 5000}, "malformed"),
        ({"code": "stolen"}, "code"),
    ],
)
def test_wrong_answers(site: Site, change: dict[str, str | None], reason: str) -> None:
    party = site.party()
    url, pending = party.begin()
    answer = {k: v for k, v in {**site.idp.authorize(url), **change}.items() if v is not None}
    with pytest.raises(TokenRefused) as error:
        party.finish(pending, answer)
    assert error.value.reason == reason


def test_an_answer_of_another_sign_in_is_refused(site: Site) -> None:
    """A code that was put into somebody else's browser (login CSRF, code injection)."""
    party = site.party()
    url, thief = party.begin()
    stolen = site.idp.authorize(url)
    _, victim = party.begin()
    with pytest.raises(TokenRefused) as error:
        party.finish(victim, stolen)
    assert error.value.reason == "state"
    with pytest.raises(TokenRefused) as error:
        party.finish(victim, {**stolen, "state": victim.state})
    assert error.value.reason == "code"  # the code challenge does not fit
    assert thief.verifier != victim.verifier


def test_sign_ins_end_and_belong_to_one_provider(site: Site) -> None:
    party = site.party()
    url, pending = party.begin()
    answer = site.idp.authorize(url)
    other = Pending(**{**_fields(pending), "issuer": "https://evil.test"})
    with pytest.raises(TokenRefused):
        party.finish(other, answer)
    site.clock.time_us += 600_000_000
    with pytest.raises(TokenRefused) as error:
        party.finish(pending, answer)
    assert error.value.reason == "expired"


def _fields(pending: Pending) -> dict[str, Any]:
    return {name: getattr(pending, name) for name in pending.__struct_fields__}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://evil.test"}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"aud": [CLIENT, "another"]}, "audience"),
        ({"aud": [CLIENT, "another"], "azp": "another"}, "audience"),
        ({"azp": "another"}, "audience"),
        ({"nonce": "other"}, "nonce"),
        ({"nonce": 5}, "nonce"),
        ({"nonce": ...}, "claims"),
        ({"sub": ...}, "claims"),
        ({"exp": NOW_S - 60, "iat": NOW_S - 100}, "expired"),
        ({"iat": NOW_S + 60, "exp": NOW_S + 100}, "not-yet"),
        ({"exp": NOW_S + 100_000}, "lifetime"),
        ({"at_hash": left_half("other", "RS256")}, "hash"),
        ({"at_hash": 1}, "hash"),
        ({"auth_time": "now"}, "claims"),
    ],
)
def test_wrong_id_tokens(site: Site, claims: dict[str, Any], reason: str) -> None:
    site.idp.claims = claims
    assert refused(site) == reason


def test_allowed_variants(site: Site) -> None:
    for claims in (
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "another"], "azp": CLIENT},
        {"at_hash": ...},
        {"auth_time": ..., "sid": ...},
    ):
        site.idp.claims = claims
        assert site.sign_in().subject == "person-1"


@pytest.mark.parametrize(
    ("header", "key", "reason"),
    [
        ({"alg": "none"}, b"", "algorithm"),
        ({"alg": "HS256"}, b"s:cret", "algorithm"),
        ({"alg": "HS256"}, RSA.as_pem(private=False), "algorithm"),
        ({"alg": "ES256", "kid": EC.kid}, EC, "algorithm"),
        ({"kid": EC.kid}, RSA, "unknown-key"),
        ({"kid": "nobody"}, RSA, "unknown-key"),
        ({"jku": "https://evil.test/keys"}, RSA, "header"),
        ({"jwk": {}}, RSA, "header"),
        ({}, rsa(), "signature"),
    ],
)
def test_wrongly_signed_id_tokens(
    site: Site, header: dict[str, Any], key: Any, reason: str
) -> None:
    site.idp.header, site.idp.key = header, key
    assert refused(site) == reason


def test_the_site_chooses_the_algorithm(site: Site) -> None:
    site.idp.header, site.idp.key = {"alg": "ES256", "kid": EC.kid}, EC
    assert site.sign_in(site.party(algorithms=("ES256",))).subject == "person-1"
    for algorithms in ((), ("HS256",), ("none",)):
        with pytest.raises(ConfigurationError):
            site.party(algorithms=algorithms)


def test_the_providers_own_sign_in_must_be_as_fresh_as_asked(site: Site) -> None:
    assert site.sign_in(max_age_s=60).signed_in_s == NOW_S - 5
    for at in (NOW_S - 91, NOW_S + 31, ...):
        site.idp.claims = {"auth_time": at}
        assert refused(site, max_age_s=60) == "too-old"


@pytest.mark.parametrize(
    "answer", [{"id_token": None}, {"id_token": b64(b"x")}, {"access_token": 5}]
)
def test_wrong_token_answers(site: Site, answer: dict[str, Any]) -> None:
    site.idp.answer = answer
    assert refused(site) == "malformed"


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"issuer": "https://evil.test"}, "another issuer"),
        ({"issuer": None}, "another issuer"),
        ({"token_endpoint": "https://evil.test/token"}, "token_endpoint"),
        ({"jwks_uri": "https://evil.test/keys"}, "jwks_uri"),
        ({"authorization_endpoint": None}, "authorization_endpoint"),
        ({"end_session_endpoint": "https://evil.test/"}, "end_session_endpoint"),
        ({"code_challenge_methods_supported": ["plain"]}, "S256"),
        ({"jwks_uri": "http://localhost/keys"}, "jwks_uri"),
        ({"token_endpoint": "file:///etc/passwd"}, "plain absolute"),
    ],
)
def test_wrong_discovery(site: Site, document: dict[str, Any], told: str) -> None:
    site.idp.document = document
    with pytest.raises(ConfigurationError, match=told):
        site.party()


def test_discovery_may_name_other_origins_only_where_allowed(site: Site) -> None:
    site.idp.document = {"end_session_endpoint": "https://logout.test/x"}
    client = site.connect(site.served.url)
    found = discover(site.served.url, client, also=["https://logout.test"])
    assert found.end_session_endpoint == "https://logout.test/x"
    with pytest.raises(ConfigurationError):
        discover("https://evil.test", client)
    with pytest.raises(ConfigurationError, match="another issuer"):
        discover(site.served.url + "/", client)


def test_discovery_that_fails(tmp_path: Path) -> None:
    with https_server(tmp_path, lambda _: Reply(302, b"", {"Location": "/x"})) as served:
        client = HttpsOrigin(served.url, ca=served.ca, allow_private=True)
        with pytest.raises(ServiceUnavailable, match="302"):
            discover(served.url, client)
