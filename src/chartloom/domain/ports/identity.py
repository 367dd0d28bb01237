"""Who is one person, as people and doors ask: decisions, reviews, history, matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chartloom.domain.grant import Grant
from chartloom.domain.identity import (
    IdentityDecision,
    IdentityMatch,
    IdentityReview,
    IdentityWord,
    Membership,
    Pair,
    QueueFigures,
    Rekeying,
    ReviewState,
)
from chartloom.domain.resource import FhirJson


class Identities(Protocol):
    """Reads of who is who. What is said is not written here: it lands as a message of the steward
    feed and comes back derived. The grant covers ``IDENTITY_SUBJECT`` for the queue and the
    source patients whose records are read."""

    def reviews(
        self,
        grant: Grant,
        *,
        state: ReviewState | None = ReviewState.OPEN,
        reason: str = "",
        after: Pair | None = None,
        limit: int = 50,
    ) -> list[IdentityReview]:
        """Reviews, the heaviest first within those that need two people last; ``state`` None: all.

        ``after``: the pair that the page before ended with.
        """
        ...

    def review(self, grant: Grant, pair: Pair) -> IdentityReview | None:
        """The review of a pair, closed ones too; None if there never was one."""
        ...

    def reviews_at(self, grant: Grant, pairs: Sequence[Pair]) -> list[IdentityReview]:
        """The reviews of some pairs, closed ones too; none for a pair that never had one."""
        ...

    def between(
        self, grant: Grant, pairs: Sequence[Pair], *, closed: bool = False
    ) -> dict[Pair, list[IdentityReview]]:
        """Of each pair all reviews about the same two persons that wait (or are closed), its own
        too, the heaviest first; nothing for pairs of one person, or without a grant for the queue.
        """
        ...

    def figures(self, grant: Grant) -> QueueFigures:
        """The queue as a whole; what waits is counted once for two persons."""
        ...

    def rekeying(self, grant: Grant) -> Rekeying | None:
        """How far the records are that were stored by other rules than those of now; None for a
        store that knows of no rules yet."""
        ...

    def decision(self, grant: Grant, pair: Pair) -> IdentityDecision | None:
        """What was decided about a pair; None if the two never shared a key."""
        ...

    def decisions_of(
        self, grant: Grant, source_patients: Sequence[str], limit: int = 200
    ) -> list[IdentityDecision]:
        """All kept decisions that one of these is part of, the heaviest first."""
        ...

    def decisions_between(self, grant: Grant, pair: Pair) -> list[IdentityDecision]:
        """All kept decisions between the persons of two records, the heaviest first; none if they
        are one person, or without a grant for the queue."""
        ...

    def words_of(self, grant: Grant, source_patients: Sequence[str]) -> list[IdentityWord]:
        """What was said about these, in the order in which it counts."""
        ...

    def stopped(self, grant: Grant, source_patient: str) -> dict[int, int]:
        """Messages that wait for a word about this record, as far as the grant shows them, and when
        they came (microseconds); oldest first."""
        ...

    def memberships(self, grant: Grant, source_patients: Sequence[str]) -> list[Membership]:
        """How these came to their persons, oldest first."""
        ...

    def match(self, grant: Grant, patient: FhirJson, limit: int = 10) -> list[IdentityMatch]:
        """Who a described patient may be: candidates by key, decided like arriving records, one
        per person, the heaviest first. Nothing is written. The grant is for everyone."""
        ...
