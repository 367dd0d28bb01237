"""How much people agree, and how much they do: figures of the review queue. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from chartloom.domain.identity import IdentityReview, IdentityWord, ReviewState
from chartloom.domain.resource import LinkKind
from chartloom.registry.persons import standing_people
from chartloom.serve.words import moment

#: Whether a word says that two records are one person.
SAYS_SAME: Final = {LinkKind.LINK: True, LinkKind.MERGE: True, LinkKind.UNLINK: False}


class Agreement(msgspec.Struct, frozen=True):
    """First words of two people about one pair.

    table: (the first says same, the second says same) -> how many pairs.
    kappa: Cohen's, None where it is not defined (nobody to compare, or all said one thing).
    """

    pairs: int
    agreed: int
    table: dict[tuple[bool, bool], int]
    kappa: float | None

    @property
    def share(self) -> float:
        """Of the pairs that two people spoke about, how many they agreed on; 0 without any."""
        return self.agreed / self.pairs if self.pairs else 0.0


class Day(msgspec.Struct, frozen=True):
    """What was said in one day. date: ISO."""

    date: str
    same: int
    different: int


class Mix(msgspec.Struct, frozen=True):
    """Reviews of one reason that were closed by a word: how many turned out to be one person."""

    reason: str
    same: int
    different: int


def standing(words: Iterable[IdentityWord]) -> dict[str, IdentityWord]:
    """The word of each person that counts: the last, unless it was taken back."""
    return {word.by: word for word in standing_people(words)}


def independent(words: Iterable[IdentityWord]) -> list[bool]:
    """What each person said first, in the order in which they spoke: before they knew of others.

    What somebody took back before anybody else spoke is as if it was not said.
    """
    first: dict[str, bool] = {}
    for word in sorted(words, key=lambda w: (w.event_us, w.position)):
        if not word.by:
            continue
        if word.kind is LinkKind.WITHDRAW:
            if list(first) == [word.by]:
                first.clear()
        else:
            first.setdefault(word.by, SAYS_SAME[word.kind])
    return list(first.values())


def agreement(reviews: Iterable[IdentityReview]) -> Agreement:
    """Over all pairs that at least two people spoke about: the first two of them."""
    table: Counter[tuple[bool, bool]] = Counter()
    for review in reviews:
        said = independent(review.words)
        if len(said) >= 2:
            table[said[0], said[1]] += 1
    pairs = table.total()
    agreed = table[True, True] + table[False, False]
    return Agreement(pairs, agreed, dict(table), kappa(table))


def kappa(table: Counter[tuple[bool, bool]]) -> float | None:
    """Cohen's kappa: agreement beyond what chance would give, from what each of the two says."""
    n = table.total()
    if not n:
        return None
    first = (table[True, True] + table[True, False]) / n
    second = (table[True, True] + table[False, True]) / n
    chance = first * second + (1 - first) * (1 - second)
    if chance >= 1:
        return None
    return ((table[True, True] + table[False, False]) / n - chance) / (1 - chance)


def per_day(
    reviews: Iterable[IdentityReview], now_us: int, zone: ZoneInfo, days: int = 30
) -> list[Day]:
    """Words that decided pairs per day of the site's zone, oldest first, days without any too.

    Of a pair that waits for a second person, nothing is told.
    """
    same: Counter[str] = Counter()
    different: Counter[str] = Counter()
    for review in _closed(reviews):
        for word in review.words:
            if word.by and word.kind in SAYS_SAME:
                counted = same if SAYS_SAME[word.kind] else different
                counted[_date(word.event_us, zone)] += 1
    today = moment(now_us, zone) or datetime.now(zone)
    dates = [(today - timedelta(days=n)).date().isoformat() for n in range(days - 1, -1, -1)]
    return [Day(date, same[date], different[date]) for date in dates]


def by_reason(reviews: Sequence[IdentityReview]) -> list[Mix]:
    """Which reasons turn out to be one person, most frequent first."""
    counts: dict[str, list[int]] = {}
    for review in _closed(reviews):
        said = {SAYS_SAME[w.kind] for w in standing(review.words).values()}
        if len(said) == 1:
            counts.setdefault(review.reason, [0, 0])[0 if said.pop() else 1] += 1
    mixes = [Mix(reason, same, other) for reason, (same, other) in counts.items()]
    return sorted(mixes, key=lambda m: (-(m.same + m.different), m.reason))


def _closed(reviews: Iterable[IdentityReview]) -> Iterator[IdentityReview]:
    return (r for r in reviews if r.state is ReviewState.CLOSED)


def _date(us: int, zone: ZoneInfo) -> str:
    at = moment(us, zone)
    return at.date().isoformat() if at else ""
