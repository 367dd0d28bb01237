"""The log as workers consume it. A lease is an advisory lock of the worker's own connection.

So a lease cannot outlive its worker, and a batch cannot be committed without the leases it was
read under: with the connection both are gone, and what follows starts by claiming again.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from chartloom.domain.chart import Section, ViewKey
from chartloom.domain.errors import LaneLost, LimitExceeded, StoreDamaged
from chartloom.domain.grant import Grant
from chartloom.domain.message import Message
from chartloom.domain.resource import ResourceState
from chartloom.domain.store import Prefetched, Wanted
from chartloom.engines.postgres import queries, trouble
from chartloom.engines.postgres.access import Claim, believed, claim, entered
from chartloom.engines.postgres.arrays import array, packed
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.calls import Prepared, Step, int4, int8, rows
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.consumed import Consumed
from chartloom.engines.postgres.refusals import refusals
from chartloom.engines.postgres.revisions import Revisions, size_of

#: How often lanes that somebody else holds are asked for again.
CLAIM_EVERY_S = 0.5


class LanesPart(StoreBase):
    """Implements the reading half of the ``Lanes`` port. One worker (thread) per store object."""

    _held: frozenset[int] = frozenset()
    _held_by: Connection | None = None
    _asked_at_s = 0.0
    _asked_now = False
    _worker = ""
    _epoch = -1  #: as of which nothing is remembered of subjects whose keys were destroyed
    _prepared_epoch = -1
    _fair = 1
    _present_on: Connection | None = None
    _last_grant: Grant | None = None
    _last_claim: Claim = ("", b"")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._calls = Prepared()
        self._consumed = Consumed()
        self._revisions = Revisions()
        self._deaths = trouble.Deaths()
        self._survived: frozenset[int] = frozenset()  # held before our connection broke
        #: Source patients of what is pending of whom nothing was written when it was read.
        self._untold: frozenset[str] = frozenset()

    def claim(self, worker: str, share: int) -> list[int]:
        """Leases a fair part of the lanes, at most ``share``, and gives back what is above it.

        Fair is what all workers that are alive now can have alike; it is looked at now and then, so
        that calling this often is cheap.
        """
        self._guard.look()
        if self._guard.epoch != self._epoch:  # a key was destroyed: memory forgets as well
            self._forget()
        with self._lane.use() as conn:
            held = self._still_held(conn)
            if self._due(worker):
                self._first_day(conn)
                self._fair = self._fair_share(conn)
            share = min(share, self._fair)
            if len(held) > share:
                self._give(conn, sorted(held)[share:])
            elif len(held) < share and self._asked_now:
                self._take(conn, worker, share - len(held))
            return sorted(self._held)

    def _fair_share(self, conn: Connection) -> int:
        """All lanes by all workers; each tells by an advisory lock that it is alive."""
        if self._present_on is not conn:
            conn.execute(queries.WORKER_PRESENT, (queries.WORKER_KEY_CLASS,))
            self._present_on = conn
        row = conn.execute(queries.WORKERS_PRESENT, (queries.WORKER_KEY_CLASS,)).fetchone()
        workers = int(row[0]) if row is not None else 1
        return -(-self._lanes // max(1, workers))

    def _due(self, worker: str) -> bool:
        now = time.monotonic()
        due = worker != self._worker or now - self._asked_at_s >= CLAIM_EVERY_S or not self._held
        if due:
            self._worker, self._asked_at_s = worker, now
        self._asked_now = due
        return due

    def _still_held(self, conn: Connection) -> frozenset[int]:
        if self._held_by is not conn:  # reopened: the leases died with the old one
            self._survived |= self._held
            self._held, self._held_by = frozenset(), conn
            self._deaths.clear()
            self._forget()
        return self._held

    def _forget(self) -> None:
        """Drops what is remembered of rows that others may have written meanwhile."""
        self._revisions.clear()
        self._untold = frozenset()
        self._consumed.forget()
        self._epoch = self._guard.epoch

    def prepare(self, subjects: Collection[str]) -> frozenset[str]:
        """Makes their keys ready; the subjects whose key was destroyed.

        What is committed next must be free of those: the commit makes sure that none was destroyed
        meanwhile.
        """
        shredded = self._guard.prepare(subjects)
        self._prepared_epoch = self._guard.epoch
        return shredded

    def _take(self, conn: Connection, worker: str, count: int) -> None:
        # Workers start looking at different lanes, so that they seldom ask for the same.
        start = int.from_bytes(hashlib.sha256(worker.encode()).digest()[:2]) % self._lanes
        wanted = [(start + i) % self._lanes for i in range(self._lanes)]
        got: set[int] = set()
        for lane in wanted:
            if len(got) == count:
                break
            if lane not in self._held:
                row = conn.execute(queries.LANE_TRY, (queries.LANE_KEY_CLASS, lane)).fetchone()
                if row is not None and row[0]:
                    got.add(lane)
        if got:
            self._held |= got
            self._consumed.forget()  # somebody else may have consumed them further
            values = {
                "owner": worker,
                "survived": array("int2", sorted(self._survived)),
                "lanes": array("int2", sorted(got)),
            }
            with entered(conn, self._service()):
                self._deaths.took(conn.execute(queries.LANE_TAKE, values).fetchall())
            self._survived -= got

    def _give(self, conn: Connection, lanes: Sequence[int]) -> None:
        with entered(conn, self._service()):
            conn.execute(queries.LANE_OWNER, ("", list(lanes)))
        # After the commit: whoever takes them next must not find our name there.
        conn.execute(queries.LANE_UNLOCK, (queries.LANE_KEY_CLASS, list(lanes)))
        self._held -= frozenset(lanes)

    def release(self, worker: str) -> None:
        """Gives all lanes back, and no share is kept for this worker any more."""
        with self._lane.use() as conn:
            if held := sorted(self._still_held(conn)):
                self._give(conn, held)
            if self._present_on is conn:
                conn.execute(queries.WORKER_GONE, (queries.WORKER_KEY_CLASS,))
        self._worker, self._present_on = "", None

    def _entry(self, grant: Grant) -> Claim:
        """The claim of a grant. Raises ``GrantRefused`` if it is not valid (any more)."""
        self._verify(grant)  # a claim that was made before says nothing new about it
        if grant is not self._last_grant:
            self._last_grant, self._last_claim = grant, claim(self._guard, grant)
        return self._last_claim

    def _going_on(self) -> Claim:
        """The claim of the last grant: a commit goes on under what was read by it."""
        return self._service() if self._last_grant is None else self._entry(self._last_grant)

    def _require(self, conn: Connection, lanes: Sequence[int]) -> None:
        if not self._still_held(conn).issuperset(lanes):
            raise LaneLost("the worker does not hold these lanes.", cure="Claim again.")

    def pending(self, grant: Grant, lanes: Sequence[int], limit: int) -> list[Message]:
        """The next messages of the lanes in position order, at most ``PENDING_BYTES_MAX`` bytes.

        Messages put back by ``retry`` come first. One that cannot be read, or that killed workers
        again and again, has a ``fault``. Raises ``LaneLost`` for lanes that this store
        object does not hold (any more).
        """
        claimed = self._entry(grant)
        try:
            with self._lane.use() as conn, believed():
                self._require(conn, lanes)
                if self._deaths:
                    enter = partial(entered, conn, claimed)
                    alone = self._deaths.single(enter, self._bodies, grant, lanes, limit)
                    if alone:
                        return self._handing_out(alone)
                found = self._pending_rows(conn, claimed, lanes, limit)
            self._guard.prepare({row[6] for row in found})
            return self._handing_out([trouble.message(self._bodies, grant, row) for row in found])
        except (StoreDamaged, LimitExceeded):
            self._consumed.forget()
            with self._lane.use() as conn:
                self._require(conn, lanes)
                enter = partial(entered, conn, claimed)
                return self._handing_out(trouble.apart(enter, self._bodies, grant, lanes, limit))

    def _handing_out(self, messages: list[Message]) -> list[Message]:
        self._consumed.handing_out([m.position for m in messages])
        return messages

    def _pending_rows(
        self, conn: Connection, claimed: Claim, lanes: Sequence[int], limit: int
    ) -> list[tuple[Any, ...]]:
        claim, mac = claimed
        after = self._consumed.upto(lanes)
        while True:
            values = (
                claim.encode(),
                mac,
                packed("int2", lanes),
                None if after is None else int8(after),
                int4(limit),
                int8(trouble.PENDING_BYTES_MAX),
                int4(min(limit, trouble.RETRIES_MAX)),
            )
            found = rows(conn, self._calls.one(conn, queries.PENDING, values))
            head, generation = found[0][:2]
            if after is None or self._consumed.generation == generation:
                break
            after = None  # the log was rewound meanwhile
        messages = [row[2:-1] for row in found if row[2] is not None]
        self._untold = frozenset(row[8] for row in found if row[8] and not row[-1])
        if head is not None:  # else these are tried again, and the lanes are where they were
            self._consumed.read(lanes, generation, messages[-1][0] if messages else head)
        return messages

    def prefetch(self, grant: Grant, wanted: Wanted) -> Prefetched:
        """Current states and views; remembers their revisions for the commit that follows.

        What this worker wrote or read shortly before is not read again: if another worker has
        changed it meanwhile, the commit is refused as stale, and then it is. The same goes for
        those of whom nothing was written when their messages were read.
        """
        self._entry(grant)
        with self._lane.use() as conn, refusals():
            self._still_held(conn)
            found = self._kept(wanted) if self._guard.covers(grant, "") else Prefetched({}, {})
            # If another worker was first with one of whom nothing was written, the commit is stale.
            untold = self._untold
            ids = sorted(wanted.resource_ids.difference(found.states, untold))
            views = wanted.views.difference(found.views)
            keys = sorted([key for key in views if key.source_patient not in untold])
            if ids or keys:
                self._read(conn, grant, ids, keys, found)
        return found

    def _kept(self, wanted: Wanted) -> Prefetched:
        seen, found = self._revisions, Prefetched({}, {})
        for id in wanted.resource_ids:
            if (state := seen.kept_states.get(id)) is not None:
                found.states[id], seen.states[id] = state
        for key in wanted.views:
            if (view := seen.kept_views.get(key)) is not None:
                found.views[key], seen.views[key] = view
        return found

    def _read(
        self,
        conn: Connection,
        grant: Grant,
        ids: Sequence[str],
        keys: Sequence[ViewKey],
        found: Prefetched,
    ) -> None:
        claim, mac = self._going_on()
        steps: list[Step] = []
        if ids:
            steps.append((queries.CURRENT_STATES, (claim.encode(), mac, packed("text", ids))))
        if keys:
            columns = (
                packed("text", [k.source_patient for k in keys]),
                packed("int2", [k.section for k in keys]),
                packed("int4", [k.part for k in keys]),
                packed("int4", [k.labels for k in keys]),
            )
            steps.append((queries.CURRENT_VIEWS, (claim.encode(), mac, *columns)))
        with believed():
            results = [rows(conn, result) for result in self._calls.run(conn, steps)]
        state_rows = results[0] if ids else []
        view_rows = results[-1] if keys else []
        seen = self._revisions
        opened = self._bodies.open_states(grant, state_rows)
        for state, (id, _, directory, revision, body, *_) in zip(opened, state_rows, strict=True):
            found.states[id], seen.states[id] = state, revision
            if not directory:
                seen.kept_states.put(id, state, revision, size_of(body))
        for row in view_rows:
            view = self._bodies.open_view(grant, *row)
            found.views[view.key], seen.views[view.key] = view, row[4]
            seen.kept_views.put(view.key, view, row[4], len(row[5]))

    def refill(
        self,
        grant: Grant,
        source_patient: str,
        section: Section,
        part: int,
        limit: int,
        labels: int = 0,
    ) -> list[ResourceState]:
        """The newest visible states of one section part, newest first."""
        claimed = self._entry(grant)
        with self._lane.use() as conn, refusals(), entered(conn, claimed):
            cursor = conn.execute(
                queries.REFILL, (source_patient, int(section), part, labels, limit), binary=True
            )
            return self._bodies.open_states(grant, cursor.fetchall())

    def wait(self, timeout_s: float) -> bool:
        """Blocks until something landed since the last call, or the time is over."""
        with self._listening.use() as conn:
            if self._listens_on is not conn:
                conn.execute(queries.LISTEN)
                self._listens_on = conn
                return True  # what landed before we listened is worth a look
            deadline_s = time.monotonic() + timeout_s
            woken = False
            while not woken and (left_s := deadline_s - time.monotonic()) > 0:
                woken = any(self._concerned(n.payload) for n in conn.notifies(timeout=left_s))
            if woken:  # drain what has come with it: one look serves all
                for _ in conn.notifies(timeout=0):
                    pass
            return woken

    def _concerned(self, payload: str) -> bool:
        """Whether a notice is about our lanes; without any it is about all of them."""
        return not payload or not self._held or not self._held.isdisjoint(map(int, payload.split()))

    _listens_on: Connection | None = None
