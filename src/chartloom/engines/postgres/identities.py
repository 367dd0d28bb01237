"""Who is one person, as people and doors ask: reviews, decisions, words, history, matches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.identity import (
    IdentityDecision,
    IdentityMatch,
    IdentityReview,
    IdentityWord,
    Membership,
    Pair,
    QueueFigures,
    ReviewState,
)
from chartloom.domain.resource import FhirJson
from chartloom.engines.postgres import queries_identity as queries
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.clusters import word_of
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.deciding import Decider
from chartloom.engines.postgres.matching import key_numbers
from chartloom.engines.postgres.record_reviews import counts, shown, stops_of, words_shown
from chartloom.registry.persons import (
    MatchRecord,
    Outcome,
    decide,
    evidence,
    pair_of,
    standardise,
)

_FIELDS: Final = msgspec.json.Decoder(dict[str, tuple[str, float]])


class IdentitiesPart(StoreBase):
    """Implements the ``Identities`` port."""

    def reviews(
        self,
        grant: Grant,
        *,
        state: ReviewState | None = ReviewState.OPEN,
        reason: str = "",
        after: Pair | None = None,
        limit: int = 50,
    ) -> list[IdentityReview]:
        """Reviews, those that need two people last, the heaviest first; ``state`` None: all."""
        values = {"state": state or "", "reason": reason, "limit": limit}
        with self._reading(grant) as conn:
            return list(islice(self._listed(conn, values, state, after, limit), limit))

    def _listed(
        self,
        conn: Connection,
        values: dict[str, Any],
        state: ReviewState | None,
        after: Pair | None,
        limit: int,
    ) -> Iterator[IdentityReview]:
        """Reviews in their order; those of records stand where they do for whoever asks."""
        more = True
        while more:
            query = queries.reviews(
                state=bool(values["state"]), reason=bool(values["reason"]), after=after is not None
            )
            if after is not None:
                values |= {"low": after[0], "high": after[1]}
            found = conn.execute(query.encode(), values).fetchall()
            yield from (r for r in self._reviews(conn, found) if state in (None, r.state))
            more = len(found) == limit
            after = found[-1][:2] if found else None

    def review(self, grant: Grant, pair: Pair) -> IdentityReview | None:
        """The review of a pair, closed ones too; None if there never was one."""
        with self._reading(grant) as conn:
            found = conn.execute(queries.REVIEW_ONE, pair_of(*pair)).fetchall()
            reviews = self._reviews(conn, found)
        return reviews[0] if reviews else None

    def reviews_at(self, grant: Grant, pairs: Sequence[Pair]) -> list[IdentityReview]:
        """The reviews of some pairs, closed ones too."""
        with self._reading(grant) as conn:
            found = conn.execute(queries.REVIEWS_AT, _columns(pairs)).fetchall() if pairs else []
            return self._reviews(conn, found)

    def between(
        self, grant: Grant, pairs: Sequence[Pair], *, closed: bool = False
    ) -> dict[Pair, list[IdentityReview]]:
        """Of each pair the reviews about the same two persons."""
        asked = [pair for pair in pairs if pair[0] != pair[1]]
        if not asked:
            return {}
        with self._reading(grant) as conn:
            found = conn.execute(queries.BETWEEN, (*_columns(asked), closed)).fetchall()
            rows_ = {tuple(row[1:3]): row[1:] for row in found}
            known = {r.pair: r for r in self._reviews(conn, list(rows_.values()))}
        between: dict[Pair, list[IdentityReview]] = {}
        for place, low, high, *_ in found:
            between.setdefault(asked[place - 1], []).append(known[low, high])
        return between

    def _reviews(self, conn: Connection, found: Sequence[Any]) -> list[IdentityReview]:
        words: dict[Pair, list[IdentityWord]] = {}
        stops = stops_of(conn, {row[0] for row in found if row[0] == row[1]})
        for word in self._words(conn, {p for row in found for p in row[:2]}):
            if word.by:
                words.setdefault(word.pair, []).append(word)
        reviews = []
        for low, high, weight, since_us, two, reason, state in found:
            said = words.get((low, high), [])
            review: IdentityReview | None = IdentityReview(
                (low, high), weight, reason, since_us, ReviewState(state), two, tuple(said)
            )
            if low == high and review is not None:
                review = shown(review, said, stops.get(low, ()))
            if review is not None:
                reviews.append(review)
        return reviews

    def stopped(self, grant: Grant, source_patient: str) -> dict[int, int]:
        """Messages that wait for a word about this record, as far as the grant shows them, and when
        they came; oldest first."""
        with self._reading(grant) as conn:
            stops = stops_of(conn, [source_patient]).get(source_patient, ())
        return {stop.position: stop.at_us for stop in stops if not stop.released}

    def figures(self, grant: Grant) -> QueueFigures:
        """The queue as a whole; what waits is counted once for two persons, not so what is over."""
        with self._reading(grant) as conn:
            counted = conn.execute(queries.QUEUE_COUNTS).fetchall()
            of_records = conn.execute(queries.REVIEWS_OF_RECORDS).fetchall()
            counted += counts(self._reviews(conn, of_records))
            agreement = conn.execute(queries.QUEUE_AGREEMENT).fetchone() or (0, 0)
            records = conn.execute(queries.RECORDS).fetchone() or (0,)
        by_state = dict.fromkeys(ReviewState, 0)
        by_reason: dict[str, int] = {}
        oldest_us = 0
        for state, reason, count, since_us in counted:
            by_state[ReviewState(state)] += count
            if state == ReviewState.CLOSED:
                continue
            oldest_us = min(oldest_us or since_us, since_us)
            if state == ReviewState.OPEN:
                by_reason[reason] = by_reason.get(reason, 0) + count
        return QueueFigures(
            by_state[ReviewState.OPEN],
            by_state[ReviewState.HALF],
            by_state[ReviewState.DISPUTED],
            by_state[ReviewState.CLOSED],
            oldest_us,
            dict(sorted(by_reason.items())),
            *map(int, (*agreement, *records)),
        )

    def decision(self, grant: Grant, pair: Pair) -> IdentityDecision | None:
        """What was decided about a pair; None if the two never shared a key.

        What is not kept, because the two are plainly two persons, is decided again from their
        records; for that the grant must cover both.
        """
        pair = pair_of(*pair)
        with self._reading(grant) as conn:
            row = conn.execute(queries.DECISION_ONE, pair).fetchone()
            if row is not None:
                return _decision(row)
            most = self.parameters.carriers_max
            values = {"low": pair[0], "high": pair[1], "most": most}
            two = conn.execute(queries.MATCHED_PAIR, values, binary=True).fetchall()
        if len(two) < 2:
            return None
        one, other = [
            self._bodies.open_match(grant, who, bytes(digest), bytes(body))
            for who, _, digest, body in two
        ]
        found = evidence(decide(one, other, self.parameters), self.parameters)
        return IdentityDecision(
            pair,
            str(found.outcome),
            found.weight,
            found.rule,
            found.guard,
            found.fields,
            found.parameters,
            max(row[1] for row in two),
        )

    def decisions_of(
        self, grant: Grant, source_patients: Sequence[str], limit: int = 200
    ) -> list[IdentityDecision]:
        """All kept decisions that one of these is part of, the heaviest first."""
        values = {"ids": list(source_patients), "limit": limit}
        with self._reading(grant) as conn:
            return [_decision(row) for row in conn.execute(queries.DECISIONS_OF, values)]

    def decisions_between(self, grant: Grant, pair: Pair) -> list[IdentityDecision]:
        """All kept decisions between the persons of two records, the heaviest first."""
        with self._reading(grant) as conn:
            return [_decision(row) for row in conn.execute(queries.DECIDED_BETWEEN, pair)]

    def words_of(self, grant: Grant, source_patients: Sequence[str]) -> list[IdentityWord]:
        """What was said about these, in the order in which it counts."""
        with self._reading(grant) as conn:
            return self._words(conn, source_patients)

    @staticmethod
    def _words(conn: Connection, patients: Iterable[str]) -> list[IdentityWord]:
        ids = sorted(set(patients))
        if not ids:
            return []
        words = [word_of(row) for row in conn.execute(queries.WORDS_READ, {"ids": ids})]
        of_records = {w.pair[0] for w in words if w.pair[0] == w.pair[1]}
        return words_shown(words, stops_of(conn, of_records))

    def memberships(self, grant: Grant, source_patients: Sequence[str]) -> list[Membership]:
        """How these came to their persons, oldest first."""
        with self._reading(grant) as conn:
            found = conn.execute(queries.MEMBERSHIPS, (list(source_patients),)).fetchall()
        return [Membership(*row) for row in found]

    def match(self, grant: Grant, patient: FhirJson, limit: int = 10) -> list[IdentityMatch]:
        """Who a described patient may be: candidates by key, decided like arriving records, one
        per person, the heaviest first. Nothing is written. The grant is for everyone."""
        self._verify_for_all(grant)
        record = standardise(patient)
        wanted = list(key_numbers(self._guard, record))
        if not wanted:
            return []
        values = {"keys": wanted, "most": self.parameters.carriers_max}
        with self._reading(grant) as conn:
            found = conn.execute(queries.CANDIDATES, values, binary=True).fetchall()
        others = Decider(self._guard, self._bodies, self.parameters).open(
            grant, [(p, bytes(digest), bytes(body)) for p, _, digest, body in found]
        )
        best: dict[str, IdentityMatch] = {}
        for (who, person_id, *_), other in zip(found, others, strict=True):
            if other is not None:
                match = self._match(record, other, who, person_id)
                held = best.get(person_id)
                if match is not None and (held is None or _better(held) < _better(match)):
                    best[person_id] = match
        return sorted(best.values(), key=_better, reverse=True)[:limit]

    def _match(
        self, record: MatchRecord, other: MatchRecord, who: str, person_id: str
    ) -> IdentityMatch | None:
        decision = decide(record, other, self.parameters)
        if decision.outcome is Outcome.NEW:
            return None
        told = evidence(decision, self.parameters)
        outcome = told.outcome
        if outcome is Outcome.LINK and decision.guard and decision.comparison.given == "missing":
            outcome = Outcome.REVIEW  # a record is joined until a twin comes; an answer stands
        return IdentityMatch(person_id, who, str(outcome), told.weight, told.fields)

    def parameters_used(self) -> tuple[str, ...]:
        """Fingerprints of the parameters by which kept decisions were made."""
        with self._serving() as conn:
            return tuple(row[0] for row in conn.execute(queries.PARAMETERS_USED).fetchall())


def _columns(pairs: Sequence[Pair]) -> tuple[list[str], list[str]]:
    return [pair_of(*pair)[0] for pair in pairs], [pair_of(*pair)[1] for pair in pairs]


def _better(match: IdentityMatch) -> tuple[bool, float, str]:
    return match.outcome == Outcome.LINK, match.weight, match.source_patient


def _decision(row: Sequence[Any]) -> IdentityDecision:
    low, high, outcome, weight, rule, guard, fields, fingerprint, position = row
    read = _FIELDS.decode(fields)
    return IdentityDecision((low, high), outcome, weight, rule, guard, read, fingerprint, position)
