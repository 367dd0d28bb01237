"""Whatever shows something of the site or of a patient is an event: every route is asked, and one
that makes none stands below with the reason why nothing protected is on it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from tests.browser.test_console_http import Client
from tests.browser.test_roles import events_since, house, ids, sign_in, size_of, url
from tests.support.site import Site

__all__ = ["house", "ids", "sign_in", "url"]

SHOWS_NOTHING_PROTECTED = {
    "/": "leads on to the first room",
    "/help": "words of ours, the same for everybody",
    "/sign-in": "the form",
    "/sign-in/start": "leads on to the provider",
    "/callback": "the provider's answer: an event of its own kind, when there is one",
    "/enter": "the link's answer: the same",
    "/jwks.json": "public keys",
    "/healthz": "one word",
    "/readyz": "one word",
    "/metrics": "numbers of the site, with a token or from this machine",
    "/static/{print}/{name}": "style and script",
    "/fhir/R4/metadata": "what the door can do",
    "/fhir/R4/.well-known/smart-configuration": "where its tokens are given out",
    "/fhir/R4/OperationDefinition/{id}": "what an operation takes and gives",
}


@pytest.fixture(scope="module")
def samples(house: Site, ids: dict[str, str]) -> dict[str, list[str]]:
    """Values for the parameters of addresses: what is there, and what is not."""
    grant = house.grant()
    patient = house.store.person(grant, ids["anna"]).source_patients[0]
    return {
        "person": [ids["anna"], patient, ids["bert"], "x"],
        "section": ["results", "demographics", "nonsense"],
        "series": ["x"],
        "resource": [patient, "x"],
        "element": ["birthDate", "nonsense"],
        "position": ["1", "999999", "x"],
        "id": ["match", ids["anna"], patient, "x"],
        "first": [patient, "x"],
        "second": [house.store.person(grant, ids["bert"]).source_patients[0], "x"],
        "print": ["x"],
        "handle": ["0123456789abcdef", "x"],
        "key": ["0123456789abcdef", "x"],
        "name": ["x"],
    }


def addresses(path: str, samples: dict[str, list[str]]) -> list[str]:
    """The path with each combination of samples, as far as they matter."""
    found = [path]
    for parameter in re.findall(r"{([^}]+)}", path):
        values = samples[parameter.partition(":")[0]]
        found = [a.replace(f"{{{parameter}}}", v) for a in found for v in values]
    return found


def get_routes(house: Site) -> list[str]:
    return [route.path for route in house.app().routes if "GET" in route.methods]


@pytest.mark.parametrize(
    "subject", ["one", "engineer", "officer", "analyst", "admin", "steward", "nobody"]
)
def test_every_get_is_an_event_or_shows_nothing(
    sign_in: Callable[[str], Client], house: Site, samples: dict[str, list[str]], subject: str
) -> None:
    client = sign_in(subject)
    asked, silent = 0, []
    for route in get_routes(house):
        if route in SHOWS_NOTHING_PROTECTED:
            continue
        for address in addresses(route, samples):
            before = size_of(house)
            status = client.ask(address)[0]
            assert status in (200, 404), address
            seen = [e for e in events_since(house, before) if e.actor == subject]
            asked += 1
            if len(seen) != 1:
                silent.append((address, status, [e.kind for e in seen]))
            elif (status == 200) != (not seen[0].denied):
                silent.append((address, status, seen[0].denied))
    assert silent == []
    assert asked >= 50


def test_the_list_names_routes_that_there_are(house: Site) -> None:
    assert set(SHOWS_NOTHING_PROTECTED) <= set(get_routes(house))


def test_what_is_on_the_list_shows_nothing(
    sign_in: Callable[[str], Client], house: Site, samples: dict[str, list[str]]
) -> None:
    client = sign_in("one")
    for route in sorted(SHOWS_NOTHING_PROTECTED):
        text = client.ask(addresses(route, samples)[0])[2]
        for word in ("Weber", "Quist", "P1", "P2", *samples["person"][:3]):
            assert f">{word}" not in text, route
            assert len(word) < 5 or word not in text, (route, word)
