"""The audit explorer and the destructions take any identifier, and say whom they are about."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import unquote

from tests.browser.test_console_http import Client
from tests.browser.test_roles import events_since, house, ids, sign_in, size_of, url
from tests.support.site import Site

from chartloom.guard.audit import Actor, Context, events

__all__ = ["house", "ids", "sign_in", "url"]

GONE = "11111111-2222-5333-8444-555555555555"


def number_of(house: Site, person: str) -> str:
    grant = house.grant()
    patient = house.store.person(grant, person).source_patients[0]
    value: str = house.store.state(grant, patient).resource["identifier"][0]["value"]
    return value


def seek(client: Client, typed: str) -> tuple[int, str, str]:
    """Status, address and text of what the form leads to."""
    form = {"person": typed, "csrf": client.csrf("/me")}
    status, headers, _ = client.ask("/audit", "POST", form)
    assert status == 303
    at = headers["location"]
    status, _, text = client.ask(at)
    return status, unquote(at), text


def test_any_identifier_leads_to_who_saw(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    officer, number = sign_in("officer"), number_of(house, ids["anna"])
    before = size_of(house)
    status, address, text = seek(officer, number)
    assert status == 200
    assert number not in address
    assert "Who saw this person" in text
    assert f'value="{number}"' in text
    seen = [e for e in events_since(house, before) if e.things == ("disclosures",)]
    assert [len(e.patients) for e in seen] == [1]
    by_id = officer.ask(f"/audit?person={ids['anna']}")[2]
    assert "Who saw this person" in by_id


def test_nobody_and_several_are_told_alike(sign_in: Callable[[str], Client], house: Site) -> None:
    officer = sign_in("officer")
    before = size_of(house)
    status, _, text = seek(officer, "no-such-number")
    assert (status, "Nobody is found under that" in text) == (404, True)
    assert [e.denied for e in events_since(house, before) if e.things == ("disclosures",)] == [
        "denied"
    ]


def test_a_number_tells_nothing_to_whoever_may_not_ask(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    for subject in ("one", "engineer", "analyst", "nobody"):
        client = sign_in(subject)
        there = seek(client, number_of(house, ids["anna"]))
        absent = seek(client, "no-such-number")
        assert there[0] == absent[0] == 404
        assert "Anna" not in there[2]
        assert ids["anna"] not in there[1]


def test_who_saw_somebody_who_was_destroyed_stays_to_be_found(
    sign_in: Callable[[str], Client], house: Site
) -> None:
    about = Context(house.clock.now_us(), Actor("one", ("clinician",)), "TREAT")
    house.recorder.record(events.patient_read(about, GONE, ["chart/summary"]))
    officer = sign_in("officer")
    assert officer.ask(f"/audit?person={GONE}")[0] == 404, "there never was anybody"
    assert house.guard.broker is not None
    house.guard.broker.shred(GONE, "officer", "test-data")
    before = size_of(house)
    status, _, text = officer.ask(f"/audit?person={GONE}")
    assert status == 200
    assert "Nobody is known under this id" in text
    assert "chart/summary" in text
    seen = [e for e in events_since(house, before) if e.actor == "officer"]
    assert [(e.things, e.denied) for e in seen] == [(("site/audit",), "")]
    auditor_only = sign_in("one").ask(f"/audit?person={GONE}")
    assert auditor_only[0] == 404


def test_the_approver_sees_whom_a_destruction_is_about(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    admin, officer = sign_in("admin"), sign_in("officer")
    form = {
        "person": number_of(house, ids["anna"]),
        "reason": "test-data",
        "csrf": admin.csrf("/me"),
    }
    assert admin.ask("/shreddings", "POST", form)[0] == 303
    before = size_of(house)
    text = officer.ask("/shreddings")[2]
    assert "Anna" in text
    assert "born" in text
    (event,) = [e for e in events_since(house, before) if e.actor == "officer"]
    assert event.patients
    assert "Anna" not in json.dumps([e.things for e in events_since(house, before)])
    form["person"] = "no-such-number"
    status, _, text = admin.ask("/shreddings", "POST", form)
    assert (status, "Nobody is found under that" in text) == (404, True)


def test_pages_that_refresh_themselves_are_events_and_no_openings(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    clinician, officer = sign_in("one"), sign_in("officer")
    before = size_of(house)
    assert clinician.ask(f"/chart/{ids['anna']}")[0] == 200
    for _ in range(3):
        assert clinician.ask(f"/chart/{ids['anna']}", Chartloom_Refresh="1")[0] == 200
    seen = [e for e in events_since(house, before) if e.actor == "one" and e.patients]
    assert [e.refresh for e in seen] == [False, True, True, True]
    text = officer.ask(f"/audit?person={ids['anna']}&actor=one")[2]
    assert "and 3 refreshes" in text
    listed = officer.ask(f"/audit?person={ids['anna']}&actor=one&work=1")[2]
    assert listed.count("chart/summary") == text.count("chart/summary") + 3
