"""A batch as rows: everything is encoded and sealed before the transaction begins."""

from __future__ import annotations

import zlib
from collections import Counter
from dataclasses import dataclass, field
from operator import attrgetter

from chartloom.domain.chart import PlacedState, SectionView
from chartloom.domain.message import Message
from chartloom.domain.resource import Contribution, Derived
from chartloom.domain.store import Batch
from chartloom.engines.postgres.bodies import Bodies, BundleBody
from chartloom.engines.postgres.bulk import Row
from chartloom.engines.postgres.landing import clean
from chartloom.engines.postgres.revisions import Revisions

_POSITION = attrgetter("position")
_DAY_US = 86_400_000_000


def touch_of(resource_id: str) -> bytes:
    """A resource id as 4 bytes: enough to skip nearly all bundles without it."""
    return zlib.crc32(resource_id.encode()).to_bytes(4, "big")


@dataclass
class Writes:
    """The rows of one batch, in the column order of the queries."""

    outcomes: list[Row] = field(default_factory=list)
    bundles: list[Row] = field(default_factory=list)
    new_states: list[Row] = field(default_factory=list)
    known_states: list[Row] = field(default_factory=list)
    directory: list[Row] = field(default_factory=list)
    new_views: list[Row] = field(default_factory=list)
    known_views: list[Row] = field(default_factory=list)
    links: list[Row] = field(default_factory=list)
    issues: list[Row] = field(default_factory=list)


def messages_of(batch: Batch) -> list[tuple[Message, Derived]]:
    """Each message with what it yielded. Raises ``ValueError`` if the two do not fit together."""
    by_position = {m.position: m for m in batch.messages}
    if len(by_position) != len(batch.derived):
        raise ValueError("a batch needs exactly one Derived per message")
    return [(by_position[d.position], d) for d in batch.derived]


def outcome_row(
    bodies: Bodies, message: Message, derived: Derived, applied_at_us: int, version: int
) -> Row:
    """What became of one message."""
    loss = derived.loss
    return (
        message.position,
        message.received_at_us,
        applied_at_us,
        derived.event_us,
        len(message.body),
        len(derived.issues),
        loss.mapped,
        loss.ignored,
        len(derived.unmapped),
        version,
        message.feed,
        bodies.type_label(derived.message_type or message.message_type),
        bodies.control_label(derived.control_id or message.control_id),
        derived.source_patient or message.source_patient,
        derived.quarantine,
    )


def bundle_rows(bodies: Bodies, derived: Derived, message: Message) -> list[Row]:
    """One row per source patient that the message speaks of; the first one is the message's own.

    Directory resources travel with the first: they are evidence of this message like the rest.
    """
    main = derived.source_patient or message.source_patient
    by_patient: dict[str, list[Contribution]] = {main: []}
    for item in derived.contributions:
        by_patient.setdefault(main if item.directory else item.source_patient, []).append(item)
    rows = []
    for ordinal, (patient, items) in enumerate(by_patient.items()):
        body = BundleBody(contributions=tuple(items))
        if ordinal == 0:
            body.provenance, body.issues = derived.provenance, derived.issues
            body.unmapped, body.links = derived.unmapped, derived.links
        sealed = bodies.seal_bundle(patient, derived.position, ordinal, body)
        touched = b"".join(touch_of(i.id) for i in items if not i.directory)
        rows.append((derived.position, ordinal, patient, touched, sealed))
    return rows


def state_row(bodies: Bodies, placed: PlacedState, revision: int) -> Row:
    """A patient's resource."""
    state = placed.state
    version = max(map(_POSITION, state.stamps.values()), default=0)
    return (
        placed.sort_us,
        version,
        0,
        revision,
        0,
        placed.part,
        int(placed.section),
        placed.hidden,
        False,
        state.id,
        state.source_patient,
        state.type,
        clean(placed.series),
        bodies.seal_state(state, revision),
    )


def directory_row(bodies: Bodies, item: Contribution, rank: tuple[int, int, int]) -> Row:
    """A resource about the hospital."""
    sealed = bodies.seal_directory(item, rank)
    return (0, rank[2], rank[1], 1, rank[0], 0, 0, False, True, item.id, "", item.type, "", sealed)


def view_row(bodies: Bodies, view: SectionView, revision: int) -> Row:
    """A view."""
    key = view.key
    sealed = bodies.seal_view(view, revision)
    return (revision, view.total, key.part, int(key.section), key.source_patient, sealed)


def fill(batch: Batch, bodies: Bodies, revisions: Revisions, version: int, shard: int) -> Writes:
    """All rows of a batch."""
    writes = Writes()
    issues: Counter[tuple[str, str]] = Counter()
    for message, derived in messages_of(batch):
        writes.outcomes.append(outcome_row(bodies, message, derived, batch.applied_at_us, version))
        writes.bundles += bundle_rows(bodies, derived, message)
        issues.update((message.feed, issue.code) for issue in derived.issues)
        writes.links += [
            (derived.position, derived.event_us, i, e.kind, e.surviving, e.prior, e.rule)
            for i, e in enumerate(derived.links)
        ]
    for placed in sorted(batch.states, key=lambda p: p.state.id):
        base = revisions.states.get(placed.state.id, 0)
        rows = writes.known_states if base else writes.new_states
        rows.append(state_row(bodies, placed, base + 1))
    for view in sorted(batch.views, key=lambda v: v.key):
        base = revisions.views.get(view.key, 0)
        rows = writes.known_views if base else writes.new_views
        rows.append(view_row(bodies, view, base + 1))
    day = batch.applied_at_us // _DAY_US
    writes.issues = [(feed, day, code, shard, n) for (feed, code), n in sorted(issues.items())]
    return writes
