"""Counts of the review queue are counts of what may be named: no hidden pair makes them larger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import pytest
from tests.support.console_client import Client
from tests.support.identity_house import House, make
from tests.support.postgres import StoreFactory
from tests.support.site import serving

from chartloom.domain.identity import Pair
from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.serve.identity import queue

#: A steward who is a patient too.
TINA = StaffMember("tina", "Tina T", (Role.DATA_STEWARD,), patient=("SGH|T1",))


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[House]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("counts"))
    made = make(factory)
    made.site.staff = Staff((*made.site.staff.staff, TINA))
    yield made
    factory.close()


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    with serving(house.site.app()) as address:
        yield address


@pytest.fixture(scope="module")
def own(house: House) -> set[Pair]:
    """The pairs that ``tina`` may not name."""
    return {house.pair("twin-a", "twin-b")}


def tiles(text: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", text))


def test_who_may_not_name_a_pair_does_not_count_it(house: House, url: str, own: set[Pair]) -> None:
    reviews = {r.pair: r for r in house.site.store.reviews(house.site.grant())}
    for subject, named in (("mina", set(reviews)), ("tina", set(reviews) - own)):
        client = Client(url)
        client.cookie = house.site.sign_in(subject)
        page = client.ask("/identity")[2]
        assert len(re.findall('class="row-link"', page)) == len(named)
        assert tiles(page)["Nobody looked yet"] == str(len(named))
        counts = re.findall(r'<option value="[a-z-]+"[^>]*>[^<]*\((\d+)\)', page)
        assert sum(map(int, counts)) == len(named)
        assert len(counts) == len({reviews[p].reason for p in named})
        figures = client.ask("/identity/figures")[2]
        assert tiles(figures)["Waiting"] == str(len(named))
        by_reason = re.findall(r'<a href="/identity\?reason=[^<]*</a><span>(\d+)</span>', figures)
        assert sum(map(int, by_reason)) == len(named)


def test_what_was_decided_of_hidden_pairs_is_not_counted(house: House, own: set[Pair]) -> None:
    grant, store = house.site.grant(), house.site.store

    def may(pairs: Sequence[Pair]) -> set[Pair]:
        return set(pairs) - own

    assert own <= {r.pair for r in queue.all_reviews(grant, store, set)}
    assert own.isdisjoint(r.pair for r in queue.all_reviews(grant, store, may))
    left = queue.waiting(grant, store, own.intersection)
    assert (left.open_count, left.half_count, left.disputed_count) == (len(own), 0, 0)
    assert (left.cut, left.oldest_us > 0) == (False, True)
    few = queue.waiting(grant, store, set, most=2)
    assert (few.open_count, few.cut, sum(few.by_reason.values())) == (2, True, 2)
