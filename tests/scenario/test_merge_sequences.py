"""Merges and unmerges that end where they began leave charts, persons and reviews as they were."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.clock import FakeClock
from tests.support.merging import FEED, Merging
from tests.support.site import Site

from chartloom.domain.errors import LaneLost
from chartloom.engines.postgres import PostgresStore

_IN_2027_US = 1_800_000_000_000_000


def test_sequences_end_where_they_began(store_factory: Callable[..., PostgresStore]) -> None:
    store = store_factory(clock=FakeClock(_IN_2027_US))
    site = Site(store, store.clock, [FEED])
    merging = Merging(site, seed=7, count=30)
    before = merging.everything()
    assert any(reviews for _, reviews, _ in before.values())
    assert all(sections for _, _, sections in before.values())
    halfway, after = merging.round()
    assert len(merging.differing(before, halfway)) > 10
    assert merging.differing(before, after) == []

    store.rebuild(site.grant())
    try:
        site.apply()
    except LaneLost:
        site.apply()
    assert merging.differing(before, merging.everything()) == []
