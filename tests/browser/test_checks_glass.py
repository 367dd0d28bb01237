"""Emergency access, one's own record and signing in: what must not be mixed up with another."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.browser.test_roles import GOOD, WORDS, events_since, house, ids, size_of, url
from tests.browser.test_sign_in import Door, door
from tests.support.console_client import Client
from tests.support.site import Site

from chartloom.domain.access import GLASS_SUBJECT, SignedIn
from chartloom.domain.grant import Purpose
from chartloom.guard.staff import Principal
from chartloom.serve import entrance, mine
from chartloom.serve.sessions import Visitor, key_of

__all__ = ["door", "house", "ids", "url"]

ANNA = {**GOOD, **WORDS, "identifier": "P1", "birth_date": "1970-01-01"}
BERT = {**GOOD, **WORDS}


def signed_in(house: Site, url: str, subject: str) -> Client:
    client = Client(url)
    client.cookie = house.sign_in(subject)
    return client


def glass_of(house: Site, actor: str) -> dict[str, str]:
    """Source patient -> id of the emergency access."""
    grant = house.guard.mint("t", Purpose.OPERATIONS, (GLASS_SUBJECT,))
    return {g.source_patients[0]: g.id for g in house.glass.list(grant, actor=actor)}


@pytest.fixture
def young(house: Site, url: str, ids: dict[str, str]) -> tuple[Client, str, str]:
    """Somebody who has broken the glass twice, and whose patients they are: the older first."""
    client = signed_in(house, url, "young")
    csrf = client.csrf("/me")
    patients = []
    for form in (ANNA, BERT):
        status, headers, _ = client.ask("/glass", "POST", {**form, "csrf": csrf})
        assert status == 303
        patients.append(headers["location"].removeprefix("/chart/"))
    return client, patients[0], patients[1]


def test_the_glass_that_is_named_is_ended_and_opened_again(
    house: Site, young: tuple[Client, str, str]
) -> None:
    client, older, newer = young
    ids = glass_of(house, "young")
    form = {"id": ids[older], "csrf": client.csrf("/me")}
    before = size_of(house)
    assert client.ask("/glass/end", "POST", form)[0] == 303
    [ended] = [e for e in events_since(house, before) if e.kind == "glass-ended"]
    assert (ended.actor, ended.patients, ended.details["glass"]) == ("young", (older,), ids[older])
    assert client.ask(f"/chart/{older}")[0] == 404
    assert client.ask(f"/chart/{newer}")[0] == 200
    shown = re.search(r"Open glass.*?</ul>", client.ask("/me")[2], re.DOTALL)
    assert shown is not None
    assert newer in shown[0]
    assert older not in shown[0]
    status, headers, _ = client.ask("/glass/again", "POST", form)
    assert (status, headers["location"]) == (303, f"/chart/{older}")
    for path in ("/glass/end", "/glass/again"):
        other = signed_in(house, f"http://{client.host}", "two")
        mine = {"id": ids[newer], "csrf": other.csrf("/me")}
        assert other.ask(path, "POST", mine)[0] == 404


def test_a_review_is_on_record(house: Site, url: str, young: tuple[Client, str, str]) -> None:
    _, older, _ = young
    id, officer = glass_of(house, "young")[older], signed_in(house, url, "officer")
    before = size_of(house)
    form = {"outcome": "justified", "csrf": officer.csrf("/me")}
    assert officer.ask(f"/review/{id}", "POST", form)[0] == 303
    [event] = [e for e in events_since(house, before) if e.kind == "glass-reviewed"]
    assert (event.actor, event.patients, event.details["glass"]) == ("officer", (older,), id)
    assert event.details["outcome"] == "justified"


def test_ones_own_access_is_shown_and_nobody_elses(house: Site, url: str) -> None:
    for subject in ("one", "two"):
        assert signed_in(house, url, subject).ask("/chart")[0] == 200
    doors = house.doors()
    console = SimpleNamespace(authority=doors.authority, doors=doors)
    visitor = Visitor(Principal("one", roles=frozenset({"clinician"})))
    request = SimpleNamespace(scope={"chartloom.visitor": visitor})
    found = mine._mine(house.grant(), console, request)  # type: ignore[arg-type]
    assert {s.actor for s in found.seen} == {"one"}


# Signing in


def test_without_a_provider_there_is_no_answer_of_one(house: Site, url: str) -> None:
    before = size_of(house)
    assert Client(url).ask("/callback?state=x&code=y")[0] == 403
    [event] = events_since(house, before)
    assert (event.kind, bool(event.denied)) == ("sign-in", True)


@pytest.mark.parametrize("proved", [True, False])
def test_a_sign_in_that_the_provider_does_not_date_is_no_proof(
    door: Door, monkeypatch: pytest.MonkeyPatch, proved: bool
) -> None:
    real = type(door.party).finish

    def finish(self: Any, *args: Any) -> Any:
        return msgspec.structs.replace(real(self, *args), proved=proved)

    monkeypatch.setattr(type(door.party), "finish", finish)
    client = Client(door.url)
    query, _ = door.begin(client)
    assert client.ask(door.choose(query, "ann"))[0] == 200
    word = re.search(r"chartloom_session=([^;]+)", client.cookie)
    assert word is not None
    grant = door.site.guard.mint("t", Purpose.OPERATIONS, ("site:sessions",))
    stored = door.site.sessions.get(grant, key_of(word[1]))
    assert stored is not None
    assert bool(stored.session.proved_us) is proved


def test_a_token_of_one_provider_is_not_shown_to_another(door: Door) -> None:
    ends = f"{door.provider.issuer}/end"
    provider = msgspec.structs.replace(door.party.provider, end_session_endpoint=ends)
    party = SimpleNamespace(provider=provider, leave=lambda token: f"{ends}?{token}")
    console = SimpleNamespace(doors=SimpleNamespace(sign_in=lambda: party))

    def leads(issuer: str, method: str = "oidc") -> str:
        session = SignedIn("ann", method, {}, 1, 2, "csrf", issuer=issuer, id_token="secret")
        visitor = Visitor(Principal("ann"), session, b"k")
        return entrance._leave(console, visitor)  # type: ignore[arg-type]

    assert leads(provider.issuer) == f"{ends}?secret"
    assert leads("https://former.example") == ""
    assert leads(provider.issuer, "local") == ""
