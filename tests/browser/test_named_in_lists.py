"""Lists of messages name nobody whose messages would not open: no row, no count, no retry."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from tests.support.console_client import Client
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter
from chartloom.guard.staff import Role, Staff, StaffMember

ADT = (
    "MSH|^~\\&|A|B|||20260301||{kind}|{n}|P|2.5\r"
    "PID|1||{number}^^^H^MR||{who}\r"
    "PD1||||D1^Smith^Jo^^^^^^H\r"
    "PV1|1|I|3W^1^A^H|||||||||||||{vip}|||V{n}^^^H\r"
)


def adt(n: int, number: str, vip: str = "", kind: str = "ADT^A01") -> bytes:
    who = {"P1": "Doe^Jo||19700101|F", "P2": "Quist^Bernard||19430818|M"}[number]
    return ADT.format(n=n, number=number, who=who, vip=vip, kind=kind).encode()


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[Site]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("named"))
    clock = ShiftedClock()
    made = Site(factory(clock=clock), clock)
    made.staff = Staff(
        (
            StaffMember("engineer", "E", (Role.INTEGRATION_ENGINEER,)),
            StaffMember("doctor", "D", (Role.CLINICIAN,), practitioner=("H|D1",)),
        )
    )
    made.land("adt", adt(1, "P1"), adt(2, "P2", "VIP"), adt(3, "P1"), adt(4, "P2", "VIP"))
    made.apply()
    made.land("adt", adt(5, "P1", kind="ZZZ^Z99"), adt(6, "P2", kind="ZZZ^Z99"))
    made.land("adt", adt(7, "P2", kind="ZZZ^Z99"), b"\x00 nothing that can be read")
    made.apply()
    yield made
    factory.close()


@pytest.fixture(scope="module")
def url(house: Site) -> Iterator[str]:
    with serving(house.app()) as address:
        yield address


def client(house: Site, url: str, subject: str) -> Client:
    made = Client(url)
    made.cookie = house.sign_in(subject)
    return made


def rows(text: str) -> list[int]:
    """What a list names, whether or not it opens without a reason."""
    named = re.findall(r'href="/messages/(\d+)"|>#(\d+)</th>', text)
    return sorted(int(linked or plain) for linked, plain in named)


def quarantined(house: Site) -> list[int]:
    where = MessageFilter(state=MessageState.QUARANTINED)
    return sorted(r.position for r in house.store.search(house.grant(), where))


def test_an_engineer_meets_no_row_that_would_not_open(house: Site, url: str) -> None:
    engineer = client(house, url, "engineer")
    assert rows(engineer.ask("/messages")[2]) == [1, 3]  # 5 is not judged
    for position in range(1, 8):
        status = engineer.ask(f"/messages/{position}")[0]
        assert status == (200 if position in (1, 3) else 404), position
    listed = json.loads(engineer.ask("/api/messages")[2])
    assert sorted(m["position"] for m in listed["messages"]) == [1, 3]
    # Nor by what the row says.
    for query in ("type=ADT", "type=ZZZ", "feed=adt", "state=quarantined", "before=5"):
        found = rows(engineer.ask(f"/messages?{query}")[2])
        assert set(found) <= {1, 3}, query
    for control in ("2", "6"):
        _, headers, _ = engineer.ask(
            "/messages", "POST", {"csrf": engineer.csrf("/messages"), "control": control}
        )
        page = engineer.ask(headers["location"])[2]
        assert rows(page) == []
        assert "No message fits" in page


def test_whoever_cares_for_them_sees_the_rows(house: Site, url: str) -> None:
    doctor = client(house, url, "doctor")
    grant = house.grant()
    for number, expected in (("P1", [1, 3]), ("P2", [2, 4])):
        person = house.store.find_persons(grant, "identifier", number)[0].person_id
        assert set(rows(doctor.ask(f"/messages?person={person}")[2])) >= set(expected), number


def test_the_quarantine_counts_and_retries_what_it_names(house: Site, url: str) -> None:
    engineer = client(house, url, "engineer")
    held = quarantined(house)
    assert held == [5, 6, 7, 8]
    page = engineer.ask("/quarantine")[2]
    assert rows(page) == [5, 8]
    counts = re.findall(r"Retry all (\d+)", page)
    assert counts == ["1", "1"]
    csrf = engineer.csrf("/quarantine")
    for form in ({"scope": "6"}, {"scope": "selected", "position": ["6", "7"]}):
        answer = engineer.ask("/quarantine/retry", "POST", {"csrf": csrf, **form})
        assert answer[1]["location"] == "/quarantine?retried=0"
    assert quarantined(house) == held
    retry = {"csrf": csrf, "scope": "reason", "reason": "unsupported-message-type"}
    answer = engineer.ask("/quarantine/retry", "POST", retry)
    assert answer[1]["location"] == "/quarantine?retried=1"
    assert quarantined(house) == [6, 7, 8]
    house.apply()
    assert quarantined(house) == held


def test_a_page_is_filled_past_rows_that_are_not_named(house: Site, url: str) -> None:
    house.land("adt", *(adt(100 + n, "P1") for n in range(60)))
    house.land("adt", *(adt(200 + n, "P2", "VIP") for n in range(60)))
    house.apply()
    engineer = client(house, url, "engineer")
    seen: list[int] = []
    path = "/messages?type=ADT"
    sizes = []
    while path:
        page = engineer.ask(path)[2]
        seen += rows(page)
        sizes.append(len(rows(page)))
        older = re.search(r'href="(/messages\?[^"]+)" rel="next"', page)
        path = older[1].replace("&amp;", "&") if older else ""
    assert sizes == [50, 12]
    assert sorted(seen) == [1, 3, *range(9, 69)]
