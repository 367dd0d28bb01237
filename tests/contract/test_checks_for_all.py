"""What is about the whole store asks for a grant for everyone; what is remembered, for a grant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.batches import apply, arrival, batch_of, everyone, until_over

from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.store import ReplayScope
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.facts import PostgresFacts

#: Somebody who could be anybody: nothing to look for.
NOBODY: dict[str, Any] = {"resourceType": "Patient"}


@pytest.mark.parametrize("persons", [("p1",), ("p1", "p2"), ("site:identity",)], ids=str)
def test_only_a_grant_for_everyone_does_what_concerns_everyone(
    store: PostgresStore, persons: tuple[str, ...]
) -> None:
    store.land([arrival(1, "p1")])
    apply(store, batch_of(store.pending(everyone(store), store.claim("w", 64), 10)))
    calls: list[Callable[[Grant], Any]] = [
        lambda grant: store.retry(grant, ReplayScope()),
        store.rebuild,
        store.source_patients,
        store.digest,
        lambda grant: store.match(grant, NOBODY),
        lambda grant: store.erase(grant, []),
    ]
    before = store.digest(everyone(store))
    some = store.guard.mint("t", Purpose.OPERATIONS, persons)
    for call in calls:
        with pytest.raises(GrantRefused):
            call(some)
    assert store.digest(everyone(store)) == before
    for call in calls:
        call(everyone(store))


def test_nothing_is_erased_of_who_has_a_key(store: PostgresStore) -> None:
    store.land([arrival(1, "p1")])
    apply(store, batch_of(store.pending(everyone(store), store.claim("w", 64), 10)))
    before = store.digest(everyone(store))
    with pytest.raises(GrantRefused):
        store.erase(everyone(store), ["p1"])
    assert store.digest(everyone(store)) == before


def test_what_is_remembered_of_the_directory_is_told_under_a_grant(store: PostgresStore) -> None:
    facts = PostgresFacts(store)
    grant = store.guard.mint("t", Purpose.OPERATIONS, ("site:facts",), ttl_s=0.2)
    facts.directory(grant)
    until_over(store.guard, grant)
    with pytest.raises(GrantRefused):
        facts.directory(grant)
