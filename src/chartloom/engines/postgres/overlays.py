"""Messages that would turn a patient's record into somebody else's, as the store keeps them.

They are in quarantine. Each is a row of ``overlay_stop``, and the record stands in the review queue
as a pair with itself. A person's word about it takes effect with the message that it came by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from chartloom.domain.grant import Grant
from chartloom.domain.identity import IdentityWord
from chartloom.domain.store import Batch
from chartloom.engines.postgres import queries_identity
from chartloom.engines.postgres.access import entered
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.calls import Prepared, Statement, Step, call, int8, rows
from chartloom.engines.postgres.clusters import word_of
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.landing import MINUTE_US
from chartloom.engines.postgres.lanes import LanesPart
from chartloom.engines.postgres.stats import BUCKETS
from chartloom.registry.persons import is_released, record_state

_STOPPED: Final = call("batch_overlays", ("int8[]", "text[]", "int8[]"))
_WAITING: Final = Statement("overlays_of", "SELECT position, kept FROM overlays_of($1)", ("text",))
_RELEASED: Final = Statement(
    "batch_released",
    "SELECT feed, issue_count FROM batch_released($1, $2, $3, $4)",
    ("text", "int8[]", "text", "int8"),
)
_UNCOUNTED: Final = call("batch_uncounted", ("text[]", "int4[]", "int4[]", "int4[]", "bytea"))
FORGET: Final = "SELECT overlays_forget(%b::int8[])"


class OverlayPart(LanesPart):
    """Implements ``Lanes.vouched``."""

    def vouched(self, grant: Grant, source_patient: str, position: int) -> bool:
        """Whether people said that a message is about this source patient, although it speaks of
        somebody else."""
        claimed = self._entry(grant)
        with self._lane.use() as conn, entered(conn, claimed):
            values = {"ids": [source_patient]}
            found = conn.execute(queries_identity.WORDS_READ, values, binary=True).fetchall()
        return is_released(words_about(found, source_patient), position)


def stopped(batch: Batch) -> list[Step]:
    """What has to be written of messages that were stopped."""
    at_us = {m.position: m.received_at_us for m in batch.messages}
    found = [(d.position, p, at_us[d.position]) for d in batch.derived for p in d.overlaid]
    if not found:
        return []
    columns = zip(("int8", "text", "int8"), zip(*found, strict=True), strict=True)
    return [(_STOPPED, [packed(kind, column) for kind, column in columns])]


def settle_overlays(conn: Connection, calls: Prepared, batch: Batch) -> None:
    """Puts what people vouched for in this batch back in front of its lanes, and the reviews of
    records where they belong.

    Within the batch's transaction, after its words and what was stopped are written.
    """
    for patient, position in _concerned(batch).items():
        id = packed("text", [patient])
        said, waiting = calls.run(
            conn, [(queries_identity.WORDS, (id,)), (_WAITING, (patient.encode(),))]
        )
        words = words_about(rows(conn, said), patient)
        stops: list[tuple[int, bool]] = [(p, kept) for p, kept in rows(conn, waiting)]
        # What is not in the log any more cannot be tried again, and stays as it is.
        free = [p for p, kept in stops if kept and is_released(words, p)]
        state = record_state(words, {p for p, _ in stops}.difference(free))
        values = (patient.encode(), packed("int8", free), str(state).encode(), int8(position))
        (freed,) = calls.run(conn, [(_RELEASED, values)])
        if counted := rows(conn, freed):
            columns = undone(counted, batch.applied_at_us // MINUTE_US)
            kinds = ("text", "int4", "int4", "int4")
            packed_ = [packed(kind, c) for kind, c in zip(kinds, columns, strict=True)]
            calls.run(conn, [(_UNCOUNTED, [*packed_, bytes(4 * BUCKETS)])])


def _concerned(batch: Batch) -> dict[str, int]:
    """Records that something was stopped or said of, with the last message that did."""
    found: dict[str, int] = {}
    for d in batch.derived:
        spoken = {e.surviving for e in d.links if e.surviving == e.prior}
        found.update(dict.fromkeys(spoken.union(d.overlaid), d.position))
    return dict(sorted(found.items()))


def undone(freed: Sequence[tuple[str, int]], minute: int) -> tuple[Any, ...]:
    """Columns that take quarantined messages (feed, issues) out of the statistics again."""
    counts: dict[str, list[int]] = {}
    for feed, issues in freed:
        row = counts.setdefault(feed, [0, 0])
        row[0] -= 1
        row[1] -= issues
    feeds = sorted(counts)
    columns = ([counts[f][0] for f in feeds], [counts[f][1] for f in feeds])
    return feeds, [minute] * len(feeds), *columns


def words_about(said: Iterable[Sequence[Any]], patient: str) -> list[IdentityWord]:
    """What people said about a record itself."""
    words = (word_of(row) for row in said if row[0] == row[1] == patient)
    return [word for word in words if word.by]
