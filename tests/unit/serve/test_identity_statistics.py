"""Agreement, decisions per day, and what may not be told of a pair that waits."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from chartloom.domain.identity import IdentityReview, IdentityWord, ReviewState
from chartloom.domain.resource import LinkKind
from chartloom.serve.identity.pairs import open_words
from chartloom.serve.identity.statistics import (
    agreement,
    by_reason,
    independent,
    per_day,
    standing,
)

PAIR = ("a", "b")
SAME, APART, BACK = LinkKind.LINK, LinkKind.UNLINK, LinkKind.WITHDRAW
DAY_US = 86_400_000_000
NOW_US = 1_780_000_000_000_000


def word(by: str, kind: LinkKind, at: int) -> IdentityWord:
    return IdentityWord(PAIR, kind, at, at, "steward:Linkage", by)


def review(
    *words: IdentityWord, state: ReviewState = ReviewState.CLOSED, reason: str = "score"
) -> IdentityReview:
    return IdentityReview(PAIR, 20.0, reason, 1, state, two=True, words=words)


def two(first: LinkKind, second: LinkKind) -> IdentityReview:
    return review(word("x", first, 1), word("y", second, 2))


def test_kappa_of_a_known_table() -> None:
    # The textbook's: 20 both yes, 5 and 10 apart, 15 both no: 0.70 agreed, 0.50 by chance.
    reviews = [two(SAME, SAME)] * 20 + [two(SAME, APART)] * 5
    reviews += [two(APART, SAME)] * 10 + [two(APART, APART)] * 15
    found = agreement(reviews)
    assert (found.pairs, found.agreed, found.share) == (50, 35, 0.70)
    assert found.kappa == pytest.approx(0.40)


@pytest.mark.parametrize(
    ("reviews", "kappa"),
    [([], None), ([two(SAME, SAME)] * 3, None), ([two(SAME, SAME), two(APART, APART)], 1.0),
     ([two(SAME, APART), two(APART, SAME)], -1.0)],
)  # fmt: skip
def test_kappa_at_its_ends(reviews: list[IdentityReview], kappa: float | None) -> None:
    assert agreement(reviews).kappa == kappa


def test_what_counts_is_what_people_said_before_they_knew_of_each_other() -> None:
    swayed = [word("x", SAME, 1), word("y", APART, 2), word("y", SAME, 3)]
    assert independent(swayed) == [True, False]
    assert agreement([review(*swayed)]).agreed == 0
    slip = [word("x", SAME, 1), word("x", BACK, 2), word("x", APART, 3), word("y", APART, 4)]
    assert independent(slip) == [False, False]
    assert independent([word("", SAME, 1), word("y", APART, 2)]) == [False]


def test_the_word_that_stands_is_the_last_unless_taken_back() -> None:
    words = [word("x", SAME, 3), word("x", APART, 1), word("y", SAME, 2), word("y", BACK, 4)]
    assert {by: w.kind for by, w in standing(words).items()} == {"x": SAME}


def test_words_of_others_are_held_back_until_one_has_spoken() -> None:
    first = word("x", SAME, 1)
    waits = review(first, state=ReviewState.HALF)
    assert open_words([first], "y", waits) == ((), 1)
    assert open_words([first], "x", waits) == ((first,), 0)
    both = [first, word("y", APART, 2)]
    dispute = review(*both, state=ReviewState.DISPUTED)
    assert open_words(both, "y", dispute) == (tuple(both), 0)
    assert open_words(both, "z", dispute) == ((), 2)
    assert open_words(both, "z", review(*both)) == (tuple(both), 0)
    source = word("", SAME, 1)
    assert open_words([source, first], "y", waits) == ((source,), 1)
    back = [first, word("y", APART, 2), word("y", BACK, 3)]
    assert open_words(back, "y", waits)[1] == 1


def test_figures_tell_nothing_of_what_waits_for_a_second_person() -> None:
    first = word("x", SAME, NOW_US)
    waits = review(first, state=ReviewState.HALF)
    assert by_reason([waits]) == []
    days = per_day([waits], NOW_US, ZoneInfo("UTC"))
    assert (len(days), sum(d.same + d.different for d in days)) == (30, 0)


def test_decisions_fall_on_days_of_the_sites_zone() -> None:
    late = review(word("x", SAME, NOW_US), word("y", APART, NOW_US - DAY_US))
    zone = ZoneInfo("UTC")
    days = per_day([late], NOW_US, zone, days=3)
    assert [(d.same, d.different) for d in days] == [(0, 0), (0, 1), (1, 0)]
    assert days[-1].date == "2026-05-28"
    assert [(m.reason, m.same, m.different) for m in by_reason([two(APART, APART)])] == [
        ("score", 0, 1)
    ]
