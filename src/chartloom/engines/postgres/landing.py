"""The append-only log of verbatim messages."""

from __future__ import annotations

import struct
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from chartloom.domain.message import Arrival, LandingOutcome, Receipt
from chartloom.engines.postgres import bulk, migrate, queries
from chartloom.engines.postgres.access import entered
from chartloom.engines.postgres.arrays import array, packed
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.calls import Prepared, int8
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.refusals import landing_refusals

_KEY = struct.Struct("!q")
_TRUE = b"\x01"
MINUTE_US = 60_000_000

#: (key, digest): what duplicates are recognised by.
_Keys = tuple[int, bytes]


def clean(text: str) -> str:
    """Text that PostgreSQL can hold: NUL and lone surrogates become U+FFFD."""
    if text.isprintable():
        return text
    text = text.replace("\0", "\ufffd")
    return text.encode("utf-8", "replace").decode() if _surrogates(text) else text


def _surrogates(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


class LandingPart(StoreBase):
    """Implements the ``Landing`` port."""

    _partitions_through = -1
    _last_position = -1  #: the highest that we know of; -1 before the first landing

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._landing_calls = Prepared()

    def lane_of(self, feed: str, source_patient: str) -> int:
        """The lane: by patient, so that one patient's messages keep their order across the feeds
        of one numbering; by feed where the quick look could not tell the patient."""
        return zlib.crc32((source_patient or f"feed\x1f{feed}").encode()) % self._lanes

    def land(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Appends in order, in one transaction; durable when it returns.

        A message without control id is a duplicate only of itself (same feed, bytes and moment of
        receipt, as after a repeated attempt): two such messages cannot be told apart, so both land.

        Raises ``LandingRefused`` when one of them cannot be held, ``StoreUnavailable`` for all else
        that the server may say: either way nothing of the group was kept.
        """
        if not arrivals:
            return []
        keys = [self._keys(a) for a in arrivals]
        self._guard.prepare({s for a in arrivals for s in _subjects(a)}, unseen=True)
        with landing_refusals(), self._landing.use() as conn:
            first_day = self._first_day(conn)
            self._keep_partitions(conn)
            receipts = self._append_new(conn, first_day, arrivals, keys)
            if receipts is None:
                with bulk.transaction(conn, self._service()):
                    receipts = self._append(conn, first_day, arrivals, keys)
            self._last_position = max(self._last_position, *(r.position for r in receipts))
            return receipts

    def _keys(self, a: Arrival) -> _Keys:
        blind = self._guard.blind
        if a.control_id:
            name = f"{a.feed}\x1f{a.control_id}"
            digest = blind("landed", f"{name}\x1f{a.sha256.hex()}")
        else:
            name = f"{a.feed}\x1f\x1f{a.sha256.hex()}\x1f{a.received_at_us}"
            digest = blind("landed", name)
        return _KEY.unpack(blind("control", name)[:8])[0], digest

    def _append_new(
        self, conn: Connection, first_day: int, arrivals: Sequence[Arrival], keys: list[_Keys]
    ) -> list[Receipt] | None:
        """The usual case, in one round trip: all are new, and nobody else appends.

        Nothing was written if it returns None.
        """
        control_keys = [k for k, _ in keys]
        if self._last_position < 0 or len(set(control_keys)) < len(keys):
            return None
        floor = migrate.position_floor(first_day, self._clock.now_us())
        first = max(self._last_position + 1, floor)
        positions = range(first, first + len(arrivals))
        seal, lane_of = self._bodies.seal_message, self.lane_of
        control_label, type_label = self._bodies.control_label, self._bodies.type_label
        minutes = [a.received_at_us // MINUTE_US for a in arrivals]
        statistics = _counts_new(arrivals, minutes)
        claim, mac = self._service()
        done = self._landing_calls.one(
            conn,
            queries.LAND_NEW,
            (
                claim.encode(),
                mac,
                int8(first),
                packed("int8", [a.received_at_us for a in arrivals]),
                packed("int4", [len(a.body) for a in arrivals]),
                packed("int2", [lane_of(a.feed, a.source_patient) for a in arrivals]),
                packed("text", [a.feed for a in arrivals]),
                packed("text", [control_label(a.control_id) for a in arrivals]),
                packed("text", [type_label(a.message_type) for a in arrivals]),
                packed("text", [a.source_patient for a in arrivals]),
                packed(
                    "bytea",
                    [seal(a, p) for a, p in zip(arrivals, positions, strict=True)],
                ),
                packed("int8", control_keys),
                packed("bytea", [digest for _, digest in keys]),
                *statistics,
            ),
        )
        if done.get_value(0, 0) != _TRUE:
            return None
        return [Receipt(p, LandingOutcome.LANDED) for p in positions]

    def _append(
        self, conn: Connection, first_day: int, arrivals: Sequence[Arrival], keys: list[_Keys]
    ) -> list[Receipt]:
        head_cursor = conn.execute(queries.HEAD_LOCK)
        # A statement of its own: its snapshot is taken when the lock is held.
        known_cursor = conn.execute(
            queries.KEYS_KNOWN, (array("int8", [k for k, _ in keys]),), binary=True
        )
        head_row, known_rows = head_cursor.fetchone(), known_cursor.fetchall()
        assert head_row is not None
        known: dict[int, dict[bytes, int]] = {}
        for key, digest, position in known_rows:
            known.setdefault(key, {})[digest] = position
        floor = migrate.position_floor(first_day, self._clock.now_us())
        return self._place(conn, max(head_row[0] + 1, floor), arrivals, keys, known)

    def _place(
        self,
        conn: Connection,
        position: int,
        arrivals: Sequence[Arrival],
        keys: list[_Keys],
        known: dict[int, dict[bytes, int]],
    ) -> list[Receipt]:
        receipts: list[Receipt] = []
        rows: list[bulk.Row] = []
        new_keys: list[bulk.Row] = []
        for a, (key, digest) in zip(arrivals, keys, strict=True):
            earlier = known.setdefault(key, {})
            first_copy = earlier.get(digest)
            if first_copy is not None:
                receipts.append(Receipt(first_copy, LandingOutcome.DUPLICATE))
                continue
            conflict = bool(earlier)
            earlier[digest] = position
            new_keys.append((key, position, digest))
            rows.append(self._row(a, position, conflict))
            outcome = LandingOutcome.CONFLICT if conflict else LandingOutcome.LANDED
            receipts.append(Receipt(position, outcome))
            position += 1
        counts = bulk.columns(queries.FEED_COUNTS, _statistics(arrivals, receipts))
        columns = (
            *bulk.columns(queries.LANDING, rows),
            *bulk.columns(queries.LANDED_KEY, new_keys),
        )
        conn.execute(queries.LAND, (*columns, *counts, position - 1))
        return receipts

    def _row(self, a: Arrival, position: int, conflict: bool) -> bulk.Row:
        return (
            position,
            a.received_at_us,
            len(a.body),
            self.lane_of(a.feed, a.source_patient),
            conflict,
            a.feed,
            self._bodies.control_label(a.control_id),
            self._bodies.type_label(a.message_type),
            a.source_patient,
            self._bodies.seal_message(a, position),
        )

    def _keep_partitions(self, conn: Connection) -> None:
        today = self._clock.now_us() // 86_400_000_000
        if today >= self._partitions_through:
            with entered(conn, self._service()):
                self._partitions_through = migrate.keep_partitions(conn, today)


def _subjects(a: Arrival) -> tuple[str, ...]:
    """Under whose keys it will lie."""
    return (a.source_patient, *(a.parts.persons if a.parts is not None else ()))


def _counts_new(arrivals: Sequence[Arrival], minutes: Sequence[int]) -> tuple[bytes, ...]:
    """Feed, minute, count and last receipt of messages that are all new, in the order of keys."""
    counts = Counter(zip((a.feed for a in arrivals), minutes, strict=True))
    last: dict[tuple[str, int], int] = {}
    for a, minute in zip(arrivals, minutes, strict=True):
        key = (a.feed, minute)
        last[key] = max(last.get(key, 0), a.received_at_us)
    groups = sorted(counts)
    return (
        packed("text", [feed for feed, _ in groups]),
        packed("int4", [minute for _, minute in groups]),
        packed("int4", [counts[key] for key in groups]),
        packed("int8", [last[key] for key in groups]),
    )


def _statistics(arrivals: Sequence[Arrival], receipts: Sequence[Receipt]) -> list[bulk.Row]:
    """Counts per feed and minute, in one order for all writers."""
    counts: dict[tuple[str, int], list[int]] = {}
    for a, receipt in zip(arrivals, receipts, strict=True):
        row = counts.setdefault((a.feed, a.received_at_us // MINUTE_US), [0, 0, 0, 0])
        row[0] += receipt.outcome is not LandingOutcome.DUPLICATE
        row[1] += receipt.outcome is LandingOutcome.DUPLICATE
        row[2] += receipt.outcome is LandingOutcome.CONFLICT
        row[3] = max(row[3], a.received_at_us)
    return [(*key, *counts[key]) for key in sorted(counts)]
