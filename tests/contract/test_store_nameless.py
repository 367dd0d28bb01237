"""A record without a given name in the store: joined, parted when a twin comes, as in memory."""

from __future__ import annotations

from itertools import permutations

import pytest
from tests.support.postgres import StoreFactory
from tests.support.told_patients import Told, expected, person, persons, queue, seen, tell, wanted

from chartloom.engines.postgres import PostgresStore

HOME = {"street": "12 Elm St", "phone": "217-555-0101"}
TOLD = {
    "ann": Told("ann", person("Ann", "Archer", "1961-03-04", "female", **HOME), 1),
    "ivy": Told("ivy", person("Ivy", "Archer", "1961-03-04", "female", **HOME), 2),
    "who": Told("who", person("", "Archer", "1961-03-04", "female", **HOME), 3),
}


def test_a_twin_who_comes_later_parts_what_nobody_can_tell(store: PostgresStore) -> None:
    tell(store, TOLD["ann"], TOLD["who"])
    assert persons(store, ["ann", "who"]) == {"ann": "ann", "who": "ann"}
    tell(store, TOLD["ivy"])
    assert persons(store, list(TOLD)) == {"ann": "ann", "ivy": "ivy", "who": "who"}
    asked = [(r.pair, r.reason) for r in queue(store)]
    assert (("ann", "who"), "no-given-name") in asked
    assert (("ivy", "who"), "no-given-name") in asked
    assert seen(store, clusters := expected(list(TOLD.values()))) == wanted(clusters)
    tell(store, Told("who", {}, 4, (("link", "ivy", "who", "person"),)))
    assert persons(store, list(TOLD)) == {"ann": "ann", "ivy": "ivy", "who": "ivy"}


@pytest.mark.parametrize("batch_max", [1, 500])
def test_whatever_order_they_come_in(store_factory: StoreFactory, batch_max: int) -> None:
    clusters = expected(list(TOLD.values()))
    for order in permutations(TOLD):
        store = store_factory()
        tell(store, *(TOLD[name] for name in order), batch_max=batch_max)
        assert seen(store, clusters) == wanted(clusters), order
