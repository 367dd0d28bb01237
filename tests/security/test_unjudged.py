"""What is in quarantine and nobody judged opens to who mends it, with a reason, for a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from tests.support.console_client import Client
from tests.support.postgres import StoreFactory
from tests.support.site import HOUR_US, ShiftedClock, Site, serving
from tests.support.two_groups import House, build, messages

from chartloom.domain.errors import NotFound
from chartloom.domain.store import MessageFilter, MessageRow
from chartloom.guard.audit import Kind, Seen, read_events
from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.serve import needs, unjudged

WHY = "PID is cut off, ticket 88"


@pytest.fixture(scope="module")
def house(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("unjudged"))
    clock = ShiftedClock()
    found = build(Site(factory(clock=clock), clock), 8)
    site = found.site
    more = StaffMember("engineer-2", "E2", (Role.INTEGRATION_ENGINEER,))
    site.staff = Staff((*site.staff.staff, more))
    for p in found.patients:  # a celebrity too: by a feed that is not configured any more
        feed, text = messages(p)[1]
        arrival = site._arrival(site.mappings[feed][0], text.replace("ctl", "gone").encode())
        site.store.land([msgspec.structs.replace(arrival, feed="gone")])
    site.apply()
    yield found
    factory.close()


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    with serving(house.site.app()) as address:
        yield address


def signed_in(house: House, url: str, who: str) -> Client:
    client = Client(url)
    client.cookie = house.site.sign_in(who)
    return client


def held(house: House) -> list[MessageRow]:
    rows = house.site.store.search(house.site.grant(), MessageFilter(limit=500))
    return [r for r in rows if r.quarantine]


def unreadable(house: House) -> int:
    return next(r.position for r in held(house) if not r.source_patient)


def of_kind(house: House, kind: str) -> int:
    return next(
        r.position
        for r in held(house)
        if r.source_patient and house.source_patients[r.source_patient].kind == kind
    )


def ask_open(client: Client, position: int, text: str = WHY) -> tuple[int, str]:
    form = {"csrf": client.csrf("/me"), "open": position, "text": text}
    status, headers, _ = client.ask("/quarantine/open", "POST", form)
    return status, headers.get("location", "")


def events(house: House, kind: Kind) -> list[Seen]:
    return [e for e in read_events(house.site.audit.events) if e.kind == kind and not e.denied]


def test_an_engineer_opens_one_with_a_reason_and_it_is_reviewed(house: House, url: str) -> None:
    site, position = house.site, unreadable(house)
    page = f"/messages/{position}"
    engineer, other = signed_in(house, url, "engineer"), signed_in(house, url, "engineer-2")
    listed = engineer.ask("/quarantine")[2]
    assert f"#{position}" in listed
    assert f'href="{page}"' not in listed  # it would not open
    assert f'name="open" value="{position}"' in listed
    assert engineer.ask(page)[0] == 404

    before = len(events(house, Kind.GLASS_BROKEN))
    assert ask_open(engineer, position, "short") == (303, "/quarantine?trouble=reason")
    assert engineer.ask(page)[0] == 404
    assert len(events(house, Kind.GLASS_BROKEN)) == before

    assert ask_open(engineer, position) == (303, page)
    status, _, text = engineer.ask(page)
    assert status == 200
    assert "PIX" in text
    assert engineer.ask(f"{page}/raw")[0] == 200
    assert f'href="{page}"' in engineer.ask("/quarantine")[2]
    (broken,) = events(house, Kind.GLASS_BROKEN)[before:]
    assert broken.patients == ()
    assert WHY not in str(site.audit.events[-1])
    # Nobody else, and nothing else.
    assert other.ask(page)[0] == 404
    assert f'href="{page}"' not in other.ask("/quarantine")[2]
    assert engineer.ask(f"/messages/{of_kind(house, 'plain')}")[0] == 404

    # Hours later it is closed, by itself.
    site.clock.shift_us += 9 * HOUR_US
    try:
        engineer = signed_in(house, url, "engineer")
        assert engineer.ask(page)[0] == 404
        assert ask_open(engineer, position) == (303, page)
        assert engineer.ask(page)[0] == 200
        officer = signed_in(house, url, "officer")
        review = officer.ask("/review")[2]
        assert WHY in review
        assert f"message #{position}" in review
        glass = site.glass.list(site.guard.mint("t", "HOPERAT", ("site:glass",)))[0]
        form = {"csrf": officer.csrf("/review"), "outcome": "unjustified"}
        assert officer.ask(f"/review/{glass.id}", "POST", form)[0] == 303
        assert engineer.ask(page)[0] == 404
    finally:
        site.clock.shift_us -= 9 * HOUR_US


@pytest.mark.parametrize("who", ["doctor-a", "auditor", "officer", "administrator", "steward"])
def test_nobody_else_opens_any(house: House, url: str, who: str) -> None:
    client, before = signed_in(house, url, who), len(house.site.audit.events)
    assert ask_open(client, unreadable(house))[0] in (403, 404)
    assert client.ask(f"/messages/{unreadable(house)}")[0] in (403, 404)
    new = read_events(house.site.audit.events[before:])
    assert Kind.GLASS_BROKEN not in [e.kind for e in new]


def test_what_is_not_in_quarantine_or_closed_for_another_cause_does_not_open(
    house: House, url: str
) -> None:
    engineer = signed_in(house, url, "engineer")
    applied = next(
        r.position
        for r in house.site.store.search(house.site.grant(), MessageFilter(limit=500))
        if not r.quarantine
    )
    for position in (applied, of_kind(house, "vip"), of_kind(house, "withheld"), 10**9, 0):
        before = len(events(house, Kind.GLASS_BROKEN))
        assert ask_open(engineer, position)[0] == 404, position
        assert len(events(house, Kind.GLASS_BROKEN)) == before
        assert engineer.ask(f"/messages/{position}")[0] in (200, 404)
    assert ask_open(engineer, of_kind(house, "plain"))[0] == 303


def test_what_was_applied_meanwhile_is_not_read_by_way_of_the_quarantine(house: House) -> None:
    row = held(house)[0]
    need, seen = needs.quarantined(row.position, "message"), []

    def read(_: Any) -> MessageRow:
        seen.append(1)
        return msgspec.structs.replace(row, quarantine="")

    with pytest.raises(NotFound):
        unjudged.only_waiting(need, read, lambda r: r)(house.site.grant())
    assert seen
    assert unjudged.only_waiting(needs.message(1), read, lambda r: r)(house.site.grant())
    assert not unjudged.is_closed(msgspec.structs.replace(row, quarantine="identity-overlay"))
