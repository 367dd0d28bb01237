"""The destruction of keys takes two persons, and what is grave takes a sign-in of just now."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from tests.browser.test_console_http import Client
from tests.browser.test_roles import USE, events_since, house, ids, sign_in, size_of, url
from tests.support.site import Site

from chartloom.domain.access import ShredState
from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Seen
from chartloom.serve.sessions import Limits

__all__ = ["house", "ids", "sign_in", "url"]

LATE_S = Limits().fresh_s + 1


def late(house: Site, url: str, subject: str) -> Client:
    """Somebody whose session is good and whose sign-in is a while ago."""
    client = Client(url)
    client.cookie = house.sign_in(subject, ago_s=LATE_S)
    return client


def only(seen: list[Seen], actor: str) -> Seen:
    (event,) = [e for e in seen if e.actor == actor]
    return event


def newest_request(house: Site) -> str:
    grant = house.guard.mint("t", Purpose.OPERATIONS, ("site:shreddings",))
    return house.shreddings.list(grant)[0].id


def ask_for_one(client: Client, person: str) -> int:
    form = {"person": person, "reason": "patient-request", "csrf": client.csrf("/me")}
    return client.ask("/shreddings", "POST", form)[0]


def decide(client: Client, id: str, decision: str) -> tuple[int, str]:
    form = {"decision": decision, "csrf": client.csrf("/me")}
    status, _, text = client.ask(f"/shreddings/{id}", "POST", form)
    return status, text


def state_of(house: Site, id: str) -> ShredState:
    grant = house.guard.mint("t", Purpose.OPERATIONS, ("site:shreddings",))
    return house.shreddings.get(grant, id).state


def test_one_asks_and_another_approves(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    admin, officer = sign_in("admin"), sign_in("officer")
    before = size_of(house)
    assert ask_for_one(admin, ids["anna"]) == 303
    asked = [e for e in events_since(house, before) if e.kind == "shredding-requested"]
    (event,) = asked
    assert event.actor == "admin"
    assert len(event.patients) == 1
    id = newest_request(house)
    assert decide(admin, id, "approve")[0] == 404  # one's own
    assert state_of(house, id) is ShredState.REQUESTED
    assert f"/shreddings/{id}" in officer.ask("/shreddings")[2]
    before = size_of(house)
    assert decide(officer, id, "approve")[0] == 303
    assert state_of(house, id) is ShredState.APPROVED
    (event,) = [e for e in events_since(house, before) if e.kind == "shredding-decided"]
    assert (event.actor, event.patients) == ("officer", asked[0].patients)
    # Decided once; whoever asked may still take it back.
    assert decide(officer, id, "refuse")[0] == 409
    assert state_of(house, id) is ShredState.APPROVED
    assert decide(officer, id, "withdraw")[0] == 404
    assert decide(admin, id, "withdraw")[0] == 303
    assert state_of(house, id) is ShredState.WITHDRAWN
    assert "Weber" not in officer.ask("/shreddings")[2]


@pytest.mark.parametrize("subject", ["one", "engineer", "analyst", "officer", "nobody"])
def test_nobody_else_asks(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str], subject: str
) -> None:
    before = size_of(house)
    assert ask_for_one(sign_in(subject), ids["anna"]) == 404
    assert [e.kind for e in events_since(house, before) if not e.denied and e.patients] == []


@pytest.mark.parametrize("subject", ["one", "engineer", "analyst", "nobody"])
def test_nobody_else_decides(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str], subject: str
) -> None:
    assert ask_for_one(sign_in("admin"), ids["anna"]) == 303
    id = newest_request(house)
    client = sign_in(subject)
    before = size_of(house)
    for decision in ("approve", "refuse", "withdraw", "nonsense"):
        assert decide(client, id, decision)[0] == 404
    assert state_of(house, id) is ShredState.REQUESTED
    own = [e for e in events_since(house, before) if e.actor == subject and "/me" not in e.things]
    assert len([e for e in own if e.denied]) == 4
    assert client.ask("/shreddings")[0] == 404


def test_what_is_not_there_is_denied(sign_in: Callable[[str], Client], house: Site) -> None:
    admin, officer = sign_in("admin"), sign_in("officer")
    assert ask_for_one(admin, "nobody") == 404
    assert decide(officer, "0" * 32, "approve")[0] == 404
    form = {"person": "x", "reason": "because", "csrf": admin.csrf("/me")}
    assert admin.ask("/shreddings", "POST", form)[0] == 400


def test_approving_a_destruction_takes_a_fresh_sign_in(
    sign_in: Callable[[str], Client], house: Site, url: str, ids: dict[str, str]
) -> None:
    assert ask_for_one(sign_in("admin"), ids["anna"]) == 303
    id, officer = newest_request(house), late(house, url, "officer")
    assert officer.ask("/shreddings")[0] == 200  # looking does not
    before = size_of(house)
    status, text = decide(officer, id, "approve")
    assert status == 403
    assert "/sign-in/start?again=1&amp;next=%2Fshreddings" in text.replace("/sh", "%2Fsh")
    assert state_of(house, id) is ShredState.REQUESTED
    denied = [e.denied for e in events_since(house, before) if e.actor == "officer" and e.denied]
    assert denied == ["sign-in-too-old"]
    assert decide(sign_in("officer"), id, "approve")[0] == 303
    # Somebody who may not approve anyway does not learn that signing in would help.
    status, text = decide(late(house, url, "one"), id, "approve")
    assert (status, "again=1" in text) == (404, False)


def test_approving_a_data_use_takes_a_fresh_sign_in(
    sign_in: Callable[[str], Client], house: Site, url: str
) -> None:
    day = datetime.fromtimestamp(house.clock.now_us() / 1e6, UTC) + timedelta(days=30)
    analyst, officer = sign_in("analyst"), late(house, url, "officer")
    form = {**USE, "until": f"{day:%Y-%m-%d}", "csrf": analyst.csrf("/me")}
    assert analyst.ask("/uses", "POST", form)[0] == 303
    found = re.search(r'action="/uses/([0-9a-f]{32})"', officer.ask("/uses")[2])
    assert found is not None
    form = {"decision": "approve", "csrf": officer.csrf("/me")}
    before = size_of(house)
    status, _, text = officer.ask(f"/uses/{found[1]}", "POST", form)
    assert status == 403
    assert "Sign in again" in text
    assert only(events_since(house, before), "officer").denied == "sign-in-too-old"
    again = sign_in("officer")
    form["csrf"] = again.csrf("/me")
    assert again.ask(f"/uses/{found[1]}", "POST", form)[0] == 303


def test_the_policy_refuses_on_its_own(house: Site) -> None:
    """Were the page to forget to ask, the policy would not."""
    from chartloom.guard.authority import AccessDenied, Asking
    from chartloom.guard.staff import Principal
    from chartloom.serve import needs

    authority = house.doors().authority
    officer = Principal("officer", roles=frozenset({"privacy_officer"}))
    need = needs.use_decision(mine=False)
    with pytest.raises(AccessDenied):
        authority.permit(officer, need, Asking())
    assert authority.permit(officer, need, Asking(fresh=True))
