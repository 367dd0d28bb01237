"""Which word counts: a function of the set of words, people above sources, two where it is hard."""

from __future__ import annotations

import random
from itertools import permutations

from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.domain.identity import IdentityWord, ReviewState
from chartloom.domain.resource import LinkKind
from chartloom.registry.persons import contested, last_words, merged_into, standing_of

PAIR = ("a", "b")
LINK, UNLINK, MERGE, TAKEN_BACK = LinkKind.LINK, LinkKind.UNLINK, LinkKind.MERGE, LinkKind.WITHDRAW


def say(at: int, by: str, kind: LinkKind, pair: tuple[str, str] = PAIR) -> IdentityWord:
    return IdentityWord(pair, kind, at, at, "rule", by)


@st.composite
def sets_of_words(draw: st.DrawFn) -> list[IdentityWord]:
    """Up to eight words of two sources' times and three people, no two of one message."""
    pairs = st.sampled_from([PAIR, ("a", "c"), ("b", "c"), ("a", "a")])
    who, kinds = st.sampled_from(["", "", "ada", "ben", "cem"]), st.sampled_from(list(LinkKind))
    said = draw(st.lists(st.tuples(st.integers(0, 3), who, kinds, pairs), max_size=8))
    return [IdentityWord(p, k, at, n, "r", by) for n, (at, by, k, p) in enumerate(said)]


@settings(max_examples=150)
@given(sets_of_words(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_in_which_words_come_does_not_matter(
    words: list[IdentityWord], rng: random.Random, two: bool
) -> None:
    shuffled = list(words)
    rng.shuffle(shuffled)
    assert last_words(shuffled, lambda _: two) == last_words(words, lambda _: two)
    assert contested(shuffled, lambda _: two) == contested(words, lambda _: two)
    assert standing_of(shuffled, two) == standing_of(words, two)


@settings(max_examples=150)
@given(sets_of_words(), st.sampled_from(["ada", "ben"]), st.booleans())
def test_a_word_that_is_withdrawn_leaves_no_trace(
    words: list[IdentityWord], who: str, two: bool
) -> None:
    spoken = [w for w in words if w.by != who]
    for kind in (LINK, UNLINK):
        back = [*spoken, say(90, who, kind), say(91, who, TAKEN_BACK)]
        assert last_words(back, lambda _: two) == last_words(spoken, lambda _: two)
        of_pair = [w for w in spoken if w.pair == PAIR]
        assert standing_of([w for w in back if w.pair == PAIR], two) == standing_of(of_pair, two)


@settings(max_examples=150)
@given(sets_of_words())
def test_hard_pairs_are_decided_by_two_people_or_by_sources_alone(
    words: list[IdentityWord],
) -> None:
    said = [w for w in words if w.pair == PAIR]
    verdict, state = standing_of(said, two=True)
    if state is ReviewState.CLOSED:
        agree = {w.by for w in said if w.by and (w.kind is not UNLINK) is verdict}
        assert len(agree) >= 2
    sources = standing_of([w for w in said if not w.by], two=True)
    if state in (ReviewState.HALF, ReviewState.DISPUTED):
        assert verdict is sources.verdict


def test_the_last_word_of_sources_counts() -> None:
    words = [say(1, "", MERGE), say(2, "", UNLINK), say(3, "", LINK)]
    for n, expected in ((1, True), (2, False), (3, True)):
        for order in permutations(words[:n]):
            assert last_words(order, lambda _: False) == {PAIR: expected}
            assert contested(order, lambda _: False) == {}


def test_a_source_does_not_undo_a_person_but_asks_again() -> None:
    apart = say(2, "ada", UNLINK)
    assert standing_of([say(1, "", MERGE), apart], False) == (False, ReviewState.CLOSED)
    again = [say(1, "", MERGE), apart, say(3, "", MERGE)]
    assert standing_of(again, False) == (False, ReviewState.OPEN)
    assert contested(again, lambda _: False) == {PAIR: ReviewState.OPEN}
    confirmed = [*again, say(4, "ada", UNLINK)]
    assert standing_of(confirmed, False) == (False, ReviewState.CLOSED)
    assert standing_of([apart, say(3, "", UNLINK)], False) == (False, ReviewState.CLOSED)


def test_where_it_is_easy_the_last_person_counts() -> None:
    words = [say(1, "ada", LINK), say(2, "ben", UNLINK)]
    assert standing_of(words, False) == (False, ReviewState.CLOSED)
    assert standing_of([*words, say(3, "ben", TAKEN_BACK)], False) == (True, ReviewState.CLOSED)


def test_where_it_is_hard_two_have_to_agree_and_nobody_to_contradict() -> None:
    one = say(1, "ada", LINK)
    assert standing_of([one], True) == (None, ReviewState.HALF)
    assert standing_of([one, say(2, "ada", LINK)], True) == (None, ReviewState.HALF)
    both = [one, say(2, "ben", MERGE)]
    assert standing_of(both, True) == (True, ReviewState.CLOSED)
    third = [*both, say(3, "cem", UNLINK)]
    assert standing_of(third, True) == (None, ReviewState.DISPUTED)
    assert contested(third, lambda _: True) == {PAIR: ReviewState.DISPUTED}
    assert standing_of([*third, say(4, "cem", TAKEN_BACK)], True) == (True, ReviewState.CLOSED)
    merged = [say(0, "", MERGE), say(5, "ada", UNLINK)]
    assert standing_of(merged, True) == (True, ReviewState.HALF)


def test_who_was_merged_into_whom_is_what_counts_last() -> None:
    def merge(at: int, by: str, kind: LinkKind, into: str) -> IdentityWord:
        return IdentityWord(PAIR, kind, at, at, "rule", by, surviving=into)

    words = [merge(1, "", MERGE, "a"), merge(2, "", MERGE, "b")]
    for order in permutations(words):
        assert merged_into(order) == {"a": "b"}
    assert merged_into([*words, merge(3, "ada", MERGE, "a")]) == {"b": "a"}
    assert merged_into([*words, merge(3, "ada", LINK, "a")]) == {}
    taken_back = [*words, merge(3, "ada", MERGE, "a"), merge(4, "ada", TAKEN_BACK, "a")]
    assert merged_into(taken_back) == {"a": "b"}
    assert merged_into([*words, merge(5, "", UNLINK, "a")]) == {}


def test_words_about_a_record_itself_are_not_about_a_pair() -> None:
    assert last_words([say(1, "ada", UNLINK, ("a", "a"))], lambda _: False) == {}
