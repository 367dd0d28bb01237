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
from chartloom.registry.persons import standing, vouched_up_to

_STOPPED: Final = call("batch_overlays", ("int8[]", "text[]", "int8[]"))
_VOUCHED: Final = Statement(
    "batch_vouched",
    "SELECT feed, issue_count FROM batch_vouched($1, $2, $3, $4)",
    ("text", "int8", "text", "int8"),
)
_UNCOUNTED: Final = call("batch_uncounted", ("text[]", "int4[]", "int4[]", "int4[]", "bytea"))
FORGET: Final = "SELECT overlays_forget(%b::int8[])"


class OverlayPart(LanesPart):
    """Implements ``Lanes.vouched``."""

    def vouched(self, grant: Grant, source_patient: str) -> int:
        """Up to which position people said that messages are about this source patient, although
        they speak of somebody else; 0 if they did not."""
        claimed = self._entry(grant)
        with self._lane.use() as conn, entered(conn, claimed):
            values = {"ids": [source_patient]}
            found = conn.execute(queries_identity.WORDS_READ, values, binary=True).fetchall()
        return vouched_up_to(_about(found, source_patient))


def stopped(batch: Batch) -> list[Step]:
    """What has to be written of messages that were stopped."""
    at_us = {m.position: m.received_at_us for m in batch.messages}
    found = [(d.position, p, at_us[d.position]) for d in batch.derived for p in d.overlaid]
    if not found:
        return []
    columns = zip(("int8", "text", "int8"), zip(*found, strict=True), strict=True)
    return [(_STOPPED, [packed(kind, column) for kind, column in columns])]


def set_free(conn: Connection, calls: Prepared, batch: Batch) -> None:
    """Puts what people vouched for in this batch back in front of its lanes.

    Within the batch's transaction, after its words are written.
    """
    for d in batch.derived:
        for patient in sorted({e.surviving for e in d.links if e.surviving == e.prior}):
            (found,) = calls.run(conn, [(queries_identity.WORDS, (packed("text", [patient]),))])
            words = _about(rows(conn, found), patient)
            values = (
                patient.encode(),
                int8(vouched_up_to(words)),
                str(standing(words, two=False)).encode(),
                int8(d.position),
            )
            (freed,) = calls.run(conn, [(_VOUCHED, values)])
            if counted := rows(conn, freed):
                columns = undone(counted, batch.applied_at_us // MINUTE_US)
                kinds = ("text", "int4", "int4", "int4")
                packed_ = [packed(kind, c) for kind, c in zip(kinds, columns, strict=True)]
                calls.run(conn, [(_UNCOUNTED, [*packed_, bytes(4 * BUCKETS)])])


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


def _about(said: Iterable[Sequence[Any]], patient: str) -> list[IdentityWord]:
    """What people said about a record itself."""
    words = (word_of(row) for row in said if row[0] == row[1] == patient)
    return [word for word in words if word.by]
