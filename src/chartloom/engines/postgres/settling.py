"""Who is one person, settled in the transaction of the batch that says something new about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chartloom.domain.grant import Grant
from chartloom.domain.resource import LinkKind
from chartloom.domain.store import Batch
from chartloom.engines.postgres import queries_identity as queries
from chartloom.engines.postgres.access import Claim, believed, entered
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.bodies import Bodies
from chartloom.engines.postgres.calls import Prepared, Result, Step, rows
from chartloom.engines.postgres.clusters import Reclusterer, Settled, Why
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.deciding import (
    Decider,
    Known,
    Met,
    crowded,
    leave_step,
    near_unread,
    put_step,
)
from chartloom.engines.postgres.matching import Changed, MatchIndex, Said
from chartloom.guard import Fetched, Guard
from chartloom.registry.persons import MatchRecord, Pair, Parameters, pair_of


class Settler:
    """Collects what a batch says of who is who, decides, and says what is to be written."""

    def __init__(
        self, guard: Guard, bodies: Bodies, calls: Prepared, parameters: Parameters
    ) -> None:
        self.index = MatchIndex(guard)
        self.parameters = parameters
        self._bodies, self._calls = bodies, calls
        self._decider = Decider(guard, bodies, parameters)
        self._reclusterer = Reclusterer(calls, parameters)
        self._version = 0

    def ready(self, conn: Connection, claimed: Claim) -> None:
        """Makes sure that the parameters are known by a number. ``conn`` must be idle."""
        if not self._version:
            fingerprint = (self.parameters.fingerprint,)
            with entered(conn, claimed):
                conn.execute(queries.PARAMETERS_PUT, fingerprint)
                row = conn.execute(queries.PARAMETERS, fingerprint).fetchone()
            assert row is not None
            self._version = int(row[0])

    def collect(
        self, conn: Connection, claimed: Claim, batch: Batch, revisions: Mapping[str, int]
    ) -> list[Said]:
        """Whose records are to be matched. ``conn`` must be idle."""

        def look_up(patients: Sequence[str]) -> dict[str, bytes]:
            claim, mac = claimed
            values = (claim.encode(), mac, packed("text", patients))
            with believed():
                found = self._calls.one(conn, queries.DIGESTS, values)
            return {patient: bytes(digest) for patient, digest in rows(conn, found)}

        return self.index.said(batch.states, revisions, look_up)

    def put(self, changed: Sequence[Changed]) -> Step:
        """Writes the records; the result is for :meth:`settle`."""
        return put_step(self._bodies, changed, self.parameters.carriers_max)

    def settle(
        self,
        conn: Connection,
        grant: Grant,
        batch: Batch,
        changed: Sequence[Changed],
        found: Result | None,
        mark: int,
    ) -> Settled:
        """Decides; what is still to be written for clusters, reviews and history.

        Within the transaction, which has the lock of all clusters. found: what :meth:`put` gave;
        mark: the guard's, from before that.
        """
        known: dict[int, Known] = {}
        seeds: set[str] = set()
        steps: list[Step] = []
        hidden: list[str] = []
        closed: list[str] = []
        if found is not None:
            met = Met(rows(conn, found), self.parameters.carriers_max)
            known = self._known(grant, met, changed, Fetched(mark, met.keys))
            kept = self._decider.decided(met, changed, known)
            steps, seeds = self._decider.steps(met, kept, self._version)
            hidden, closed = crowded(met, changed), near_unread(met, changed)
        why = _why(batch, changed)
        many = [c.patient for c in changed if c.numerous]
        missed, unread, numerous = (
            [why.changed[p] for p in some if p in why.changed] for some in (hidden, closed, many)
        )
        seeds.update(p for pair, *_ in why.words for p in pair)
        settled = self._clustered(conn, grant, seeds, steps, known, why)
        return settled._replace(missed=missed, unread=unread, numerous=numerous)

    def _clustered(
        self,
        conn: Connection,
        grant: Grant,
        seeds: set[str],
        steps: Sequence[Step],
        known: Mapping[int, Known],
        why: Why,
    ) -> Settled:
        """Runs the steps; what follows from them for whoever hangs together with the seeds and with
        the pairs in their results."""
        if not seeds and not steps:
            return Settled([], [])
        whole = self._reclusterer.whole(conn, seeds, steps)
        at_hand = {k.patient: k.record for k in known.values()}

        def read(patients: Sequence[str]) -> dict[str, MatchRecord]:
            return self._read(conn, grant, patients)

        return self._reclusterer.changes(whole, at_hand, read, why)

    # What other rules found before (rekeying.py)

    def open(
        self, grant: Grant, found: Sequence[tuple[str, bytes, bytes]]
    ) -> list[MatchRecord | None]:
        """Records as they are stored: (patient, digest, body); None for one that does not open."""
        return self._decider.open(grant, found)

    def sought(self, conn: Connection, grant: Grant, met: Met, now_us: int) -> Settled:
        """Decides about records that are others now, and about all who carry some keys."""
        known = self._known(grant, met, ())
        changed = [
            Changed(one.patient, one.position, b"", one.record, tuple(keys))
            for number in met.numbers.values()
            if (one := known.get(number)) is not None
            and (keys := [key for key, carriers in met.live.items() if number in carriers])
        ]
        kept = self._decider.decided(met, changed, known)
        steps, seeds = self._decider.steps(met, kept, self._version)
        said = {k.patient: k.position for k in known.values()}
        why = Why(said, [], dict.fromkeys(said.values(), now_us), told=False)
        return self._clustered(conn, grant, seeds, steps, known, why)

    def swept(self, conn: Connection, grant: Grant, sweep: Step, now_us: int) -> Settled:
        """Clusters of those whose pairs a step took out."""
        why = Why({}, [], {0: now_us}, told=False)
        return self._clustered(conn, grant, set(), [sweep], {}, why)

    # Erasing

    def leave(self, conn: Connection, grant: Grant, patients: Sequence[str]) -> set[str]:
        """Takes records out, as if they had never come; those whose clusters may be others now.

        Within a transaction under a claim for everyone. The rows about them are removed by the
        caller, who then calls :meth:`resettle` with the answer.
        """
        conn.execute(queries.ALONE)
        left = self._reclusterer.whole(conn, patients).ids
        nobody = MatchRecord()
        gone = [Changed(p, 0, b"", nobody, ()) for p in sorted(set(patients))]
        met = Met(
            rows(conn, self._calls.run(conn, [leave_step(gone, self.parameters.carriers_max)])[0]),
            self.parameters.carriers_max,
        )
        known = self._known(grant, met, ())
        kept = self._decider.decided(met, (), known)
        steps, seeds = self._decider.steps(met, kept, self._version)
        left |= self._reclusterer.whole(conn, seeds, steps).ids
        return left.difference(patients)

    def resettle(self, conn: Connection, grant: Grant, seeds: set[str], now_us: int) -> None:
        """Clusters of those whom others left."""

        def read(patients: Sequence[str]) -> dict[str, MatchRecord]:
            return self._read(conn, grant, patients)

        if seeds:
            whole, why = self._reclusterer.whole(conn, seeds), Why({}, [], {0: now_us}, told=False)
            steps = self._reclusterer.changes(whole, {}, read, why).steps
            if steps:
                self._calls.run(conn, steps)

    def _known(
        self,
        grant: Grant,
        met: Met,
        changed: Sequence[Changed],
        fetched: Fetched | None = None,
    ) -> dict[int, Known]:
        others = [(p, d, b) for _, p, _, d, b in met.others]
        opened = self._decider.open(grant, others, met.unread, fetched)
        known = {
            number: Known(patient, position, record)
            for (number, patient, position, *_), record in zip(met.others, opened, strict=True)
            if record is not None
        }
        known.update(
            (met.numbers[c.patient], Known(c.patient, c.position, c.record)) for c in changed
        )
        return known

    def _read(
        self, conn: Connection, grant: Grant, patients: Sequence[str]
    ) -> dict[str, MatchRecord]:
        if not patients:
            return {}
        found: list[tuple[Any, ...]] = rows(
            conn, self._calls.one(conn, queries.MATCH_RECORDS, (packed("text", patients),))
        )
        opened = self._decider.open(grant, found)
        return {
            row[0]: record for row, record in zip(found, opened, strict=True) if record is not None
        }


def _why(batch: Batch, changed: Sequence[Changed]) -> Why:
    new = {c.patient for c in changed}
    last: dict[str, int] = {}
    words: list[tuple[Pair, int, LinkKind]] = []
    for d in batch.derived:
        words += [(pair_of(e.surviving, e.prior), d.position, e.kind) for e in d.links]
        for c in d.contributions:
            if c.source_patient in new and c.resource["resourceType"] == "Patient":
                last[c.source_patient] = max(d.position, last.get(c.source_patient, 0))
    at_us = {m.position: m.received_at_us for m in batch.messages}
    return Why(last, words, at_us)
