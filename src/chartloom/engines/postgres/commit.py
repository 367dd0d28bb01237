"""Applying a batch: one transaction, fenced, and refused as a whole if anything does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import errors

from chartloom.domain.chart import ViewKey
from chartloom.domain.errors import BatchStale, LaneLost
from chartloom.domain.store import Batch
from chartloom.engines.postgres import queries
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.lanes import LanesPart
from chartloom.engines.postgres.persons import PersonIndex
from chartloom.engines.postgres.refusals import refusals
from chartloom.engines.postgres.stats import Applied, FeedMinutes
from chartloom.engines.postgres.writes import Row, Writes, columns, directory_row, fill


class CommitPart(LanesPart):
    """Implements the writing half of the ``Lanes`` port."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._persons = PersonIndex(self._guard)
        self._directory: dict[str, tuple[int, int, int]] = {}
        self._versions: dict[str, int] = {}
        self._minutes: FeedMinutes | None = None
        self._generation = -1

    def commit(self, batch: Batch) -> None:
        """One transaction for all of ``batch``; durable when it returns.

        Raises ``LaneLost`` (claim again), ``BatchStale`` (prefetch and fold again),
        ``BatchRefused`` (halve the batch to find the message) or ``StoreUnavailable``. Whatever is
        raised, nothing of the batch was applied, except that after ``StoreUnavailable`` it may
        have been: what is pending tells.
        """
        with self._lane.use() as conn:
            self._require(conn, list(batch.lanes))
            minutes = self._statistics(conn)
            version = self._version(conn, batch.project_version)
            with refusals():
                writes = fill(batch, self._bodies, self._revisions, version, minutes.shard)
                writes.directory = self._directory_rows(batch)
                try:
                    with conn.transaction():
                        replay_until = self._fence(conn, batch)
                        _write(conn, writes, self._revisions_stale)
                        items = _applied(batch, replay_until)
                        self._finish(conn, batch, writes, items, version, replay_until)
                except BaseException:
                    minutes.undo()
                    raise
            self._remember(batch)

    # Before

    def _statistics(self, conn: Connection) -> FeedMinutes:
        if self._minutes is None:
            row = conn.execute(queries.SHARD).fetchone()
            assert row is not None
            self._minutes = FeedMinutes(row[0])
        return self._minutes

    def _version(self, conn: Connection, fingerprint: str) -> int:
        known = self._versions.get(fingerprint)
        if known is None:
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
        with conn.pipeline():
            locked = conn.execute(queries.FENCE, (lanes,))
            head = conn.execute(queries.GENERATION)
            between = conn.execute(queries.BETWEEN, (lanes, upto))
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
        with conn.pipeline():
            if writes.links:
                conn.execute(queries.LINKS, columns(writes.links))
            if writes.issues:
                conn.execute(queries.ISSUES, columns(writes.issues))
            conn.execute(queries.FEED_OUT, self._minutes.columns(batch.applied_at_us, items))
            conn.execute(
                queries.OUTBOX,
                (
                    batch.applied_at_us,
                    replay_until,
                    batch.live,
                    version,
                    batch.worker,
                    [m.position for m in batch.messages],
                    patients,
                ),
            )
            conn.execute(queries.CURSORS, (list(batch.lanes), list(batch.lanes.values())))
        self._persons.write(conn, batch.derived)

    # After

    def _remember(self, batch: Batch) -> None:
        seen = self._revisions
        for placed in batch.states:
            seen.states[placed.state.id] = seen.states.get(placed.state.id, 0) + 1
        for view in batch.views:
            seen.views[view.key] = seen.views.get(view.key, 0) + 1
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

    def _revisions_stale(self, ids: list[str], keys: list[ViewKey]) -> BatchStale:
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


def _write(conn: Connection, writes: Writes, stale: Any) -> None:
    try:
        _copy(conn, queries.OUTCOME_COPY, queries.OUTCOME_TYPES, writes.outcomes)
        _copy(conn, queries.BUNDLE_COPY, queries.BUNDLE_TYPES, writes.bundles)
    except errors.UniqueViolation as error:
        raise LaneLost("the batch was applied before.", cure="Read what is pending.") from error
    try:
        _copy(conn, queries.RESOURCE_COPY, queries.RESOURCE_TYPES, writes.new_states)
    except errors.UniqueViolation as error:
        raise stale([row[9] for row in writes.new_states], []) from error
    if writes.known_states:
        done = conn.execute(queries.RESOURCE_UPDATE, columns(writes.known_states))
        if done.rowcount != len(writes.known_states):
            hit = {row[0] for row in done.fetchall()}
            raise stale([row[9] for row in writes.known_states if row[9] not in hit], [])
    if writes.directory:
        conn.execute(queries.DIRECTORY_UPSERT, columns(writes.directory))
    try:
        _copy(conn, queries.VIEW_COPY, queries.VIEW_TYPES, writes.new_views)
    except errors.UniqueViolation as error:
        raise stale([], _keys(writes.new_views)) from error
    if writes.known_views:
        done = conn.execute(queries.VIEW_UPDATE, columns(writes.known_views))
        if done.rowcount != len(writes.known_views):
            raise stale([], _keys(writes.known_views))


def _keys(rows: Sequence[Row]) -> list[ViewKey]:
    return [ViewKey(row[4], row[3], row[2]) for row in rows]


def _copy(conn: Connection, query: str, types: Sequence[str], rows: Sequence[Row]) -> None:
    if not rows:
        return
    with conn.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)
