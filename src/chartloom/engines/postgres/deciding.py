"""Deciding about records as they arrive: candidates by key, decisions, and what they lead to.

It runs within the transaction of a batch, under the lock of all clusters. A pair is decided about
if it shares a key that not too many records carry. So a record that makes a key too common takes
back decisions that rest on that key alone, and one that makes it less common brings them about:
what is decided depends on the set of records, not on their order.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final, NamedTuple

import msgspec

from chartloom.domain.errors import StoreDamaged
from chartloom.domain.grant import Grant
from chartloom.domain.keys import WrappedKey
from chartloom.engines.postgres import queries_identity as queries
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.bodies import Bodies
from chartloom.engines.postgres.bulk import Row
from chartloom.engines.postgres.calls import Step, int4
from chartloom.engines.postgres.matching import Changed
from chartloom.guard import Fetched, Guard
from chartloom.registry.persons import (
    Decision,
    MatchRecord,
    Outcome,
    Pair,
    Parameters,
    decide,
    evidence,
    pair_of,
    thresholds,
)

_log = logging.getLogger(__name__)
_encode: Final = msgspec.json.Encoder().encode


class Known(NamedTuple):
    """A record as it is matched."""

    patient: str
    position: int
    record: MatchRecord


def put_step(bodies: Bodies, changed: Sequence[Changed], carriers_max: int) -> Step:
    """Writes records and keys; answers with what :class:`Met` reads."""
    sealed = [bodies.seal_match(c.patient, c.digest, c.record) for c in changed]
    return _put(changed, sealed, carriers_max)


def leave_step(gone: Sequence[Changed], carriers_max: int) -> Step:
    """The same for records of whom nothing is left."""
    return _put(gone, [b""] * len(gone), carriers_max)


def _put(changed: Sequence[Changed], sealed: Sequence[bytes], carriers_max: int) -> Step:
    lasts = list(accumulate(len(c.keys) for c in changed))
    values = (
        packed("text", [c.patient for c in changed]),
        packed("int8", [c.position for c in changed]),
        packed("bytea", [c.digest for c in changed]),
        packed("bytea", sealed),
        packed("int8", [k for c in changed for k in c.keys]),
        packed("int4", [last - len(c.keys) + 1 for last, c in zip(lasts, changed, strict=True)]),
        packed("int4", lasts),
        int4(carriers_max),
    )
    return queries.MATCH_PUT, values


class Met:
    """What the store answered to new records: who carries their keys.

    live: by key, the numbers of those who carry it, if they are not too many. revived: the same of
    keys that were too common before. died: carriers of keys that have become too common. unread:
    those of the others whose record does not open, although it should. keys: those that records of
    others open with, as they are stored, of those that were not destroyed.
    """

    def __init__(self, found: Iterable[tuple[Any, ...]], carriers_max: int) -> None:
        self.live: dict[int, list[int]] = {}
        self.revived: list[list[int]] = []
        self.died: list[int] = []
        self.others: list[tuple[int, str, int, bytes, bytes]] = []
        self.numbers: dict[str, int] = {}
        self.busy: list[str] = []
        self.unread: set[str] = set()
        self.keys: dict[str, WrappedKey] = {}
        for row in found:
            kind, key, numbers, added, gone, number, patient, position, digest, body, busy = row[
                :11
            ]
            if kind == "r":
                self.others.append((number, patient, position, digest, body))
                if len(row) > 11 and row[11]:
                    self.keys[patient] = WrappedKey(patient, row[11], bytes(row[12]), 0)
            elif kind == "p":
                self.numbers[patient] = number
                if busy:
                    self.busy.append(patient)
            else:
                before = len(numbers) - added + gone
                if len(numbers) > carriers_max:
                    self.died += numbers if before <= carriers_max else ()
                elif before > carriers_max:
                    self.revived.append(numbers)
                self.live[key] = numbers if len(numbers) <= carriers_max else []


def crowded(met: Met, changed: Sequence[Changed]) -> list[str]:
    """Whom others may be missed for: a number of theirs is carried by too many to mean anybody, or
    all else by which they could be found is."""
    found = []
    for one in changed:
        dead = [not met.live.get(key, True) for key in one.keys]
        numbers = len({(n.issuer, n.value) for n in one.record.numbers})
        if any(dead[:numbers]) or (dead[numbers:] and all(dead[numbers:])):
            found.append(one.patient)
    return found


def near_unread(met: Met, changed: Sequence[Changed]) -> list[str]:
    """Who is to be compared with a record that does not open."""
    closed = {number for number, patient, *_ in met.others if patient in met.unread}
    if not closed:
        return []
    return [c.patient for c in changed if any(closed & {*met.live.get(k, ())} for k in c.keys)]


class Decider:
    """Decides about changed records, and keeps what was decided."""

    def __init__(self, guard: Guard, bodies: Bodies, parameters: Parameters) -> None:
        self._guard, self._bodies = guard, bodies
        self.parameters = parameters

    def open(
        self,
        grant: Grant,
        others: Sequence[tuple[Any, ...]],
        unread: set[str] | None = None,
        fetched: Fetched | None = None,
    ) -> list[MatchRecord | None]:
        """Records of other patients: (patient, digest, body) each; None for those that nobody can
        read any more, who are nobody's candidates, and for those that do not open although they
        should, who come into ``unread``. fetched: keys that came with them."""
        shredded = self._guard.prepare([patient for patient, *_ in others], fetched=fetched)
        opened = [
            None if patient in shredded else self._open_one(grant, patient, digest, body)
            for patient, digest, body in others
        ]
        if unread is not None:
            pairs = zip(others, opened, strict=True)
            unread.update(o[0] for o, r in pairs if r is None and o[0] not in shredded)
        return opened

    def _open_one(
        self, grant: Grant, patient: str, digest: bytes, body: bytes
    ) -> MatchRecord | None:
        try:
            return self._bodies.open_match(grant, patient, digest, body)
        except StoreDamaged:
            fields = {"source_patient": patient}
            _log.error("a record to match does not open", extra={"chartloom": fields})
            return None

    def decided(self, met: Met, changed: Sequence[Changed], known: dict[int, Known]) -> list[Row]:
        """All pairs that are to be decided about, as rows of those that are kept; ``version`` is
        still to be put in."""
        found: dict[Pair, Decision] = {}
        positions: dict[Pair, int] = {}

        def about(a: Known, b: Known) -> None:
            pair = pair_of(a.patient, b.patient)
            if pair not in found:
                found[pair] = decide(a.record, b.record, self.parameters)
                positions[pair] = max(a.position, b.position)

        for one in changed:
            me = known[met.numbers[one.patient]]
            for key in one.keys:
                for number in met.live.get(key, ()):
                    other = known.get(number)
                    if other is not None and other.patient != one.patient:
                        about(me, other)
        for numbers in met.revived:
            carriers = [known[n] for n in numbers if n in known]
            for i, a in enumerate(carriers):
                for b in carriers[i + 1 :]:
                    about(a, b)
        kept = [(p, d) for p, d in sorted(found.items()) if self._is_kept(d)]
        return [self._row(pair, decision, positions[pair]) for pair, decision in kept]

    def _is_kept(self, decision: Decision) -> bool:
        """Links, reviews, and what would be one if it were not for a guard."""
        if decision.outcome is not Outcome.NEW:
            return True
        _, review = thresholds(decision.comparison, self.parameters)
        return bool(decision.guard) and decision.weight >= review

    def _row(self, pair: Pair, d: Decision, position: int) -> Row:
        fields = _encode(evidence(d, self.parameters).fields).decode()
        return (position, d.weight, 0, d.apart, *pair, str(d.outcome), d.rule, d.guard, fields)

    def steps(self, met: Met, kept: Sequence[Row], version: int) -> tuple[list[Step], set[str]]:
        """Puts the decisions in place of what was decided about the same records before; whose
        clusters may be others now, besides those whom the steps name in their results.

        What was decided about records that do not open stands: nobody can decide it again.
        """
        steps: list[Step] = []
        if met.busy:
            unread = packed("text", sorted(met.unread))
            steps.append((queries.DECISIONS_DROP, (packed("text", met.busy), unread)))
        if met.died:
            most = int4(self.parameters.carriers_max)
            numbers = packed("int4", sorted(set(met.died)))
            steps.append((queries.DECISIONS_FORGET, (numbers, most)))
        if kept:
            rows_ = [(*row[:2], version, *row[3:]) for row in kept]
            columns = zip(queries.DECISION.types, zip(*rows_, strict=True), strict=True)
            steps.append((queries.DECISIONS_PUT, [packed(kind, c) for kind, c in columns]))
        return steps, {p for row in kept for p in row[4:6]} | set(met.busy)
