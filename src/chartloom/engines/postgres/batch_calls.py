"""The calls that write a batch (``sql/0012_batch.sql`` on), each with the rows that it takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from chartloom.domain.audit import AuditEntry
from chartloom.domain.store import Batch
from chartloom.engines.postgres import care
from chartloom.engines.postgres import queries_commit as queries
from chartloom.engines.postgres.access import Claim
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.bulk import Row, Table
from chartloom.engines.postgres.calls import Step, boolean, call, int2, int4, int8
from chartloom.engines.postgres.persons import Who
from chartloom.engines.postgres.queries_identity import MATCH_PUT
from chartloom.engines.postgres.writes import Writes

_CLAIM: Final = ("text", "bytea")


class _Rows:
    """Columns of a table as a function takes them."""

    def __init__(self, table: Table, names: str = "") -> None:
        known = {name: i for i, (name, _) in enumerate(table.columns)}
        self._picked = [known[name] for name in names.split()] if names else list(known.values())
        self._types = [table.types[i] for i in self._picked]
        self.kinds = tuple(f"{kind}[]" for kind in self._types)
        self._nothing = [packed(kind, ()) for kind in self._types]

    def __call__(self, rows: Sequence[Row]) -> Sequence[bytes]:
        if not rows:  # most are empty, of a message that comes by itself
            return self._nothing
        columns = list(zip(*rows, strict=True))
        return [packed(k, columns[i]) for i, k in zip(self._picked, self._types, strict=True)]


_OUTCOMES: Final = _Rows(
    queries.OUTCOME,
    "position received_at_us event_us size_bytes issue_count mapped_count ignored_count"
    " unmapped_count feed message_type control_id source_patient quarantine labels",
)
_BUNDLES: Final = _Rows(queries.BUNDLE)
_NEW_STATES: Final = _Rows(
    queries.RESOURCE,
    "sort_us version part section hidden id source_patient type series body labels",
)
_KNOWN_STATES: Final = _Rows(
    queries.RESOURCE,
    "sort_us version revision part section hidden id source_patient series body labels",
)
_DIRECTORY: Final = _Rows(queries.RESOURCE, "version event_us rank id type body")
_NEW_VIEWS: Final = _Rows(queries.VIEW, "total part section source_patient body labels")
_KNOWN_VIEWS: Final = _Rows(queries.VIEW)
_CARE: Final = _Rows(care.CARE)
_LINKS: Final = _Rows(queries.LINK)
_MINUTES: Final = _Rows(queries.FEED_MINUTE_OUT)
_ISSUES: Final = _Rows(queries.ISSUE_DAY)

_WRITE: Final = call(
    "batch_write",
    (
        *_CLAIM,
        *("int4", "int2[]", "int4[]", "int8[]", "int8[]", "int2[]"),
        *("int8", "int2", "text", "bool", "int8"),
        *_OUTCOMES.kinds,
        *_BUNDLES.kinds,
        *_NEW_STATES.kinds,
        *_KNOWN_STATES.kinds,
        *_DIRECTORY.kinds,
        *_NEW_VIEWS.kinds,
        *_KNOWN_VIEWS.kinds,
        *("text[]", *_CARE.kinds),
        *("int4[]", "text[]"),
    ),
)
_CARE_AGAIN: Final = call("batch_care", ("text[]", *_CARE.kinds))
_PERSONS: Final = call(
    "batch_persons",
    (
        *("bytea[]", "text[]", "text[]", "int8[]", "int8[]", "bytea[]", "text[]"),
        *(*_LINKS.kinds, "bool"),
    ),
)
_WORDS: Final = call("batch_words", ("int8[]", "int2[]", "bool[]", "text[]", "text[]"))
_LABELS: Final = call("batch_labels", ("text[]", "text[]", "text[]", "int4[]", "int4[]", "int4[]"))
#: Sent after others that went ahead.
SETTLING: Final = (_PERSONS, _WORDS, MATCH_PUT)
_END: Final = call("batch_end", ("int8", "int8[]", "bytea[]", *_MINUTES.kinds, *_ISSUES.kinds))


def write(
    claimed: Claim, generation: int, batch: Batch, writes: Writes, version: int, replay_until: int
) -> Step:
    """Fences the batch and writes what became of it."""
    claim, mac = claimed
    of_lane: dict[int, list[int]] = defaultdict(list)
    for m in batch.messages:
        of_lane[m.lane].append(m.position)
    lane_of = {m.position: m.lane for m in batch.messages}
    lanes, of_persons = sorted(batch.lanes), sorted(writes.person_labels.items())
    values = (
        claim.encode(),
        mac,
        int4(generation),
        packed("int2", lanes),
        packed("int4", [len(of_lane[lane]) for lane in lanes]),
        packed("int8", [min(of_lane[lane], default=0) for lane in lanes]),
        packed("int8", [batch.lanes[lane] for lane in lanes]),
        packed("int2", [lane_of[row[0]] for row in writes.outcomes]),
        int8(batch.applied_at_us),
        int2(version),
        batch.worker.encode(),
        boolean(batch.live),
        int8(replay_until),
        *_OUTCOMES(writes.outcomes),
        *_BUNDLES(writes.bundles),
        *_NEW_STATES(writes.new_states),
        *_KNOWN_STATES(writes.known_states),
        *_DIRECTORY(writes.directory),
        *_NEW_VIEWS(writes.new_views),
        *_KNOWN_VIEWS(writes.known_views),
        packed("text", ()),  # what some resources say of care again goes by care_again
        *_CARE(writes.care),
        packed("int4", [mask for _, mask in of_persons]),
        packed("text", [patient for patient, _ in of_persons]),
    )
    return _WRITE, values


def care_again(of: Sequence[str], relations: Sequence[Row]) -> Step:
    """Who cares for whom by resources that said something of it before: of their relations, those
    that are said again stay as they are."""
    return _CARE_AGAIN, (packed("text", of), *_CARE(relations))


def persons(who: Who, links: Sequence[Row], alone: bool) -> Step:
    """Who there is. alone: who is one person may change, so nobody else may change it meanwhile."""
    values = (
        packed("bytea", [blind for blind, _ in who.identifiers]),
        packed("text", [patient for _, patient in who.identifiers]),
        packed("text", [p.patient for p in who.patients]),
        packed("int8", [p.position for p in who.patients]),
        packed("int8", [p.at_us for p in who.patients]),
        packed("bytea", [blind for blind, _ in who.records]),
        packed("text", [patient for _, patient in who.records]),
        *_LINKS(links),
        boolean(alone),
    )
    return _PERSONS, values


def words(said: Sequence[Row]) -> Step:
    """What words of people carry besides: (position, place in the message, two, looked, beside)."""
    columns = zip(("int8", "int2", "bool", "text", "text"), zip(*said, strict=True), strict=True)
    return _WORDS, [packed(kind, column) for kind, column in columns]


def labels(said: Sequence[Row]) -> Step:
    """What people's words about labels come to: (id, patient, type, added, lifted, asked)."""
    kinds = ("text", "text", "text", "int4", "int4", "int4")
    columns = zip(kinds, zip(*said, strict=True), strict=True)
    return _LABELS, [packed(kind, column) for kind, column in columns]


def end(epoch: int, entry: AuditEntry, minutes: Sequence[Row], issues: Sequence[Row]) -> Step:
    """Statistics, and the batch's own record: last, for it locks the audit log."""
    values = (
        int8(epoch),
        packed("int8", [entry.at_us]),
        packed("bytea", [entry.body]),
        *_MINUTES(minutes),
        *_ISSUES(issues),
    )
    return _END, values
