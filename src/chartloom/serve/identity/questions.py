"""What people are asked: once about two persons, however many pairs of their records are open.

The strongest pair stands for the others; one about which somebody spoke comes before those, so that
a second person looks at what the first looked at. All of it is of the pairs that may be named:
others are neither counted nor settled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

import msgspec

from chartloom.domain.errors import ChartloomError
from chartloom.domain.grant import Grant
from chartloom.domain.identity import (
    IdentityDecision,
    IdentityReview,
    IdentityWord,
    Pair,
    ReviewState,
)
from chartloom.domain.ports import Identities
from chartloom.normalize.steward import BESIDE_MAX
from chartloom.registry.persons import mark, settling

#: Keeps those pairs that may be named.
OpenPairs = Callable[[Sequence[Pair]], Collection[Pair]]

_FIRST: Final = (ReviewState.DISPUTED, ReviewState.HALF, ReviewState.OPEN, ReviewState.CLOSED)
_SPOKEN: Final = frozenset({ReviewState.DISPUTED, ReviewState.HALF})


class AskedElsewhere(ChartloomError):
    """Somebody spoke about another pair of records of the same two persons, and a second person is
    wanted there: ``pair``."""

    def __init__(self, pair: Pair) -> None:
        super().__init__(
            "Somebody spoke about another pair of records of the same two persons.",
            where="~".join(pair),
            cure="Say it about that pair: it counts for all pairs of the two.",
        )
        self.pair = pair


class Question(msgspec.Struct, frozen=True):
    """What is asked about two persons. lead: the review that stands for it; others: the rest, the
    heaviest first."""

    lead: IdentityReview
    others: tuple[IdentityReview, ...] = ()

    @property
    def pair(self) -> Pair:
        """The pair that is to be looked at."""
        return self.lead.pair

    @property
    def weight(self) -> float:
        """Of the pair that is to be looked at, bits."""
        return self.lead.weight

    @property
    def reason(self) -> str:
        """Why that pair is under review."""
        return self.lead.reason

    @property
    def state(self) -> ReviewState:
        """Where it stands."""
        return self.lead.state

    @property
    def words(self) -> tuple[IdentityWord, ...]:
        """What people said about that pair."""
        return self.lead.words

    @property
    def two(self) -> bool:
        """Whether two people have to say the same: for one pair, for all."""
        return self.lead.two or any(r.two for r in self.others)

    @property
    def since_us(self) -> int:
        """Since when it is asked."""
        return min(r.since_us for r in (self.lead, *self.others))

    @property
    def pairs(self) -> frozenset[Pair]:
        """All pairs that it is about."""
        return frozenset(r.pair for r in (self.lead, *self.others))


def questions(
    grant: Grant, identities: Identities, reviews: Sequence[IdentityReview], may: OpenPairs
) -> list[Question]:
    """Of some reviews, the questions that one of them stands for, in their order."""
    waiting = [r.pair for r in reviews if r.state is not ReviewState.CLOSED]
    between = identities.between(grant, waiting) if waiting else {}
    known = {r.pair for r in reviews} | {r.pair for some in between.values() for r in some}
    open_ = set(may(sorted(known)))
    found = []
    for review in reviews:
        if review.pair in open_:
            question = _question([r for r in between.get(review.pair, ()) if r.pair in open_])
            if question is None:
                found.append(Question(review))
            elif question.pair == review.pair:
                found.append(question)
    return found


def question_about(
    grant: Grant, identities: Identities, pair: Pair, may: OpenPairs
) -> Question | None:
    """What is open about the persons of two records; None if nothing is."""
    between = identities.between(grant, [pair]).get(pair, [])
    open_ = set(may([r.pair for r in between]))
    return _question([r for r in between if r.pair in open_])


def said_elsewhere(question: Question | None, pair: Pair) -> Pair | None:
    """The pair about which a second person is to speak before anybody speaks about this one."""
    if question is None or question.state not in _SPOKEN or question.pair == pair:
        return None
    mine = next((r for r in question.others if r.pair == pair), None)
    return question.pair if mine is None or mine.state not in _SPOKEN else None


def marks_beside(
    grant: Grant,
    identities: Identities,
    pair: Pair,
    may: OpenPairs,
    shown: Collection[Pair] | None = None,
) -> tuple[str, ...]:
    """Marks of the other pairs of the two persons that a word about this one settles.

    shown: of the pairs that are open, those that were counted to who speaks; None: all.
    """
    question = question_about(grant, identities, pair, may)
    if question is None:
        return ()
    asked = (question.lead, *question.others)
    left = {r.pair for r in asked if r.words or not (shown is None or r.pair in shown)} | {pair}
    found = [d for d in identities.decisions_between(grant, pair) if d.pair not in left]
    open_ = may([d.pair for d in found])
    return tuple(sorted(mark_of(d) for d in found[:BESIDE_MAX] if d.pair in open_))


def settled_by(
    grant: Grant,
    identities: Identities,
    review: IdentityReview | None,
    decision: IdentityDecision | None,
    may: OpenPairs,
) -> tuple[Pair, ...]:
    """The pairs of the same two persons by words about which a closed review is settled."""
    if review is None or review.state is not ReviewState.CLOSED or review.words or decision is None:
        return ()
    own, pair = mark_of(decision), review.pair
    around = [
        *identities.between(grant, [pair], closed=True).get(pair, ()),
        *identities.between(grant, [pair]).get(pair, ()),
    ]
    found = [r.pair for r in around if any(settling(r.words, own, r.two))]
    open_ = may(found)
    return tuple(p for p in found if p in open_)


def mark_of(decision: IdentityDecision) -> str:
    """The mark of a pair that was decided."""
    levels = {field: level for field, (level, _) in decision.fields.items()}
    return mark(decision.pair, levels, decision.guard)


def _question(reviews: Sequence[IdentityReview]) -> Question | None:
    if not reviews:
        return None
    lead = min(reviews, key=lambda r: (_FIRST.index(r.state), -r.weight, r.pair))
    return Question(lead, tuple(r for r in reviews if r is not lead))
