"""Who is one person, kept in memory and decided anew at every read: the port, for tests of pages.

Records are the Patients of a store; words are those of the messages that were landed here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.identity import (
    IDENTITY_SUBJECT,
    STEWARD,
    IdentityDecision,
    IdentityMatch,
    IdentityReview,
    IdentityWord,
    Membership,
    Pair,
    QueueFigures,
    ReviewState,
)
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Arrival, LandingOutcome, Message, Receipt
from chartloom.domain.resource import FhirJson, ResourceState
from chartloom.guard import Guard
from chartloom.normalize import load_mapping
from chartloom.registry.persons import (
    Clusters,
    Matcher,
    Parameters,
    default_parameters,
    evidence,
    standardise,
    standing,
    two_needed,
)


class MemoryIdentities:
    """The port, and the log in which people's words land."""

    def __init__(
        self,
        guard: Guard,
        patients: Callable[[], dict[str, ResourceState]],
        parameters: Parameters | None = None,
    ) -> None:
        self._guard, self._patients = guard, patients
        self.parameters = parameters or default_parameters()
        self.words: list[IdentityWord] = []
        self.landed: list[Arrival] = []
        self.extra: dict[Pair, IdentityReview] = {}  #: reviews that no rule makes (overlays)

    # The log

    def land(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        mapping = load_mapping("steward")
        receipts = []
        for arrival in arrivals:
            self.landed.append(arrival)
            position = 1_000_000 + len(self.landed)
            message = Message(
                position, arrival.feed, arrival.body, arrival.received_at_us, arrival.sha256
            )
            derived = mapping.derive(message, STEWARD, EXAMPLE_NAMESPACE)
            assert not derived.quarantine, derived.issues
            for link in derived.links:
                first, second = sorted((link.surviving, link.prior))
                said = (derived.event_us, position, link.rule, link.by, link.reason)
                self.words.append(IdentityWord((first, second), link.kind, *said))
            receipts.append(Receipt(position, LandingOutcome.LANDED))
        return receipts

    # The port

    def reviews(
        self,
        grant: Grant,
        *,
        state: ReviewState | None = ReviewState.OPEN,
        reason: str = "",
        after: Pair | None = None,
        limit: int = 50,
    ) -> list[IdentityReview]:
        found = [
            r
            for r in self._reviews(grant).values()
            if (state is None or r.state is state) and (not reason or r.reason == reason)
        ]
        found.sort(key=lambda r: (r.two, -r.weight, r.pair))
        pairs = [r.pair for r in found]
        if after in pairs:
            found = found[pairs.index(after) + 1 :]
        elif after is not None and after in (known := self._reviews(grant)):
            gone = known[after]
            place = (gone.two, -gone.weight, gone.pair)
            found = [r for r in found if (r.two, -r.weight, r.pair) > place]
        return found[:limit]

    def review(self, grant: Grant, pair: Pair) -> IdentityReview | None:
        return self._reviews(grant).get(pair)

    def figures(self, grant: Grant) -> QueueFigures:
        reviews = list(self._reviews(grant).values())
        count = {s: sum(r.state is s for r in reviews) for s in ReviewState}
        waiting = [r for r in reviews if r.state is not ReviewState.CLOSED]
        reasons = {r.reason: 0 for r in waiting}
        for r in waiting:
            reasons[r.reason] += 1
        return QueueFigures(
            count[ReviewState.OPEN],
            count[ReviewState.HALF],
            count[ReviewState.DISPUTED],
            count[ReviewState.CLOSED],
            min((r.since_us for r in waiting), default=0),
            reasons,
            0,
            0,
            len(self._patients()),
        )

    def decision(self, grant: Grant, pair: Pair) -> IdentityDecision | None:
        found = self._matcher().decisions.get(pair)
        if found is None or not self._covers(grant, pair):
            return None
        e = evidence(found, self.parameters)
        return IdentityDecision(
            pair, e.outcome.value, e.weight, e.rule, e.guard, e.fields, e.parameters, 1
        )

    def decisions_of(
        self, grant: Grant, source_patients: Sequence[str], limit: int = 200
    ) -> list[IdentityDecision]:
        pairs = [p for p in self._matcher().decisions if set(p) & set(source_patients)]
        found = [d for p in pairs if (d := self.decision(grant, p)) is not None]
        return sorted(found, key=lambda d: -d.weight)[:limit]

    def words_of(self, grant: Grant, source_patients: Sequence[str]) -> list[IdentityWord]:
        wanted = set(source_patients)
        return [w for w in self.words if set(w.pair) & wanted and self._covers(grant, w.pair)]

    def memberships(self, grant: Grant, source_patients: Sequence[str]) -> list[Membership]:
        persons = self._clusters().person
        return [
            Membership(p, "", persons.get(p, p), 1_700_000_000_000_000, 1, "first")
            for p in source_patients
            if self._guard.covers(grant, p)
        ]

    def match(self, grant: Grant, patient: FhirJson, limit: int = 10) -> list[IdentityMatch]:
        return []

    # Deciding

    def _covers(self, grant: Grant, pair: Pair) -> bool:
        return all(self._guard.covers(grant, p) for p in pair)

    def _matcher(self) -> Matcher:
        matcher = Matcher(self.parameters)
        for id, state in self._patients().items():
            matcher.put(id, standardise(state.resource))
        return matcher

    def _clusters(self) -> Clusters:
        return self._matcher().clusters()

    def _reviews(self, grant: Grant) -> dict[Pair, IdentityReview]:
        if not self._guard.covers(grant, IDENTITY_SUBJECT):
            return {}
        matcher = self._matcher()
        found = dict(self.extra)
        for pair, decision in matcher.decisions.items():
            if decision.outcome.value == "review":
                reason = decision.guard or "score"
                found[pair] = IdentityReview(
                    pair, decision.weight, reason, 1_780_000_000_000_000, two=two_needed(reason)
                )
        return {pair: self._with_words(review) for pair, review in found.items()}

    def _with_words(self, review: IdentityReview) -> IdentityReview:
        words = tuple(w for w in self.words if w.pair == review.pair)
        state = standing(words, review.two)
        return msgspec.structs.replace(review, words=words, state=state)
