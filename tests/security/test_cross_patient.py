"""Nobody gets across to another group's patients: every route, every function, every role."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.crossing import Attempt, Crossing
from tests.support.crossing_ports import PortCrossing
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site
from tests.support.two_groups import PEOPLE, House, build

from chartloom.guard.authority import Authority
from chartloom.guard.policy import Policies, builtin_texts

CONSOLE_ATTEMPTS = 2_500
PORT_ATTEMPTS = 3_000
EVERYTHING = """
@id("everything-by-mistake")
permit (principal is User, action in [Action::"view_chart", Action::"view_evidence",
  Action::"see_label", Action::"view_message"], resource is Person);
"""


@pytest.fixture(scope="module")
def house(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("groups"))
    clock = ShiftedClock()
    yield build(Site(factory(clock=clock), clock))
    factory.close()


@pytest.fixture(scope="module")
def crossing(house: House) -> Crossing:
    return Crossing(house, house.site.app())


def chosen(crossing: Crossing, count: int) -> list[Attempt]:
    """Some of every person and every route, the same at every run."""
    everything = [a for who in PEOPLE for a in crossing.requests(who)]
    crossing.random.shuffle(everything)
    some, of_route = [], set()
    for attempt in everything:
        key = (attempt.subject, attempt.route, attempt.method, attempt.expected)
        if key not in of_route or len(some) < count - 1000:
            of_route.add(key)
            some.append(attempt)
    return some


def test_no_answer_of_the_console_tells_of_another_patient(crossing: Crossing) -> None:
    asyncio.run(crossing.try_all(chosen(crossing, CONSOLE_ATTEMPTS)))
    outcome = crossing.outcome
    assert outcome.leaks == []
    assert outcome.different() == []
    assert outcome.by_status[200] > 50  # there is something to see for those who may
    assert set(outcome.by_person) == set(PEOPLE)


def test_a_message_about_several_opens_to_who_sees_all_of_them(crossing: Crossing) -> None:
    """And of each value in it, exactly the bytes about that patient."""
    house = crossing.house
    for position, some in house.shared.items():
        for subject in PEOPLE:
            attempt = Attempt(subject, "/messages/{position}", f"/messages/{position}")
            status, _, body = asyncio.run(crossing.send(attempt))
            work = subject == "engineer" and not any(p.kind == "vip" for p in some)
            opens = work or all(house.sees(subject, p) for p in some)
            assert (status == 200) is opens, (subject, [p.number for p in some])
            for p in some:
                assert (f"{p.normal} in common".encode() in body) is opens, (subject, p)
    shown = 0
    for id, (p, _) in house.resources.items():
        if not _is_common(house, id):
            continue
        for subject in ("doctor-a", "doctor-b", "nurse-a"):
            attempt = Attempt(subject, "/evidence", f"/evidence/{id}/valueString")
            status, _, body = asyncio.run(crossing.send(attempt))
            assert (status == 200) is house.sees(subject, p), (subject, p)
            assert house.leaks(subject, body) == set()
            assert body.count(b"<mark>") == (status == 200)
            shown += status == 200
    assert shown > 3


def _is_common(house: House, id: str) -> bool:
    state = house.site.store.state(house.site.grant(), id)
    return str(state.resource.get("valueString", "")).endswith("in common")


def test_every_route_is_tried(crossing: Crossing) -> None:
    tried = {(a.route, a.method) for a in crossing.requests("doctor-a")}
    from tests.support.crossing import LEFT_OUT

    for path, method in crossing.routes():
        assert (path, method) in tried or path in LEFT_OUT or path.startswith("/static"), path


def test_own_patients_are_there(crossing: Crossing) -> None:
    house = crossing.house
    for subject in ("doctor-a", "doctor-b", "nurse-a"):
        for person, p in house.persons.items():
            attempt = Attempt(subject, "/chart/{person}", f"/chart/{person}")
            status, _, body = asyncio.run(crossing.send(attempt))
            assert (status == 200) is house.sees(subject, p), (subject, p)
            assert (p.normal.encode() in body) is house.sees(subject, p)


def test_a_policy_that_permits_too_much_is_noticed(house: House) -> None:
    site = house.site
    doors = site.doors()
    wide = Authority(
        Policies(builtin_texts() | {"wide.cedar": EVERYTHING}), site.facts, site.glass, site.uses,
        site.guard, site.recorder, site.clock,
    )  # fmt: skip
    crossing = Crossing(house, site.app(site.doors(authority=wide)))
    assert doors.authority is not wide
    some = [a for a in chosen(crossing, 0) if a.expected != "any"]
    asyncio.run(crossing.try_all(some))
    assert len(crossing.outcome.leaks) > 20
    assert crossing.outcome.different() != []


def test_no_function_of_the_store_reads_across(house: House) -> None:
    crossing = PortCrossing(house)
    crossing.try_many(PORT_ATTEMPTS)
    assert crossing.leaks == []
    names = {name for name, _ in crossing.functions()}
    assert {key.rpartition(" ")[0].split()[0] for key in crossing.tried} == names


def test_denied_questions_do_not_tell_on_the_own_page_whom_they_were_about(
    crossing: Crossing,
) -> None:
    house = crossing.house
    hidden = next(i for i, (p, _) in house.resources.items() if p.group == "B")
    patient = next(s for s, p in house.source_patients.items() if p == house.resources[hidden][0])
    ask = Attempt("nurse-a", "/resources/{resource}", f"/resources/{hidden}")
    own = Attempt("nurse-a", "/me", "/me")
    before = asyncio.run(crossing.send(own))[2].count(patient.encode())  # what a test let happen
    assert asyncio.run(crossing.send(ask))[0] == 404
    _, _, page = asyncio.run(crossing.send(own))
    assert b"Denied" in page
    assert page.count(patient.encode()) <= before


def test_who_may_not_be_opened_is_not_counted(crossing: Crossing) -> None:
    house = crossing.house
    for subject in ("doctor-a", "nurse-a"):
        _, _, page = asyncio.run(crossing.send(Attempt(subject, "/me", "/me")))
        open_ = {p.number for p in house.patients if house.sees(subject, p)}
        assert f"{len(open_)} patients".encode() in page


def test_that_a_celebrity_is_here_is_not_told_by_a_search_of_messages(crossing: Crossing) -> None:
    house = crossing.house
    for p in house.patients[:4]:
        form = (("patient", f"{p.normal}fam"),)
        post = Attempt("engineer", "/messages", "/messages", "POST", form)
        _, headers, _ = asyncio.run(crossing.send(post))
        handle = headers.partition(b"find=")[2].split()[0].decode()
        get = Attempt("engineer", "/messages", f"/messages?find={handle}")
        _, _, page = asyncio.run(crossing.send(get))
        there = any(s.encode() in page for s, q in house.source_patients.items() if q == p)
        assert there is (p.kind != "vip")
