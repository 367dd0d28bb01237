"""Services at the API: a signed assertion for a token, the token for what its scopes permit."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from joserfc.jwk import ECKey
from tests.browser.test_roles import ANNA, MESSAGE
from tests.support.console_client import Client as Browser
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving
from tests.support.tokens import ec, public, sign

from chartloom.guard.audit import read_events
from chartloom.guard.tokens import (
    AccessVerifier,
    AssertionVerifier,
    Client,
    FixedKeys,
    MemoryUsedTokens,
    TokenEndpoint,
    TokenIssuer,
    make_assertion,
)
from chartloom.guard.tokens.clients import ASSERTION_TYPE
from chartloom.serve import Services

SITE = "https://site.example"
TOKEN_URL = f"{SITE}/token"


class Api:
    """A console with one registered service."""

    def __init__(self, site: Site, url: str, key: ECKey, issuer: TokenIssuer) -> None:
        self.site, self.url, self.key, self.issuer = site, url, key, issuer

    def ask_token(self, assertion: str, scope: str = "system/*.rs") -> tuple[int, dict[str, str]]:
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
            "scope": scope,
        }
        status, _, text = Browser(self.url).ask("/token", "POST", form)
        return status, json.loads(text)

    def assertion(self) -> str:
        return make_assertion(self.key, "ES256", "registry", TOKEN_URL, self.site.clock)

    def get(self, path: str, token: str) -> int:
        return Browser(self.url).ask(path, Authorization=f"Bearer {token}")[0]


@pytest.fixture(scope="module")
def api(postgres_server, tmp_path_factory) -> Iterator[Api]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("api"))
    clock = ShiftedClock()
    site = Site(factory(clock=clock), clock)
    site.land("adt", MESSAGE.format(**ANNA).encode())
    site.apply()
    key, issuer = ec(), TokenIssuer(ec(), SITE, clock)
    clients = {"registry": Client("registry", FixedKeys(public(key)), frozenset({"system/*.rs"}))}
    used = MemoryUsedTokens(clock)
    services = Services(
        TokenEndpoint(AssertionVerifier(clients, TOKEN_URL, used, clock), issuer, (SITE,)),
        AccessVerifier(issuer.public_keys(), SITE, SITE, clock),
        issuer.key_set(),
    )
    with serving(site.app(site.doors(services=services))) as url:
        yield Api(site, url, key, issuer)
    factory.close()


def person(api: Api) -> str:
    return api.site.store.find_persons(api.site.grant(), "identifier", "P1")[0].person_id


def test_a_service_reads_a_chart_and_nothing_else(api: Api) -> None:
    status, answer = api.ask_token(api.assertion())
    assert status == 200
    assert answer["expires_in"] == 300
    token = answer["access_token"]
    assert api.get(f"/api/chart/{person(api)}", token) == 200
    assert api.get("/api/messages/1", token) == 200  # what a chart says may be proved
    for path in ("/api/messages", "/api/feeds", "/api/chart/nobody", "/api/messages/2"):
        assert api.get(path, token) == 404, path
    assert api.get(f"/chart/{person(api)}", token) == 401  # pages are for people


def test_every_try_for_a_token_is_on_record(api: Api) -> None:
    before = api.site.audit.end().size
    assert api.ask_token(api.assertion())[0] == 200
    assert api.ask_token("")[0] == 401
    taken, refused = read_events(api.site.audit.read(before, 9))
    assert (taken.kind, taken.actor, taken.service, taken.denied) == (
        "sign-in", "registry", True, "",
    )  # fmt: skip
    assert (refused.kind, refused.actor) == ("sign-in", "nobody")
    assert refused.denied


def test_an_assertion_is_good_for_one_token(api: Api) -> None:
    assertion = api.assertion()
    assert api.ask_token(assertion)[0] == 200
    assert api.ask_token(assertion) == (401, {"error": "invalid_client"})


def test_what_is_not_registered_gets_nothing(api: Api) -> None:
    stranger = make_assertion(ec(), "ES256", "registry", TOKEN_URL, api.site.clock)
    assert api.ask_token(stranger)[0] == 401
    elsewhere = make_assertion(api.key, "ES256", "registry", f"{SITE}/x", api.site.clock)
    assert api.ask_token(elsewhere)[0] == 401
    assert api.ask_token(api.assertion(), "system/*.cruds")[1] == {"error": "invalid_scope"}
    assert api.ask_token("")[0] == 401


def test_tokens_that_are_not_ours_or_over_open_nothing(api: Api) -> None:
    path = f"/api/chart/{person(api)}"
    good = api.issuer.issue("registry", SITE, {"system/*.rs"})
    assert api.get(path, good) == 200
    bad = [
        TokenIssuer(ec(), SITE, api.site.clock).issue("registry", SITE, {"system/*.rs"}),
        api.issuer.issue("registry", "https://other.example", {"system/*.rs"}),
        sign({"alg": "none", "typ": "at+jwt"}, {"sub": "registry"}, None),
        good[:-2],
        "",
    ]
    for token in bad:
        assert api.get(path, token) == 401
    assert api.get(path, api.issuer.issue("registry", SITE, {"system/Patient.rs"})) == 404
    api.site.clock.shift_us += 400 * 1_000_000
    assert api.get(path, good) == 401


def test_a_token_is_not_taken_from_an_address_or_a_form(api: Api) -> None:
    good = api.issuer.issue("registry", SITE, {"system/*.rs"})
    path = f"/api/chart/{person(api)}?access_token={good}"
    assert Browser(api.url).ask(path)[0] == 401
