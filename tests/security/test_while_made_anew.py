"""A rebuild that stopped half way: no door shows what a Consent or a label withheld before.

In the log the Consents come last, celebrities are told to be such after all that is known of them,
and stays that made somebody a doctor's patient end later than they begin.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.support.crossing import Attempt, Crossing
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site
from tests.support.two_groups import House, build, messages, patients

from chartloom.domain.errors import LaneLost
from chartloom.domain.grant import Purpose
from chartloom.guard.authority import Asking, Need
from chartloom.guard.permit import AccessDenied
from chartloom.guard.policy import Action
from chartloom.guard.staff import principal_of
from chartloom.hot import Worker

#: A doctor, a nurse, and who works with all that comes in.
ASKING = ("doctor-a", "nurse-a", "engineer")
OF_A_ROUTE = 2
COUNT = 8


@pytest.fixture(scope="module")
def house(postgres_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("anew"))
    clock = ShiftedClock()
    site = Site(factory(clock=clock), clock)
    for p in patients(COUNT):
        if p.kind == "vip":
            for feed, text in messages(replace(p, kind="plain")):
                site.land(feed, text.replace("ctl", "was").encode())
    yield build(site, COUNT)
    factory.close()


def apply_some(site: Site, most: int) -> int:
    """A worker that is killed after some messages."""
    worker = Worker(
        site.store, site.mappings, site.namespace, site.clock, site.grant, "killed", 64, 5
    )
    done = 0
    while done < most:
        with suppress(LaneLost):
            if (n := worker.run_once()) == 0:
                break
            done += n
    site.store.release("killed")
    return done


def some_of(crossing: Crossing) -> list[Attempt]:
    """A few of every route by each, of those that aim at somebody first of all."""
    found: list[Attempt] = []
    count: dict[tuple[str, str, str], int] = {}
    attempts = [a for who in ASKING for a in crossing.requests(who)]
    crossing.random.shuffle(attempts)
    for a in sorted(attempts, key=lambda a: a.expected != "forbidden"):
        key = (a.subject, a.method, a.route)
        if a.route not in ("/quarantine/retry",) and count.get(key, 0) < OF_A_ROUTE:
            count[key] = count.get(key, 0) + 1
            found.append(a)
    return found


def opens(house: House, subject: str, id: str) -> bool:
    need = Need(((Action.VIEW_CHART, Purpose.TREATMENT),), id)
    who = principal_of(house.site.staff, subject, {})
    with suppress(AccessDenied):
        house.site.doors().authority.permit(who, need, Asking())
        return True
    return False


def charts(house: House) -> dict[tuple[str, str], bool]:
    return {
        (who, id): opens(house, who, id)
        for who in ("doctor-a", "nurse-a", "patient-a")
        for id in house.of("A")
    }


def test_half_way_no_door_shows_what_was_withheld(house: House) -> None:
    site = house.site
    before = charts(house)
    assert True in before.values()
    assert False in before.values()
    crossing = Crossing(house, site.app())
    total = site.store.rebuild(site.grant())
    for stop in (total // 3, total // 3):
        assert apply_some(site, stop) >= stop
        assert site.store.made_anew(site.grant())
        now = charts(house)
        assert not [k for k, open_ in now.items() if open_ and not before[k]]
        asyncio.run(crossing.try_all(some_of(crossing)))
        busy = re.compile(r"POST .*answers 503|/fhir/.*answers 503")  # and nothing beside it
        assert [leak for leak in crossing.outcome.leaks if not busy.search(leak)] == []
    assert crossing.outcome.by_status[200] > 50
    apply_some(site, total)
    assert not site.store.made_anew(site.grant())
    assert charts(house) == before
