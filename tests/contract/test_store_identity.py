"""Who is one person: decided as records arrive, and the same whatever order they came in."""

from __future__ import annotations

import random
from collections.abc import Sequence

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import (
    Told,
    apply_all,
    expected,
    land,
    person,
    persons,
    queue,
    seen,
    tell,
    wanted,
)

from chartloom.domain.resource import LinkKind
from chartloom.engines.postgres import PostgresStore
from chartloom.registry.persons import (
    default_parameters,
)

ANN = person("Ann", "Archer", "1961-03-04", "female", street="12 Elm St", phone="217-555-0101")
ANN_TWIN = person("Ivy", "Archer", "1961-03-04", "female", street="12 Elm St", phone="217-555-0101")
ANN_MOVED = person(
    "Ann", "Archer", "1961-03-04", "female", street="9 Oak Ave", phone="217-555-0101"
)
BOB = person("Bob", "Binder", "1950-07-08", "male", street="77 Hill Rd")
THIN = person("Ann", "Archer", "1961-03-14", "female")


def test_records_that_are_one_person_are_joined_as_they_arrive(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", BOB, 2))
    assert persons(store, ["a", "b"]) == {"a": "a", "b": "b"}
    tell(store, Told("c", ANN_MOVED, 3))
    assert persons(store, ["a", "b", "c"]) == {"a": "a", "b": "b", "c": "a"}
    decision = store.decision(everyone(store), ("a", "c"))
    assert decision is not None
    assert (decision.outcome, decision.rule, decision.guard) == ("link", "score", "")
    assert decision.fields["given"][0] == "exact"
    assert decision.parameters == default_parameters().fingerprint
    assert [(m.person_before, m.person_id, m.cause) for m in store.memberships(
        everyone(store), ["c"])] == [("", "c", "first"), ("c", "a", "score")]  # fmt: skip


def test_twins_stay_two_and_the_decision_says_why(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", ANN_TWIN, 2))
    assert persons(store, ["a", "b"]) == {"a": "a", "b": "b"}
    decision = store.decision(everyone(store), ("b", "a"))
    assert decision is not None
    assert (decision.outcome, decision.guard) == ("review", "twins")
    assert store.decision(everyone(store), ("a", "nobody")) is None


def test_an_update_that_makes_two_records_alike_joins_them_and_the_next_parts_them(
    store: PostgresStore,
) -> None:
    tell(store, Told("a", ANN, 1), Told("b", BOB, 2))
    tell(store, Told("b", ANN_MOVED, 3))
    assert persons(store, ["a", "b"]) == {"a": "a", "b": "a"}
    tell(store, Told("b", BOB, 4))
    assert persons(store, ["a", "b"]) == {"a": "a", "b": "b"}
    causes = [m.cause for m in store.memberships(everyone(store), ["b"])]
    assert causes == ["first", "score", "update"]


def test_what_nobody_can_tell_is_reviewed_until_it_is_said(store: PostgresStore) -> None:
    tell(store, Told("a", person("Ann", "Archer", "1961-03-04", ssn="123-45-6780"), 1))
    tell(store, Told("b", person("Tom", "Archer", "1961-03-04", ssn="123-45-6780"), 2))
    (review,) = queue(store)
    assert (review.pair, review.reason) == (("a", "b"), "twins-same-number")
    assert review.two
    figures = store.figures(everyone(store))
    assert (figures.open_count, figures.by_reason) == (1, {"twins-same-number": 1})
    with psycopg.connect(store.dsn) as conn:
        told_of = conn.execute("SELECT feed, code, count FROM issue_day").fetchall()
    assert told_of == [("reg", "identity-review", 1)]
    tell(store, Told("a", {}, 3, (("unlink", "a", "b", ""),)))
    assert queue(store) == []
    closed = store.review(everyone(store), ("a", "b"))
    assert closed is not None
    assert closed.state == "closed"
    tell(store, Told("a", {}, 4, (("withdraw", "a", "b", ""),)))
    assert [r.pair for r in queue(store)] == [("a", "b")]


def test_a_word_that_parts_two_holds_though_a_third_is_like_both(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", ANN, 2, (("unlink", "a", "b", ""),)))
    tell(store, Told("c", ANN, 3))
    found = persons(store, ["a", "b", "c"])
    assert found["a"] != found["b"]
    assert [r.reason for r in queue(store)] == ["said-apart"]


def test_who_follows_the_outbox_is_told_of_those_whom_a_message_about_others_moved(
    store: PostgresStore,
) -> None:
    tell(store, Told("m", ANN, 1), Told("x", BOB, 2))
    tell(store, Told("c", ANN_MOVED, 3))
    assert persons(store, ["c", "m", "x"]) == {"c": "c", "m": "c", "x": "x"}
    with psycopg.connect(store.dsn) as conn:
        told_of = conn.execute("SELECT source_patients FROM outbox ORDER BY seq").fetchall()
    assert told_of == [(["m", "x"],), (["c", "m"],)]


def test_a_query_finds_who_would_be_joined_and_writes_nothing(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", BOB, 2), Told("c", ANN_MOVED, 3))
    before = store.digest(everyone(store))
    described = {"resourceType": "Patient", **ANN_MOVED}
    (found,) = store.match(everyone(store), described)
    assert (found.person_id, found.outcome) == ("a", "link")
    assert found.source_patient in ("a", "c")
    assert store.match(everyone(store), {"resourceType": "Patient"}) == []
    assert store.digest(everyone(store)) == before


PEOPLE = [
    ANN,
    ANN_MOVED,
    ANN_TWIN,
    THIN,
    BOB,
    person("Robert", "Binder", "1950-07-08", "male", phone="217-555-0177"),
    person("Bob", "Binder", "1978-02-01", "male", street="77 Hill Rd", mr="B100"),
    person("Zoe", "Quist", "1999-12-30", "female", mr="B100"),
    person("Baby Girl", "Archer", "2024-05-06", "female", street="12 Elm St"),
    person(mr="B200"),
    person("Ann", "Archer", "1961-03-04", ssn="123-45-6780", mr="B200"),
    person("Tom", "Archer", "1961-03-04", ssn="123-45-6780"),
]
IDS = ["p0", "p1", "p2", "p3", "p4"]

SAYING = st.one_of(
    st.tuples(st.sampled_from(IDS), st.sampled_from(range(len(PEOPLE)))),
    st.tuples(st.sampled_from(IDS), st.sampled_from(range(len(PEOPLE)))),
    st.tuples(st.sampled_from(list(LinkKind)), st.lists(
        st.sampled_from(IDS), min_size=2, max_size=2, unique=True)),
)  # fmt: skip


def messages(facts: Sequence[tuple[object, object]]) -> list[Told]:
    """Facts with their event times; an element that a later one lacks stays as it was."""
    found = []
    for event_us, (kind, what) in enumerate(facts, 1):
        if isinstance(kind, LinkKind):
            a, b = what  # type: ignore[misc]
            found.append(Told(a, {}, event_us, ((kind, a, b, ""),)))
        else:
            found.append(Told(str(kind), PEOPLE[int(str(what))], event_us))
    return found


@given(facts=st.lists(SAYING, min_size=2, max_size=14), seed=st.integers(0, 1000))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_order_and_any_batches_end_where_the_matcher_in_memory_does(
    store_factory: StoreFactory, facts: list[tuple[object, object]], seed: int
) -> None:
    told = messages(facts)
    clusters = expected(told)
    draw = random.Random(seed)
    one, two = store_factory(), store_factory()
    tell(one, *told)
    shuffled = list(told)
    draw.shuffle(shuffled)
    while shuffled:
        size = draw.randint(1, 4)
        tell(two, *shuffled[:size], batch_max=draw.randint(1, 4))
        shuffled = shuffled[size:]
    assert seen(one, clusters) == seen(two, clusters) == wanted(clusters)
    store_factory.drop(one)
    store_factory.drop(two)


@pytest.mark.parametrize("seed", [1, 2])
def test_two_workers_and_a_rebuild_end_alike(store_factory: StoreFactory, seed: int) -> None:
    draw = random.Random(seed)
    told = [
        Told(f"q{draw.randrange(40)}", draw.choice(PEOPLE), event_us)
        for event_us in range(1, 160)
    ]  # fmt: skip
    clusters = expected(told)
    store = store_factory()
    land(store, draw.sample(told, len(told)))
    apply_all(store, store_factory.second(store), batch_max=7)
    assert seen(store, clusters) == wanted(clusters)
    digest = store.digest(everyone(store))
    store.rebuild(everyone(store))
    apply_all(store, store_factory.second(store), batch_max=50)
    assert seen(store, clusters) == wanted(clusters)
    assert store.digest(everyone(store)) == digest
