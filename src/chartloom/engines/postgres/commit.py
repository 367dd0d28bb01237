"""Applying a batch: one transaction, fenced, and refused as a whole if anything does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import DatabaseError, errors

from chartloom.domain.chart import ViewKey
from chartloom.domain.errors import BatchStale, LaneLost
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.store import Batch
from chartloom.engines.postgres import batch_calls as calls
from chartloom.engines.postgres import queries_commit as queries
from chartloom.engines.postgres.access import Claim, believed, entered
from chartloom.engines.postgres.audit_log import transformation
from chartloom.engines.postgres.bulk import Row
from chartloom.engines.postgres.calls import BEGIN, COMMIT, Step, rolled_back
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.directory import unknown
from chartloom.engines.postgres.matching import Said
from chartloom.engines.postgres.overlays import OverlayPart, settle_overlays, stopped
from chartloom.engines.postgres.persons import PersonIndex
from chartloom.engines.postgres.refusals import refusals
from chartloom.engines.postgres.revisions import size_of
from chartloom.engines.postgres.settling import Settler
from chartloom.engines.postgres.stats import Applied, FeedMinutes
from chartloom.engines.postgres.writes import Items, Writes, directory_row, fill, with_identity


class CommitPart(OverlayPart):
    """Implements the writing half of the ``Lanes`` port."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._persons = PersonIndex(self._guard)
        self._settler = Settler(self._guard, self._bodies, self._calls, self.parameters)
        self._encoded = Items()
        self._directory: dict[str, tuple[int, int, int]] = {}
        self._versions: dict[str, int] = {}
        self._minutes: FeedMinutes | None = None
        self._generation = -1  #: counts rebuilds; -1: not looked yet
        self._replay_until = 0

    def commit(self, batch: Batch) -> None:
        """One transaction for all of ``batch``; durable when it returns.

        Raises ``LaneLost`` (claim again), ``BatchStale`` (prefetch and fold again),
        ``BatchRefused`` (halve the batch to find the message), ``SubjectShredded`` (prepare, take
        out what is about the shredded, fold again) or ``StoreUnavailable``. Whatever is
        raised, nothing of the batch was applied, except that after ``StoreUnavailable`` it may
        have been: what is pending tells.
        """
        with self._lane.use() as conn:
            self._require(conn, list(batch.lanes))
            claimed = self._going_on()
            minutes = self._ready(conn, claimed)
            version = self._version(conn, claimed, batch.project_version)
            self._settler.ready(conn, claimed)
            with refusals():
                writes = fill(
                    batch, self._bodies, self._revisions, version, minutes.shard, self._encoded
                )
                writes.directory = self._directory_rows(batch)
                try:
                    with self._collisions(writes):
                        self._write(conn, batch, writes, claimed, version)
                except BaseException:
                    minutes.undo()
                    raise
            self._remember(batch, writes)

    # Before

    def _ready(self, conn: Connection, claimed: Claim) -> FeedMinutes:
        """What a new session has to know first: its own rows of statistics, and whether the log is
        read for the first time."""
        if self._minutes is None or self._generation < 0:
            with entered(conn, claimed):
                shard = conn.execute(queries.SHARD).fetchone()
                head = conn.execute(queries.GENERATION).fetchone()
            assert shard is not None
            assert head is not None
            self._minutes = self._minutes or FeedMinutes(shard[0])
            if self._generation < 0:
                self._generation, self._replay_until = head
        return self._minutes

    def _version(self, conn: Connection, claimed: Claim, fingerprint: str) -> int:
        known = self._versions.get(fingerprint)
        if known is None:
            with entered(conn, claimed):
                conn.execute(queries.VERSION_INSERT, (fingerprint, None))
                row = conn.execute(queries.VERSION_ID, (fingerprint,)).fetchone()
            assert row is not None
            known = self._versions[fingerprint] = int(row[0])
        return known

    def _directory_rows(self, batch: Batch) -> list[Row]:
        """Only statements that beat what we know to be stored; one per resource."""
        best: dict[str, tuple[tuple[int, int, int], Row]] = {}
        for item, rank in sorted(batch.directory, key=lambda d: d[1]):
            if rank > self._directory.get(item.id, (-1, 0, 0)):
                best[item.id] = (rank, directory_row(self._bodies, item, rank))
        return [best[id][1] for id in sorted(best)]

    # Within

    def _write(
        self, conn: Connection, batch: Batch, writes: Writes, claimed: Claim, version: int
    ) -> None:
        """One round trip; a few more where it has to be decided who is who now."""
        assert self._minutes is not None
        steps = [
            calls.write(claimed, self._generation, batch, writes, version, self._replay_until),
        ]
        if writes.care_again_of:
            steps.append(calls.care_again(writes.care_again_of, writes.care_again))
        if writes.label_words:
            steps.append(calls.labels(writes.label_words))
        halted = stopped(batch)
        steps += halted + unknown(self._guard, batch, self._minutes.shard)
        said = self._settler.collect(conn, claimed, batch, self._revisions.states)
        if said or writes.links or halted:
            try:
                self._write_settling(conn, batch, writes, steps, said)
            except BaseException:
                rolled_back(conn)
                raise
            return
        steps += self._who(batch, writes, alone=False)
        self._calls.run(conn, [*steps, self._ending(batch)(writes.issues)])

    def _write_settling(
        self,
        conn: Connection,
        batch: Batch,
        writes: Writes,
        steps: Sequence[Step],
        said: Sequence[Said],
    ) -> None:
        """The same where records are matched or somebody spoke of two. The server works on what was
        sent while the next is made ready; the lock of all clusters is asked for last."""
        mark = self._guard.mark
        self._calls.ahead(conn, [(BEGIN, ()), *steps], calls.SETTLING)
        changed = self._settler.index.records(said)
        steps = self._who(batch, writes, alone=True)
        if changed:
            steps.append(self._settler.put(changed))
        self._calls.ahead(conn, steps)
        end = self._ending(batch)
        found = self._calls.run(conn, [])[-1]
        grant = self._last_grant or self._services.grant()
        settled = self._settler.settle(
            conn, grant, batch, changed, found if changed else None, mark
        )
        if writes.links or stopped(batch):
            settle_overlays(conn, self._calls, batch)
        assert self._minutes is not None
        issues = with_identity(writes.issues, batch, settled, self._minutes.shard)
        self._calls.run(conn, [*settled.steps, end(issues), (COMMIT, ())])

    def _who(self, batch: Batch, writes: Writes, *, alone: bool) -> list[Step]:
        """Who there is, and what is said of them. alone: who is one person may change."""
        who = self._persons.collect(batch.derived, batch.messages)
        steps = [calls.persons(who, writes.links, alone)] if any(who) or alone else []
        if writes.words:
            steps.append(calls.words(writes.words))
        return steps

    def _ending(self, batch: Batch) -> Callable[[Sequence[Row]], Step]:
        """Statistics and record of a batch, but for its issues."""
        assert self._minutes is not None
        entry = transformation(batch, self._clock.now_us())
        minutes = self._minutes.rows(batch.applied_at_us, _applied(batch, self._replay_until))
        return lambda issues: calls.end(self._prepared_epoch, entry, minutes, issues)

    @contextmanager
    def _collisions(self, writes: Writes) -> Iterator[None]:
        """What the calls found that does not fit, as what the worker has to do about it."""
        try:
            with believed():
                yield
        except errors.UniqueViolation as error:
            name = error.diag.table_name
            if name == queries.RESOURCE.name:
                raise self._stale([row[9] for row in writes.new_states], []) from None
            if name == queries.VIEW.name:
                raise self._stale([], _keys(writes.new_views)) from None
            raise LaneLost("the batch was applied before.", cure="Read what is pending.") from None
        except DatabaseError as error:
            self._tell(error, writes)
            raise

    def _tell(self, error: DatabaseError, writes: Writes) -> None:
        """Raises what one of our own SQLSTATEs means (see ``sql/0012_batch.sql``)."""
        if error.sqlstate == "CL002":
            raise LaneLost(
                "the batch is not what comes next in its lanes.", cure="Read again."
            ) from None
        if error.sqlstate == "CL003":
            self._generation = -1
            self._forget()
            raise LaneLost(
                "the log was rewound for a rebuild.", cure="Read what is pending."
            ) from None
        if error.sqlstate == "CL004" and error.diag.table_name == queries.RESOURCE.name:
            raise self._stale([row[9] for row in writes.known_states], []) from None
        if error.sqlstate == "CL004":
            raise self._stale([], _keys(writes.known_views)) from None
        if error.sqlstate == "CL005":  # since prepare: the batch may speak of that subject
            self._guard.look(now=True)
            self._forget()
            raise SubjectShredded(()) from None

    # After

    def _remember(self, batch: Batch, writes: Writes) -> None:
        self._consumed.committed([m.position for m in batch.messages])
        self._untold = frozenset()  # of what is left of them something may be written now
        seen = self._revisions
        states = {placed.state.id: placed for placed in batch.states}
        keep = seen.kept_states.put
        for row in (*writes.new_states, *writes.known_states):
            placed = states[row[9]]
            if placed.series:
                seen.kept_states.drop(row[9])
            else:
                keep(row[9], placed.state, row[3], size_of(row[13]))
        views = {view.key: view for view in batch.views}
        rows = (*writes.new_views, *writes.known_views)
        for key, row in zip(_keys(rows), rows, strict=True):
            seen.kept_views.put(key, views[key], row[0], len(row[5]))
        seen.settle()
        for item, rank in batch.directory:
            self._directory[item.id] = max(rank, self._directory.get(item.id, rank))
        self._persons.committed()
        self._settler.index.committed()
        if self._minutes is not None:
            self._minutes.settle()

    def _forget(self) -> None:
        """What we remember of the store may not be true any more."""
        super()._forget()
        self._directory.clear()
        self._persons.clear()
        self._settler.index.clear()
        self._minutes = None  # a new row of our own: totals begin at zero again

    def _stale(self, ids: list[str], keys: list[ViewKey]) -> BatchStale:
        self._revisions.forget(ids, keys)
        self._untold = frozenset()
        named = (*ids, *(k.source_patient for k in keys))
        return BatchStale("another worker changed what the batch was folded on.", ids=named)


def _applied(batch: Batch, replay_until: int) -> list[Applied]:
    received = {m.position: m.received_at_us for m in batch.messages}
    feeds = {m.position: m.feed for m in batch.messages}
    return [
        Applied(
            feeds[d.position],
            len(d.issues),
            bool(d.quarantine),
            d.event_us,
            max(0, batch.applied_at_us - received[d.position])
            if batch.live and d.position > replay_until
            else -1,
        )
        for d in batch.derived
    ]


def _keys(rows: Sequence[Row]) -> list[ViewKey]:
    return [ViewKey(row[4], row[3], row[2], row[6]) for row in rows]
