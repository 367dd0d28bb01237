"""The log as people look at it, and the levers on it: retry and rebuild."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from psycopg.errors import LockNotAvailable

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.issues import Issue
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.labels import ALL_LABELS_MASK
from chartloom.domain.message import Message, MessageState
from chartloom.domain.resource import LinkEvent
from chartloom.domain.store import (
    FeedStatus,
    MessageDetail,
    MessageFilter,
    MessageRow,
    ReplayScope,
)
from chartloom.engines.postgres import (
    excerpts,
    held,
    migrate,
    queries,
    queries_commit,
    queries_read,
    trouble,
)
from chartloom.engines.postgres.access import entered
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.bodies import BundleBody
from chartloom.engines.postgres.collisions import GivesWay, until_done, when_free
from chartloom.engines.postgres.compartments import forbidden, of_message, sees_everything
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.landing import MINUTE_US
from chartloom.engines.postgres.overlays import FORGET, undone
from chartloom.engines.postgres.stats import add_histograms, percentile_ms
from chartloom.engines.postgres.writes import touch_of

_RATE_MINUTES = 60
_HISTORY_MAX = 200
_FILES = dict[str, bytes]


class MessagesPart(StoreBase):
    """Implements the ``Messages`` port, and ``history`` of ``Charts``."""

    # Looking

    def search(self, grant: Grant, where: MessageFilter) -> list[MessageRow]:
        """Newest first. Messages of a patient are found once they were consumed."""
        waiting = where.state in (None, MessageState.LANDED)
        with self._reading(grant) as conn:
            everyone = "*" in grant.persons
            table = "m" if everyone and waiting and not where.source_patients else "o"
            query = queries_read.SEARCH_LANDING if table == "m" else queries_read.SEARCH_OUTCOME
            withheld = self._withheld(conn, grant)
            found: list[MessageRow] = []
            while True:
                conditions, values = self._conditions(conn, grant, where, table)
                text = query.format(where=" AND ".join(conditions) or "true")
                rows = [message_row(r) for r in conn.execute(text.encode(), values).fetchall()]
                found += withheld.rows(rows)
                if len(rows) < where.limit or len(found) >= where.limit:
                    return found[: where.limit]
                where = msgspec.structs.replace(where, before=rows[-1].position)

    def _conditions(
        self, conn: Connection, grant: Grant, where: MessageFilter, table: str
    ) -> tuple[list[str], dict[str, Any]]:
        """Conditions are constants of this function; every value is bound."""
        t = table
        values: dict[str, Any] = {"limit": where.limit}
        conditions: list[str] = []

        def add(condition: str, **bound: Any) -> None:
            conditions.append(condition)
            values.update(bound)

        if where.feed:
            add(f"{t}.feed = %(feed)s", feed=where.feed)
        if where.message_type:
            add(f"starts_with({t}.message_type, %(kind)s)", kind=where.message_type)
        if where.control_id:
            add(
                f"{t}.control_id = %(control)s",
                control=self._bodies.control_label(where.control_id),
            )
        if where.before:
            add(f"{t}.position < %(before)s", before=where.before)
        if where.received_from_us:
            day_before = where.received_from_us - 86_400_000_000
            floor = migrate.position_floor(self._first_day(conn), day_before)
            add(f"{t}.received_at_us >= %(since)s", since=where.received_from_us)
            add(f"{t}.position >= %(floor)s", floor=floor if floor > 1 else 0)
        if where.received_to_us:
            add(f"{t}.received_at_us < %(until)s", until=where.received_to_us)
        if where.state is MessageState.LANDED:
            add("o.position IS NULL")
        elif where.state is MessageState.APPLIED:
            add("o.quarantine = ''")
        elif where.state is MessageState.QUARANTINED:
            add("o.quarantine <> ''")
        if not sees_everything(grant):
            add(
                f"coalesce(o.labels, {ALL_LABELS_MASK}) & %(closed)s::int4 = 0",
                closed=forbidden(grant),
            )
        patients = self._patients(grant, where.source_patients)
        if patients is not None:
            mine = "SELECT b.position FROM bundle b WHERE b.source_patient = ANY(%(patients)s)"
            add(f"{t}.position IN ({mine})", patients=patients)
        return conditions, values

    def _patients(self, grant: Grant, asked: Sequence[str]) -> list[str] | None:
        """The source patients to restrict to, or None for no restriction."""
        if asked:
            return [p for p in asked if self._guard.covers(grant, p)]
        return None if "*" in grant.persons else list(grant.persons)

    def detail(self, grant: Grant, position: int) -> MessageDetail:
        """One message, bodies opened; raises ``NotFound``.

        If its bytes do not open, ``message.fault`` says so.
        """
        with self._reading(grant) as conn, conn.pipeline():
            found = conn.execute(queries_read.DETAIL, (position,), binary=True)
            parts = conn.execute(queries_read.BUNDLES, (position,), binary=True)
            row, bundles = found.fetchone(), parts.fetchall()
        withheld, bundles = self._heard(grant, position, bundles)
        if (
            row is None
            or withheld
            or not self._guard.covers(grant, row[15])
            or of_message(row[-1]) & forbidden(grant)
        ):
            return excerpts.detail(
                self._open_parts(grant, position, bundles, parted=True), position
            )
        *shown, lane, conflict, control, kind, patient, sealed, fingerprint, _ = row
        stored = (position, shown[1], shown[4], lane, control, kind, patient, conflict, sealed)
        message = trouble.message(self._bodies, grant, stored)
        return self._with_bundles(grant, message_row(tuple(shown)), message, fingerprint, bundles)

    def _heard(
        self, grant: Grant, position: int, bundles: list[tuple[Any, ...]]
    ) -> tuple[bool, list[tuple[Any, ...]]]:
        """Whether something in a message is withheld, and the bundles of whom nothing is."""
        if not grant.withheld:
            return False, bundles
        with self._reading(grant) as conn:
            withheld = self._withheld(conn, grant)
            if not withheld.messages([position]):
                return False, bundles
        return True, [b for b in bundles if not withheld.concerns([b[1]])]

    def _with_bundles(
        self,
        grant: Grant,
        row: MessageRow,
        message: Message,
        fingerprint: str,
        bundles: Sequence[tuple[Any, ...]],
    ) -> MessageDetail:
        resources: list[dict[str, Any]] = []
        provenance: dict[str, Any] | None = None
        issues: tuple[Issue, ...] = ()
        unmapped: tuple[str, ...] = ()
        links: tuple[LinkEvent, ...] = ()
        for ordinal, _, part in self._open_parts(
            grant, message.position, bundles, parted=message.parts is not None
        ):
            resources += [c.resource for c in part.contributions]
            if ordinal == 0:
                provenance, issues = part.provenance, part.issues
                unmapped, links = part.unmapped, part.links
        return MessageDetail(
            row, message, fingerprint, tuple(resources), provenance, issues, unmapped, links
        )

    def _open_parts(
        self, grant: Grant, position: int, bundles: Sequence[tuple[Any, ...]], *, parted: bool
    ) -> list[tuple[int, str, BundleBody]]:
        """Ordinal, source patient and body of those of a message's bundles that are open.

        Raises ``SubjectShredded`` if there is one of a destroyed key, unless the message is parted.
        """
        found = []
        for ordinal, patient, sealed, labels in bundles:
            if not self._guard.covers(grant, patient) or labels & forbidden(grant):
                continue
            name = (position, ordinal, patient)
            try:
                body = self._bodies.open_bundle(grant, *name, sealed, labels)
            except SubjectShredded:
                if not parted:
                    raise
                continue  # of the others there still is something
            found.append((ordinal, patient, body))
        return found

    def history(self, grant: Grant, resource_id: str) -> list[MessageRow]:
        """The messages that contributed to a resource, newest first, the last 200 at most.

        Of a directory resource only the message that won: too many speak of it.
        """
        with self._reading(grant) as conn:
            asked = (resource_id, forbidden(grant))
            place = conn.execute(queries_read.RESOURCE_PLACE, asked).fetchone()
            if place is None:
                return []
            patient, directory, version = place
            withheld = self._withheld(conn, grant)
            if withheld.concerns([patient]) and resource_id in withheld.gone:
                return []
            parts: dict[int, BundleBody] = {}
            if directory:
                positions = [version]
            elif self._guard.covers(grant, patient):
                parts = self._contributing(conn, grant, resource_id, patient)
                positions = list(parts)
            else:
                return []
            text = queries_read.SEARCH_OUTCOME.format(where="o.position = ANY(%(positions)s)")
            values = {"positions": positions, "limit": _HISTORY_MAX}
            rows = conn.execute(text.encode(), values).fetchall()
            gone = withheld.messages(positions) if withheld.patients else frozenset()
        found = {row[0]: message_row(row) for row in rows if row[0] not in gone}
        for position, part in (
            parts.items() if not gone else ()
        ):  # what is about others too has no row for this grant
            if position not in found and part.excerpt is not None:
                found[position] = excerpts.row(part.excerpt, position, patient)
        return [found[position] for position in sorted(found, reverse=True)]

    def _contributing(
        self, conn: Connection, grant: Grant, resource_id: str, patient: str
    ) -> dict[int, BundleBody]:
        """Hashes find the bundles; opening them makes sure."""
        touched = (patient, touch_of(resource_id), forbidden(grant), _HISTORY_MAX)
        likely = [row[0] for row in conn.execute(queries_read.HISTORY, touched).fetchall()]
        rows = conn.execute(queries_read.BUNDLES_AT, (likely, patient), binary=True).fetchall()
        bodies = {row[0]: self._bodies.open_bundle(grant, *row) for row in rows}
        return {
            position: body
            for position, body in bodies.items()
            if any(c.id == resource_id for c in body.contributions)
        }

    # Feeds

    def feeds(self, grant: Grant) -> list[FeedStatus]:
        """One status per feed that ever received something."""
        this_minute = self._clock.now_us() // MINUTE_US
        oldest = this_minute - _RATE_MINUTES
        with self._reading(grant) as conn, conn.pipeline():
            cursors = [
                conn.execute(queries_read.FEEDS_IN),
                conn.execute(queries_read.FEEDS_OUT),
                conn.execute(queries_read.FEED_RATES, (oldest,)),
                conn.execute(queries_read.FEED_LATENCIES, (oldest,), binary=True),
            ]
            received, applied, rates, latencies = [c.fetchall() for c in cursors]
        out = {row[0]: row[1:] for row in applied}
        statuses = []
        for feed, count, duplicates, last_received in received:
            done, quarantined, issues, last_event = out.get(feed, (0, 0, 0, 0))
            per_minute = {m: n for f, m, n in rates if f == feed}
            histogram = add_histograms(h for f, h in latencies if f == feed)
            statuses.append(
                FeedStatus(
                    feed=feed,
                    received_count=int(count),
                    applied_count=int(done),
                    quarantined_count=int(quarantined),
                    duplicate_count=int(duplicates),
                    issue_count=int(issues),
                    waiting_count=int(count - done - quarantined),
                    last_received_at_us=last_received,
                    last_event_us=last_event,
                    rate_per_minute=tuple(
                        per_minute.get(m, 0) for m in range(oldest + 1, this_minute + 1)
                    ),
                    latency_p50_ms=percentile_ms(histogram, 0.5),
                    latency_p99_ms=percentile_ms(histogram, 0.99),
                )
            )
        return statuses

    def waiting(self, grant: Grant) -> int:
        """How many messages are landed but not yet consumed."""
        with self._reading(grant) as conn:
            row = conn.execute(queries_read.WAITING).fetchone()
        assert row is not None
        return int(row[0])

    # Levers

    def retry(self, grant: Grant, scope: ReplayScope) -> int:
        """Puts quarantined messages back in front of their lanes; how many."""
        self._verify_for_all(grant)
        return until_done(lambda: self._retried(grant, scope))

    def _retried(self, grant: Grant, scope: ReplayScope) -> int:
        """One transaction."""
        conditions, values = ["true"], dict[str, Any]()
        for condition, name, value in (
            ("o.feed = %(feed)s", "feed", scope.feed),
            ("o.position >= %(low)s", "low", scope.from_position),
            ("o.position <= %(high)s", "high", scope.to_position),
            ("o.position = ANY(%(positions)s)", "positions", list(scope.positions)),
        ):
            if value:
                conditions.append(condition)
                values[name] = value
        text = queries_read.RETRY_PUT.format(where=" AND ".join(conditions))
        with self._reading(grant) as conn:
            positions = [row[0] for row in conn.execute(text.encode(), values).fetchall()]
            if positions:
                forgotten = conn.execute(queries_read.RETRY_FORGET_OUTCOME, (positions,)).fetchall()
                conn.execute(queries_read.RETRY_FORGET_BUNDLE, (positions,))
                conn.execute(queries_read.RETRY_FORGET_LINKS, (positions,))
                conn.execute(FORGET, (positions,))
                minute = self._clock.now_us() // MINUTE_US
                conn.execute(queries_commit.FEED_UNDO, undone(forgotten, minute))
                conn.execute(queries.NOTIFY)
        return len(positions)

    def rebuild(self, grant: Grant) -> int:
        """Empties all that is derived and rewinds all lanes for replay; how many messages.

        Workers notice at their next commit, which is refused, and begin again.
        """
        self._verify_for_all(grant)
        return when_free(self._rebuilt)

    def _rebuilt(self) -> int:
        """One transaction."""
        with self._admin.use() as conn, conn.transaction():
            conn.execute(queries_read.LANES_LOCK)
            conn.execute(queries_read.DERIVED_LOCK_PATIENCE)
            try:
                conn.execute(queries_read.DERIVED_LOCK)
            except LockNotAvailable as error:
                raise GivesWay from error
            conn.execute(queries_read.DERIVED_LOCKED)
            conn.execute(held.HOLD)
            conn.execute(queries_read.DERIVED_EMPTY)
            conn.execute(queries_read.TOTALS_EMPTY)
            conn.execute(queries_read.LANES_REWIND)
            conn.execute(queries_read.GENERATION_NEXT)
            row = conn.execute(queries_read.WAITING).fetchone()
            conn.execute(queries.NOTIFY)
        self._holding_known = (-1e9, False)
        assert row is not None
        return int(row[0])

    # Project versions

    def project_version(self, grant: Grant, fingerprint: str) -> dict[str, bytes]:
        """The mapping files of an earlier project version: path -> content."""
        with self._reading(grant) as conn:
            row = conn.execute(queries_commit.VERSION_FILES, (fingerprint,)).fetchone()
        if row is None or row[0] is None:
            raise NotFound("the files of that project version were not kept.")
        return msgspec.msgpack.decode(row[0], type=_FILES)

    def save_project_version(self, fingerprint: str, files: dict[str, bytes]) -> None:
        """Keeps the mapping files under their fingerprint; a known fingerprint is left alone."""
        packed = msgspec.msgpack.encode(dict(sorted(files.items())))
        with self._lane.use() as conn:
            self._first_day(conn)
            with entered(conn, self._service()):
                conn.execute(queries_commit.VERSION_INSERT, (fingerprint, packed))


def message_row(row: tuple[Any, ...]) -> MessageRow:
    """A row of one of the search queries."""
    (position, feed, kind, control, received, applied, patient, size, issues, unmapped, reason) = (
        row
    )
    if reason is None:
        state = MessageState.LANDED
    else:
        state = MessageState.QUARANTINED if reason else MessageState.APPLIED
    return MessageRow(
        position=position,
        feed=feed,
        message_type=kind,
        control_id=control,
        received_at_us=received,
        applied_at_us=applied,
        state=state,
        source_patient=patient,
        size_bytes=size,
        issue_count=issues,
        unmapped_count=unmapped,
        quarantine=reason or "",
    )
