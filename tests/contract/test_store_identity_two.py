"""Where it takes two people is a function of what was said: in any order, and after a rebuild."""

from __future__ import annotations

import random
from collections.abc import Mapping

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import Told, apply_all, person, persons, queue, tell

from chartloom.domain.identity import IdentityReview
from chartloom.domain.resource import LinkKind
from chartloom.engines.postgres import PostgresStore

IDS = ["a", "b", "c"]
#: Two of one number are guarded; with another number they are not.
PEOPLE = [
    person("Ann", "Archer", "1961-03-04", ssn="123-45-6780"),
    person("Tom", "Archer", "1961-03-04", ssn="123-45-6780"),
    person("Tom", "Archer", "1961-03-04", ssn="222-45-6799"),
    person("Tom", "Archer", "1961-03-04"),
]
KINDS = [LinkKind.LINK, LinkKind.UNLINK, LinkKind.MERGE, LinkKind.WITHDRAW]

FACTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(IDS), st.sampled_from(range(len(PEOPLE)))),
        st.tuples(
            st.sampled_from(KINDS),
            st.sampled_from([("a", "b"), ("b", "c"), ("a", "c")]),
            st.sampled_from(["", "ada", "ben"]),
            st.booleans(),
        ),
    ),
    min_size=3,
    max_size=10,
)

#: One spoke while the guard held; then it was taken away; in another order it never held.
TAKEN_AWAY = [("a", 0), ("b", 1), (LinkKind.LINK, ("a", "b"), "ada", True), ("b", 2)]


def messages(facts: list[tuple[object, ...]]) -> list[Told]:
    found = []
    for event_us, fact in enumerate(facts, 1):
        if len(fact) == 2:
            found.append(Told(str(fact[0]), PEOPLE[int(str(fact[1]))], event_us))
        else:
            kind, (one, other), by, two = fact  # type: ignore[misc]
            links = ((kind, one, other, by),)
            found.append(Told(one, {}, event_us, links, two=two and bool(by)))  # type: ignore[has-type]
    return [*(Told(id, PEOPLE[3], 0) for id in IDS), *found]


def settled(store: PostgresStore) -> tuple[Mapping[str, str], list[IdentityReview]]:
    """Persons and queue, without when things came."""
    return persons(store, IDS), [
        IdentityReview(r.pair, r.weight, r.reason, 0, r.state, r.two) for r in queue(store)
    ]


@given(facts=FACTS, seed=st.integers(0, 1000))
@example(facts=TAKEN_AWAY, seed=3)
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_where_two_are_needed_does_not_depend_on_the_order(
    store_factory: StoreFactory, facts: list[tuple[object, ...]], seed: int
) -> None:
    told, draw = messages(facts), random.Random(seed)
    one, two = store_factory(), store_factory()
    for message in told:
        tell(one, message)
    shuffled = draw.sample(told, len(told))
    tell(two, *shuffled, batch_max=draw.randint(1, 4))
    assert settled(one) == settled(two)
    two.rebuild(everyone(two))
    apply_all(two)
    assert settled(one) == settled(two)
    store_factory.drop(one)
    store_factory.drop(two)


def test_who_spoke_while_two_were_needed_waits_for_a_second_after_a_rebuild(
    store_factory: StoreFactory,
) -> None:
    """The guard is not there any more, and a rebuild never comes by it."""
    store = store_factory()
    tell(store, *messages([*TAKEN_AWAY]))
    for _ in range(2):
        (review,) = [r for r in queue(store) if r.pair == ("a", "b")]
        assert (str(review.state), review.two) == ("half", True)
        assert len(set(persons(store, ["a", "b"]).values())) == 2
        store.rebuild(everyone(store))
        apply_all(store, batch_max=1)
