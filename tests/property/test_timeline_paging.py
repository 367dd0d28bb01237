"""Paging through a timeline returns everything exactly once, whatever shares its time."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient

from chartloom.domain.chart import PlacedState, Section
from chartloom.domain.resource import ResourceState, Stamp
from chartloom.engines.postgres import PostgresStore

SECTIONS = (Section.RESULTS, Section.ORDERS)
_NUMBER = itertools.count(1)

moments = st.sampled_from([-5, 0, 1, 1, 2, 7_000_000])
rows = st.lists(
    st.tuples(moments, st.sampled_from(SECTIONS), st.integers(0, 1), st.sampled_from(["", "k"])),
    max_size=30,
)


def fill(store: PostgresStore, drawn: list[tuple[int, Section, int, str]]) -> list[str]:
    """Commits the rows for two new patients; who they are."""
    n = next(_NUMBER)
    who = [f"p{n}a", f"p{n}b"]
    store.land([arrival(2 * n + i, p) for i, p in enumerate(who)])
    messages = store.pending(everyone(store), store.claim("w", 64), 10)
    states = []
    for i, (sort_us, section, owner, series) in enumerate(drawn):
        # Ids in an order of their own, so that nothing depends on the order of insertion.
        resource = {"resourceType": "Observation", "id": f"o{n}-{(i * 17) % 31:02}"}
        state = ResourceState(resource, who[owner], {"id": Stamp(1, 1, messages[0].position)})
        states.append(PlacedState(state, section, 0, sort_us, series))
    batch = batch_of(messages, [derived(m, patient(m.source_patient)) for m in messages])
    apply(store, msgspec.structs.replace(batch, states=tuple(states), views=()))
    return who


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    drawn=rows,
    limit=st.integers(1, 7),
    sections=st.sampled_from([(), SECTIONS[:1], SECTIONS]),
    series=st.sampled_from(["", "k"]),
)
def test_pages_return_everything_exactly_once(
    store: PostgresStore,
    drawn: list[tuple[int, Section, int, str]],
    limit: int,
    sections: tuple[Section, ...],
    series: str,
) -> None:
    who = fill(store, drawn)
    grant = everyone(store)
    whole = store.timeline(grant, who, sections, limit=1000, series=series)
    keys = [(p.sort_us, p.state.id) for p in whole]
    assert keys == sorted(keys, reverse=True)
    fits = [r for r in drawn if r[1] in (sections or SECTIONS) and (not series or r[3] == series)]
    assert sorted(k[0] for k in keys) == sorted(r[0] for r in fits)

    paged: list[tuple[int, str]] = []
    before_us, before_id = 0, ""
    while page := store.timeline(
        grant, who, sections, before_us, limit, series, before_id=before_id
    ):
        paged += [(p.sort_us, p.state.id) for p in page]
        before_us, before_id = paged[-1]
        assert len(paged) <= len(drawn)
    assert paged == keys
