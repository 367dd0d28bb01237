"""Records that other rules stored are given the keys of now, a few at a time, while work goes on.

The three stages, and why nobody is parted on the way, are in ``sql/0036_rekeying.sql``. What is
left to do is rows there: a step is one transaction, any number of workers take steps, and one that
was killed is as if it had not begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from chartloom.domain.audit import AuditEntry
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.identity import Rekeying
from chartloom.engines.postgres import queries, queries_identity
from chartloom.engines.postgres.access import Claim, entered
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.calls import Statement, Step, call, int4, int8, rows
from chartloom.engines.postgres.clusters import Settled
from chartloom.engines.postgres.commit import CommitPart
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.deciding import Met
from chartloom.engines.postgres.matching import Changed, changed_of, key_numbers
from chartloom.engines.postgres.refusals import refusals
from chartloom.guard.audit import Actor, Context, entry, events
from chartloom.registry.persons import MatchRecord
from chartloom.registry.persons.rules import rules

_TAKE: Final = Statement("stale_take", "SELECT * FROM match_stale_take($1)", ("int4",))
_REKEY: Final = call(
    "match_rekey",
    (
        *("int4[]", "int4[]", "bytea[]", "int8[]", "bytea[]", "bytea[]", "bool[]"),
        *("int8[]", "int4[]", "int4"),
    ),
)
_SEEK: Final = Statement(
    "match_seek",
    "SELECT kind, key, numbers, added, gone, number, source_patient, position, digest, body, busy"
    " FROM match_seek($1, $2, $3)",
    ("int4", "int4", "int4"),
)
_SWEEP: Final = Statement(
    "match_sweep", "SELECT low, high FROM match_sweep($1, $2, $3)", ("int4", "int4", "int8")
)
_TOLD: Final = call("rekeyed_told", ("text[]", "int8", "text"))
_END: Final = call("rekeyed_end", ("int8[]", "bytea[]"))
_PUT: Final = "SELECT rules_put(%s, %s, %s)"
_STATUS: Final = """
    SELECT started_us, ended_us, records, keyed, due, sought, swept FROM match_rules
    ORDER BY run DESC LIMIT 1"""


class Stale(NamedTuple):
    """A record as other rules stored it."""

    number: int
    anew: bool
    patient: str
    position: int
    digest: bytes
    body: bytes
    keys: Sequence[int]


class RekeyingPart(CommitPart):
    """Implements ``Lanes.rekey`` and ``Identities.rekeying``."""

    def migrate(self) -> None:
        """As it is there; says besides by which rules records are stored from now on."""
        super().migrate()
        now = rules()
        with self._admin.use() as conn:
            conn.execute(_PUT, (now.traits, now.keys, self._clock.now_us()))
        self._admin.close()

    def rekeying(self, grant: Grant) -> Rekeying | None:
        """How far it is with records of other rules; None if there never were any rules."""
        with self._reading(grant) as conn:
            row = conn.execute(_STATUS).fetchone()
        return None if row is None else Rekeying(*row)

    def rekey(self, grant: Grant, worker: str, most: int) -> int | None:
        """One step: about up to ``most`` records or keys. How many it was about; 0 if others are at
        what is left of the stage, None if nothing is to be done."""
        self._verify_for_all(grant)
        claimed = self._entry(grant)
        with self._lane.use() as conn, refusals():
            self._settler.ready(conn, claimed)
            with entered(conn, claimed):
                row = conn.execute(_STATUS).fetchone()
                if row is None or row[1]:
                    return None
                for step in (self._keyed, self._sought, self._swept):
                    if done := step(conn, grant, claimed, worker, most):
                        return done
        return 0

    # Keys

    def _keyed(self, conn: Connection, grant: Grant, claimed: Claim, worker: str, most: int) -> int:
        result = self._calls.one(conn, _TAKE, (int4(most),))
        taken = [Stale(*row) for row in rows(conn, result)]
        if not taken:
            return 0
        here = [one for one in taken if one.patient is not None]
        opened = self._settler.open(grant, [(s.patient, s.digest, s.body) for s in here])
        readable = [s for s, record in zip(here, opened, strict=True) if record is not None]
        now = self._anew(conn, grant, claimed, [s.patient for s in readable if s.anew])
        settled = [one.number for one in taken if one.patient is None]
        changes: list[tuple[Any, ...]] = []
        keys: list[tuple[int, int]] = []
        for old, record in zip(here, opened, strict=True):
            new = None if record is None else self._now(old, record, now.get(old.patient))
            if new is None or (new.digest == old.digest and set(new.keys) == set(old.keys)
                               and new.record == record):  # fmt: skip
                settled.append(old.number)
                continue
            whole = new.digest != old.digest or new.record != record
            body = self._bodies.seal_match(new.patient, new.digest, new.record) if whole else b""
            afresh = new.record != record
            changes.append((old.number, old.digest, new.position, new.digest, body, afresh))
            keys += [(key, len(changes)) for key in new.keys]
        end = self._end(worker, "keys", len(taken))
        self._calls.run(conn, [self._rekey_step(settled, changes, keys), end])
        return len(taken)

    def _rekey_step(
        self,
        settled: Sequence[int],
        changes: Sequence[tuple[Any, ...]],
        keys: Sequence[tuple[int, int]],
    ) -> Step:
        kinds = ("int4", "bytea", "int8", "bytea", "bytea", "bool")
        columns = list(zip(*changes, strict=True)) or [()] * len(kinds)
        values = (
            packed("int4", settled),
            *(packed(kind, column) for kind, column in zip(kinds, columns, strict=True)),
            packed("int8", [key for key, _ in keys]),
            packed("int4", [place for _, place in keys]),
            int4(self.parameters.carriers_max),
        )
        return _REKEY, values

    def _anew(
        self, conn: Connection, grant: Grant, claimed: Claim, patients: Sequence[str]
    ) -> dict[str, Changed]:
        """What is matched now of some Patients, from how they are known."""
        if not patients:
            return {}
        claim, mac = claimed
        values = (claim.encode(), mac, packed("text", patients))
        found = rows(conn, self._calls.one(conn, queries.CURRENT_STATES, values))
        states = self._bodies.open_states(grant, found)
        index = self._settler.index
        return {
            s.source_patient: changed_of(self._guard, s.source_patient, s, index.digest(s.resource))
            for s in states
            if s.resource["resourceType"] == "Patient" and s.resource["id"] == s.source_patient
        }

    def _now(self, old: Stale, record: MatchRecord, anew: Changed | None) -> Changed:
        if anew is not None:
            return anew
        numbers = key_numbers(self._guard, record)
        return Changed(old.patient, old.position, old.digest, record, numbers)

    # Pairs

    def _sought(
        self, conn: Connection, grant: Grant, claimed: Claim, worker: str, most: int
    ) -> int:
        carriers_max = self.parameters.carriers_max
        conn.execute(queries_identity.ALONE)
        before = _status(conn)
        values = (int4(most), int4(most), int4(carriers_max))
        found = rows(conn, self._calls.one(conn, _SEEK, values))
        met = Met(found, carriers_max)
        done = len(met.numbers) or _status(conn).sought - before.sought
        if done:
            now_us = self._clock.now_us()
            settled = self._settler.sought(conn, grant, met, now_us)
            end = self._end(worker, "seek", done)
            self._calls.run(conn, [*self._told(settled, worker, now_us), end])
        return done

    def _swept(self, conn: Connection, grant: Grant, claimed: Claim, worker: str, most: int) -> int:
        """``most`` is of records; decisions are looked at by the server alone."""
        conn.execute(queries_identity.ALONE)
        now_us = self._clock.now_us()
        sweep = (_SWEEP, (int4(most * 4), int4(self.parameters.carriers_max), int8(now_us)))
        before = _status(conn)
        settled = self._settler.swept(conn, grant, sweep, now_us)
        done = _status(conn).swept - before.swept
        if done:
            end = self._end(worker, "sweep", done)
            self._calls.run(conn, [*self._told(settled, worker, now_us), end])
        return done

    def _told(self, settled: Settled, worker: str, now_us: int) -> Iterator[Step]:
        """What has to be written; who follows the outbox is told of those who moved."""
        yield from settled.steps
        if settled.moved:
            moved = packed("text", settled.moved)
            yield _TOLD, (moved, int8(now_us), worker.encode())

    def _end(self, worker: str, stage: str, count: int) -> Step:
        made = _record(worker, stage, count, self._clock.now_us())
        return _END, (packed("int8", [made.at_us]), packed("bytea", [made.body]))


def _status(conn: Connection) -> Rekeying:
    row = conn.execute(_STATUS).fetchone()
    assert row is not None
    return Rekeying(*row)


def _record(worker: str, stage: str, count: int, now_us: int) -> AuditEntry:
    actor = Actor(f"service:{worker}", service=True)
    about = Context(now_us, actor, purpose=Purpose.OPERATIONS, observer=worker)
    return entry(events.rekeyed(about, stage, count))
