"""Signing in with a real provider over real connections, and how it must not work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.support.console_client import Client
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

from chartloom.guard.audit import read_events
from chartloom.guard.https import HttpsOrigin
from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.guard.tokens import FetchedKeys, RelyingParty, Secret, discover
from chartloom.serve.demo_idp import DemoProvider

STAFF = Staff(
    (
        StaffMember("ann", "Dr Ann", (Role.CLINICIAN,)),
        StaffMember("eve", "Eve", (Role.INTEGRATION_ENGINEER,)),
    )
)


class Door:
    """A console and its provider."""

    def __init__(self, site: Site, url: str, provider: DemoProvider, party: RelyingParty) -> None:
        self.site, self.url, self.provider, self.party = site, url, provider, party

    def begin(self, client: Client, onward: str = "/me") -> tuple[str, str]:
        """Where the provider was asked to answer, and the state; the client holds what is kept."""
        status, headers, _ = client.ask(f"/sign-in/start?{urlencode({'next': onward})}")
        assert status == 303
        asked = urlsplit(headers["location"])
        return asked.query, parse_qs(asked.query)["state"][0]

    def choose(self, query: str, subject: str, *, second: bool = True) -> str:
        """Picks a person at the provider; path and query of the answer to the console."""
        there = Client(self.provider.issuer)
        page = there.ask(f"/authorize?{query}")[2]
        asked = re.search(r'name="asked" value="([^"]+)"', page)
        assert asked is not None
        form = {"asked": asked[1].replace("&amp;", "&"), "subject": subject}
        form |= {"second": "on"} if second else {}
        status, headers, _ = there.ask("/authorize", "POST", form)
        assert status == 303
        assert headers["location"].startswith(f"{self.url}/callback?")
        return headers["location"].removeprefix(self.url)


@pytest.fixture(scope="module")
def door(postgres_server, tmp_path_factory) -> Iterator[Door]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("sign-in"))
    clock = ShiftedClock()
    site = Site(factory(clock=clock), clock)
    site.staff = STAFF
    parties: list[RelyingParty] = []
    app = site.app(site.doors(sign_in=lambda: parties[0], builtin_provider=True))
    with serving(app) as url:
        holder: list[DemoProvider] = []

        async def later(scope, receive, send) -> None:  # type: ignore[no-untyped-def]
            await holder[0].app()(scope, receive, send)

        with serving(later) as issuer:
            holder.append(DemoProvider(issuer, f"{url}/callback", lambda: site.staff, clock))
            connect = partial(HttpsOrigin, allow_loopback_http=True)
            found = discover(issuer, connect(issuer))
            parties.append(
                RelyingParty(
                    found,
                    holder[0].client_id,
                    f"{url}/callback",
                    Secret(holder[0].client_secret),
                    FetchedKeys(found.jwks_uri, connect(issuer), clock),
                    connect,
                    clock,
                    algorithms=("ES256",),
                )
            )
            yield Door(site, url, holder[0], parties[0])
    factory.close()


def sign_in(door: Door, subject: str) -> Client:
    client = Client(door.url)
    query, _ = door.begin(client)
    assert client.ask(door.choose(query, subject))[0] == 200
    return client


def last_event(door: Door):  # type: ignore[no-untyped-def]
    return list(read_events(door.site.audit.read(0, 100_000)))[-1]


def test_somebody_signs_in_and_is_who_they_chose(door: Door) -> None:
    client = Client(door.url)
    assert client.ask("/me")[0] == 401
    query, _ = door.begin(client, "/me")
    status, headers, text = client.ask(door.choose(query, "ann"))
    assert status == 200
    assert 'content="0; url=/me"' in text
    cookie = headers["set-cookie"].lower()
    event = last_event(door)
    assert (event.kind, event.actor, event.denied) == ("sign-in", "ann", "")
    assert "httponly" in cookie
    assert "Dr Ann" in client.ask("/me")[2]


def cookies(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {v.partition("=")[0]: v.lower() for k, v in headers if k.lower() == "set-cookie"}


def test_cookies_are_strict_and_over_https_bound_to_the_host(door: Door) -> None:
    import http.client

    client = Client(door.url)
    query, _ = door.begin(client)
    path = door.choose(query, "ann")
    connection = http.client.HTTPConnection(client.host, timeout=PATIENCE_S)
    connection.request("GET", path, headers={"Cookie": client.cookie})
    found = cookies(connection.getresponse().getheaders())
    connection.close()
    session = found["chartloom_session"]
    for attribute in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert attribute in session
    assert "max-age=0" in found["chartloom_signing_in"]
    site = door.site
    with serving(site.app(site.doors(https=True))) as url:
        headers = Client(url).ask(site.sign_in_path())[1]
        cookie = headers["set-cookie"].lower()
        assert cookie.startswith("__host-chartloom_session=")
        assert "; secure" in cookie
        assert "domain=" not in cookie
        assert headers["strict-transport-security"].startswith("max-age=")


def test_an_answer_is_good_for_one_try(door: Door) -> None:
    client = Client(door.url)
    query, _ = door.begin(client)
    kept, path = client.cookie, door.choose(query, "ann")
    assert client.ask(path)[0] == 200
    thief = Client(door.url)
    thief.cookie = kept
    assert thief.ask(path)[0] == 403
    assert last_event(door).denied == "replayed"
    assert thief.ask("/me")[0] == 401


@pytest.mark.parametrize("change", ["state", "code", "iss", "cookie", "twice", "expired"])
def test_a_changed_answer_is_refused(door: Door, change: str) -> None:
    client = Client(door.url)
    query, _ = door.begin(client)
    path = door.choose(query, "ann")
    fields = {k: v[0] for k, v in parse_qs(urlsplit(path).query).items()}
    if change in fields:
        fields[change] = fields[change][:-1] + ("A" if fields[change][-1] != "A" else "B")
    path = f"/callback?{urlencode(fields)}"
    if change == "twice":
        path += "&state=x"
    if change == "cookie":
        client.cookie = ""
    if change == "expired":
        door.site.clock.shift_us += 601 * 1_000_000
    before = client.cookie
    status, _, text = client.ask(path)
    assert status == 403
    assert "Signing in did not work" in text
    client.cookie = before
    assert client.ask("/me")[0] == 401


def test_another_browser_cannot_use_the_answer(door: Door) -> None:
    """Login CSRF: an attacker's answer is worth nothing in the victim's browser."""
    attacker, victim = Client(door.url), Client(door.url)
    query, _ = door.begin(attacker)
    path = door.choose(query, "eve")
    door.begin(victim)
    assert victim.ask(path)[0] == 403


def test_a_session_planted_before_is_not_the_one_after(door: Door) -> None:
    """Session fixation."""
    planted = sign_in(door, "ann").cookie
    victim = Client(door.url)
    victim.cookie = planted
    query, _ = door.begin(victim)
    assert victim.ask(door.choose(query, "eve"))[0] == 200
    assert victim.cookie != planted
    assert "Eve" in victim.ask("/me")[2]
    old = Client(door.url)
    old.cookie = planted
    assert old.ask("/me")[0] == 401


def test_signing_out_ends_the_session_on_the_server(door: Door) -> None:
    client = sign_in(door, "ann")
    kept = client.cookie
    status, _, text = client.ask("/sign-out", "POST", {"csrf": client.csrf("/me")})
    assert status == 200
    client.cookie = kept
    assert client.ask("/me")[0] == 401
    # The page leads on to the provider, which ends its own session and leads back.
    found = re.search(r'content="0; url=([^"]+)"', text)
    assert found is not None
    leave = found[1].replace("&amp;", "&")
    assert leave.startswith(f"{door.provider.issuer}/end-session?")
    there = Client(door.provider.issuer)
    status, headers, _ = there.ask(leave.removeprefix(door.provider.issuer))
    assert (status, headers["location"]) == (303, f"{door.url}/sign-in")
    asked = parse_qs(urlsplit(leave).query)
    for change in ({"post_logout_redirect_uri": "https://evil.org/"}, {"id_token_hint": "x.y.z"}):
        fields = {k: v[0] for k, v in asked.items()} | change
        assert there.ask(f"/end-session?{urlencode(fields)}")[0] == 400


def test_one_persons_form_token_is_nothing_in_anothers_session(door: Door) -> None:
    ann, eve = sign_in(door, "ann"), sign_in(door, "eve")
    assert eve.ask("/sign-out", "POST", {"csrf": ann.csrf("/me")})[0] == 403
    assert eve.ask("/me")[0] == 200


@pytest.mark.parametrize("onward", ["//evil.org", "https://evil.org/", "/\\evil.org", "/x//y"])
def test_signing_in_leads_into_the_console_only(door: Door, onward: str) -> None:
    client = Client(door.url)
    query, _ = door.begin(client, onward)
    text = client.ask(door.choose(query, "ann"))[2]
    assert 'content="0; url=/"' in text
    assert "evil" not in text


def test_links_of_the_machine_are_for_sites_without_a_provider(door: Door) -> None:
    client = Client(door.url)
    status, headers, _ = client.ask(door.site.sign_in_path())
    assert (status, headers["location"]) == (303, "/sign-in")
    assert "set-cookie" not in headers


def test_the_provider_answers_its_own_client_only(door: Door) -> None:
    there = Client(door.provider.issuer)
    query, _ = door.begin(Client(door.url))
    for change in ("client_id", "redirect_uri", "code_challenge_method"):
        fields = {k: v[0] for k, v in parse_qs(query).items()} | {change: "https://evil.org/"}
        assert there.ask(f"/authorize?{urlencode(fields)}")[0] == 400
    assert there.ask("/token", "POST", {"grant_type": "authorization_code"})[0] == 401
