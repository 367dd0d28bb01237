"""Applying a batch: one transaction, fenced, and refused as a whole if anything does not fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg import errors

from chartloom.domain.chart import ViewKey
from chartloom.domain.errors import BatchStale, LaneLost
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.store import Batch
from chartloom.engines.postgres import bulk, care
from chartloom.engines.postgres import queries_commit as queries
from chartloom.engines.postgres.access import Claim, entered
from chartloom.engines.postgres.arrays import array
from chartloom.engines.postgres.audit_log import BATCH_RECORD, transformation
from chartloom.engines.postgres.bulk import Row
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.lanes import LanesPart
from chartloom.engines.postgres.persons import PersonIndex
from chartloom.engines.postgres.refusals import refusals
from chartloom.engines.postgres.stats import Applied, FeedMinutes
from chartloom.engines.postgres.writes import Items, Writes, directory_row, fill


class CommitPart(LanesPart):
    """Implements the writing half of the ``Lanes`` port."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._persons = PersonIndex(self._guard)
        self._encoded = Items()
        self._directory: dict[str, tuple[int, int, int]] = {}
        self._versions: dict[str, int] = {}
        self._minutes: FeedMinutes | None = None
        self._generation = -1

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
            claimed = self._entry()
            minutes = self._statistics(conn, claimed)
            version = self._version(conn, claimed, batch.project_version)
            with refusals():
                writes = fill(
                    batch, self._bodies, self._revisions, version, minutes.shard, self._encoded
                )
                writes.directory = self._directory_rows(batch)
                try:
                    with self._collisions(writes), bulk.transaction(conn, claimed):
                        replay_until = self._fence(conn, batch)
                        self._write_rows(conn, writes)
                        items = _applied(batch, replay_until)
                        self._finish(conn, batch, writes, items, version, replay_until)
                except BaseException:
                    minutes.undo()
                    raise
            self._remember(batch, writes)

    # Before

    def _statistics(self, conn: Connection, claimed: Claim) -> FeedMinutes:
        if self._minutes is None:
            with entered(conn, claimed):
                row = conn.execute(queries.SHARD).fetchone()
            assert row is not None
            self._minutes = FeedMinutes(row[0])
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

    def _fence(self, conn: Connection, batch: Batch) -> int:
        """Locks the lanes and makes sure that the batch is exactly what comes next in them."""
        lanes = sorted(batch.lanes)
        upto = [batch.lanes[lane] for lane in lanes]
        locked = conn.execute(queries.FENCE, (array("int2", lanes),))
        head = conn.execute(queries.GENERATION)
        between = conn.execute(queries.BETWEEN, (array("int2", lanes), array("int8", upto)))
        cursors: dict[int, int] = dict(locked.fetchall())
        row = head.fetchone()
        expected: dict[int, int] = dict(between.fetchall())
        assert row is not None
        if row[0] != self._generation:
            first_look, self._generation = self._generation < 0, row[0]
            if not first_look:
                self._forget()
                raise LaneLost("the log was rewound for a rebuild.", cure="Read what is pending.")
        again = [m.position for m in batch.messages if m.position <= cursors[m.lane]]
        counts = dict.fromkeys(lanes, 0)
        for m in batch.messages:
            counts[m.lane] += m.position > cursors[m.lane]
        if any(counts[lane] != expected[lane] for lane in lanes):
            raise LaneLost("the batch is not what comes next in its lanes.", cure="Read again.")
        if again:
            taken = conn.execute(queries.RETRY_TAKE, (again,)).fetchall()
            if len(taken) != len(again):
                raise LaneLost("the batch was applied before.", cure="Read what is pending.")
        return int(row[1])

    def _write_rows(self, conn: Connection, writes: Writes) -> None:
        """States before directory before views, each sorted: no two commits lock crosswise."""
        bulk.insert(conn, queries.OUTCOME, writes.outcomes)
        bulk.insert(conn, queries.BUNDLE, writes.bundles)
        bulk.insert(conn, queries.RESOURCE, writes.new_states)
        states = views = None
        if writes.known_states:
            states = conn.execute(
                queries.RESOURCE_UPDATE, bulk.columns(queries.RESOURCE, writes.known_states)
            )
        if writes.directory:
            conn.execute(queries.DIRECTORY_UPSERT, bulk.columns(queries.RESOURCE, writes.directory))
        bulk.insert(conn, queries.VIEW, writes.new_views)
        if writes.known_views:
            views = conn.execute(
                queries.VIEW_UPDATE, bulk.columns(queries.VIEW, writes.known_views)
            )
        if states is not None:
            hit = {row[0] for row in states.fetchall()}
            if len(hit) != len(writes.known_states):
                ids = [row[9] for row in writes.known_states if row[9] not in hit]
                raise self._stale(ids, [])
        if views is not None and len(views.fetchall()) != len(writes.known_views):
            raise self._stale([], _keys(writes.known_views))

    @contextmanager
    def _collisions(self, writes: Writes) -> Iterator[None]:
        """A row that is there already tells, by its table, what happened meanwhile."""
        try:
            yield
        except errors.UniqueViolation as error:
            name = error.diag.table_name
            if name == queries.RESOURCE.name:
                raise self._stale([row[9] for row in writes.new_states], []) from None
            if name == queries.VIEW.name:
                raise self._stale([], _keys(writes.new_views)) from None
            raise LaneLost("the batch was applied before.", cure="Read what is pending.") from None

    def _finish(
        self,
        conn: Connection,
        batch: Batch,
        writes: Writes,
        items: Sequence[Applied],
        version: int,
        replay_until: int,
    ) -> None:
        assert self._minutes is not None
        patients = sorted({row[2] for row in writes.bundles} - {""})
        if writes.links:
            bulk.insert(conn, queries.LINK, writes.links)
        if writes.care_again_of:
            of, again = array("text", writes.care_again_of), writes.care_again
            conn.execute(care.CARE_GONE, (of, *bulk.columns(care.CARE, again)))
            conn.execute(care.CARE_AGAIN, (*bulk.columns(care.CARE, again), of))
        bulk.insert(conn, care.CARE, writes.care)
        if labels := sorted(writes.person_labels.items()):
            patients_labels = (
                array("int4", [n for _, n in labels]),
                array("text", [p for p, _ in labels]),
            )
            conn.execute(care.PERSON_LABELS, patients_labels)
        if writes.issues:
            conn.execute(queries.ISSUES, bulk.columns(queries.ISSUE_DAY, writes.issues))
        rows = self._minutes.rows(batch.applied_at_us, items)
        conn.execute(queries.FEED_OUT, bulk.columns(queries.FEED_MINUTE_OUT, rows))
        conn.execute(
            queries.OUTBOX,
            (
                batch.applied_at_us,
                replay_until,
                batch.live,
                version,
                batch.worker,
                array("int8", [m.position for m in batch.messages]),
                array("text", patients),
            ),
        )
        conn.execute(
            queries.CURSORS,
            (array("int2", list(batch.lanes)), array("int8", list(batch.lanes.values()))),
        )
        self._persons.write(conn, batch.derived)
        self._record(conn, batch)

    def _record(self, conn: Connection, batch: Batch) -> None:
        """Last, for it locks the audit log. Raises ``SubjectShredded`` if a key was destroyed since
        :meth:`prepare`: the batch may speak of that subject."""
        epoch = self._prepared_epoch
        entry = transformation(batch, self._clock.now_us())
        columns = (array("int8", [entry.at_us]), array("bytea", [entry.body]))
        row = conn.execute(BATCH_RECORD, (*self._service(), epoch, *columns)).fetchone()
        assert row is not None
        if epoch not in (row[0], -1):
            self._guard.look(now=True)
            self._forget()
            raise SubjectShredded(())

    # After

    def _remember(self, batch: Batch, writes: Writes) -> None:
        seen = self._revisions
        states = {placed.state.id: placed for placed in batch.states}
        keep = seen.kept_states.put
        for row in (*writes.new_states, *writes.known_states):
            placed = states[row[9]]
            if placed.series:
                seen.kept_states.drop(row[9])
            else:
                keep(row[9], placed.state, row[3], len(row[13]))
        views = {view.key: view for view in batch.views}
        rows = (*writes.new_views, *writes.known_views)
        for key, row in zip(_keys(rows), rows, strict=True):
            seen.kept_views.put(key, views[key], row[0], len(row[5]))
        seen.settle()
        for item, rank in batch.directory:
            self._directory[item.id] = max(rank, self._directory.get(item.id, rank))
        self._persons.committed()
        if self._minutes is not None:
            self._minutes.settle()

    def _forget(self) -> None:
        """What we remember of the store may not be true any more."""
        super()._forget()
        self._directory.clear()
        self._persons.clear()
        self._minutes = None  # a new row of our own: totals begin at zero again

    def _stale(self, ids: list[str], keys: list[ViewKey]) -> BatchStale:
        self._revisions.forget(ids, keys)
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
