"""People are asked once about two persons: words settle the other pairs of the two, whatever
order all of it comes in, and until one of the two changes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import Told, person, persons, queue, tell

from chartloom.domain.grant import Purpose
from chartloom.domain.identity import Pair
from chartloom.engines.postgres import PostgresStore
from chartloom.serve.identity.questions import marks_beside, settled_by
from chartloom.serve.identity.queue import Choice, listing, waiting

#: Two records of one woman, by their number, and one of a woman who may be she.
HERS = person("Ann", "Archer", "1961-03-04", "female", street="12 Elm St", mr="A1")
HERS_TOO = person("Ann", "Archer", "1961-03-04", "female", phone="217-555-0101", mr="A1")
TWIN = person("Ivy", "Archer", "1961-03-04", "female", street="12 Elm St", phone="217-555-0101")
ALL = (("a1", HERS), ("a2", HERS_TOO), ("b", TWIN))
PAIRS = [("a1", "b"), ("a2", "b")]


def come(*names: str) -> list[Told]:
    return [Told(id, says, i + 1) for i, (id, says) in enumerate(ALL) if id in names or not names]


def marks(store: PostgresStore, pair: Pair) -> tuple[str, ...]:
    grant = everyone(store)
    return marks_beside(grant, store, pair, set)


def parted(pair: Pair, beside: tuple[str, ...], at: int = 50, by: str = "user:ada") -> Told:
    return Told(pair[0], {}, at, (("unlink", *pair, by),), beside=beside)


def asked(store: PostgresStore) -> list[tuple[Pair, list[Pair]]]:
    found = listing(everyone(store), store, Choice(), None, set, whole=True)
    return [(q.pair, [r.pair for r in q.others]) for q in found.rows]


def test_two_pairs_of_two_persons_are_one_question(store: PostgresStore) -> None:
    tell(store, *come())
    assert len(set(persons(store, ["a1", "a2", "b"]).values())) == 2
    reviews = {r.pair: r for r in queue(store)}
    assert sorted(reviews) == PAIRS
    strongest = max(PAIRS, key=lambda p: reviews[p].weight)
    assert asked(store) == [(strongest, [p for p in PAIRS if p != strongest])]
    figures, counted = store.figures(everyone(store)), waiting(everyone(store), store, set)
    assert figures.open_count == counted.open_count == 1
    assert figures.by_reason == counted.by_reason == {reviews[strongest].reason: 1}
    assert figures.oldest_us == counted.oldest_us


@pytest.mark.parametrize("said", PAIRS)
def test_that_they_are_two_settles_all_pairs_of_the_two(store: PostgresStore, said: Pair) -> None:
    tell(store, *come())
    (other,) = [p for p in PAIRS if p != said]
    beside = marks(store, said)
    assert len(beside) == 1
    tell(store, parted(said, beside))
    assert queue(store) == []
    grant = everyone(store)
    review, decision = store.review(grant, other), store.decision(grant, other)
    assert review is not None
    assert review.words == ()
    assert settled_by(grant, store, review, decision, set) == (said,)
    tell(store, Told("a1", {}, 60, (("withdraw", *said, "user:ada"),)))
    assert [r.pair for r in queue(store)] == PAIRS


def test_without_a_word_about_the_others_only_the_pair_itself_is_settled(
    store: PostgresStore,
) -> None:
    tell(store, *come())
    tell(store, parted(PAIRS[0], ()))
    assert [r.pair for r in queue(store)] == PAIRS[1:]


@pytest.mark.parametrize("said", PAIRS)
def test_that_they_are_one_settles_all_pairs_of_the_two(store: PostgresStore, said: Pair) -> None:
    """Although a guard keeps the other pair apart: it would tear the two records of one apart."""
    tell(store, *come())
    word = (("link", *said, "user:ada"),)
    tell(store, Told("b", {}, 50, word, beside=marks(store, said)))
    assert queue(store) == []
    assert len(set(persons(store, ["a1", "a2", "b"]).values())) == 1
    tell(store, Told("b", {}, 60, (("withdraw", *said, "user:ada"),)))
    assert [r.pair for r in queue(store)] == PAIRS


def test_what_changes_or_comes_later_is_asked_again(store: PostgresStore) -> None:
    tell(store, *come())
    tell(store, parted(PAIRS[0], marks(store, PAIRS[0])))
    alike: dict[str, Any] = person(
        "Ivy", "Archer", "1961-03-04", "female", phone="217-555-0101", mr="A1"
    )
    tell(store, Told("a2", {"gender": "female"}, 60))  # nothing new
    assert queue(store) == []
    tell(store, Told("a3", {**HERS_TOO, **person("Ann", "Archer", "1961-03-04", mr="A1")}, 70))
    assert [r.pair for r in queue(store)] in ([("a3", "b")], [])
    tell(store, Told("a2", alike, 80))
    assert ("a2", "b") in [r.pair for r in queue(store)]


def test_who_leaves_the_person_is_asked_about_again(store: PostgresStore) -> None:
    tell(store, *come())
    tell(store, parted(PAIRS[0], marks(store, PAIRS[0])))
    tell(store, Told("a1", {}, 60, (("unlink", "a1", "a2", ""),)))
    assert ("a2", "b") in [r.pair for r in queue(store)]


def test_where_two_people_have_to_say_the_same_one_settles_nothing(store: PostgresStore) -> None:
    tell(store, *come())
    said = PAIRS[0]
    beside = marks(store, said)
    first = parted(said, beside)
    tell(store, Told(first.patient, {}, 50, first.links, two=True, beside=beside))
    assert [(q, others) for q, others in asked(store)] == [(said, PAIRS[1:])]
    assert {r.pair: str(r.state) for r in queue(store)} == {said: "half", PAIRS[1]: "open"}
    figures = store.figures(everyone(store))
    assert (figures.open_count, figures.half_count) == (0, 1)
    tell(store, Told("a1", {}, 51, (("unlink", *said, "user:bob"),), two=True, beside=beside))
    assert queue(store) == []


def test_any_order_and_a_replay_give_the_same(store_factory: StoreFactory) -> None:
    first = store_factory()
    tell(first, *come())
    told = [*come(), parted(PAIRS[0], marks(first, PAIRS[0]))]
    tell(first, told[-1])
    rng = random.Random(5)
    orders = list(itertools.permutations(told))
    for order in rng.sample(orders, 4):
        store = store_factory()
        tell(store, *order, batch_max=rng.choice((1, 2, 500)))
        assert queue(store) == []
        assert persons(store, ["a1", "a2", "b"]) == persons(first, ["a1", "a2", "b"])
    before = first.digest(everyone(first))
    first.rebuild(everyone(first))
    tell(first)
    assert (first.digest(everyone(first)), queue(first)) == (before, [])


def test_what_may_not_be_named_is_neither_counted_nor_settled(store: PostgresStore) -> None:
    tell(store, *come())
    grant = everyone(store)

    def may(pairs: Sequence[Pair]) -> list[Pair]:
        return [p for p in pairs if p != PAIRS[0]]

    (question,) = listing(grant, store, Choice(), None, may).rows
    assert (question.pair, question.others) == (PAIRS[1], ())
    assert waiting(grant, store, may).open_count == 1
    assert marks_beside(grant, store, PAIRS[1], may) == ()
    tell(store, parted(PAIRS[1], marks_beside(grant, store, PAIRS[1], may)))
    assert [r.pair for r in queue(store)] == PAIRS[:1]


def test_nothing_is_told_without_a_grant_for_the_queue(store: PostgresStore) -> None:
    tell(store, *come())
    one = store.guard.mint("clinician", Purpose.TREATMENT, ["a1", "b"])
    assert store.between(one, PAIRS) == {}
    assert store.decisions_between(one, PAIRS[0]) == []
    assert store.figures(one).open_count == 1
