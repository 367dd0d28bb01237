"""A batch as rows: everything is encoded and sealed before the transaction begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import pack
from typing import Any
from zlib import crc32

import msgspec

from chartloom.domain import codec
from chartloom.domain.chart import PlacedState, SectionView
from chartloom.domain.label_words import standing
from chartloom.domain.labels import PERSON_MASK
from chartloom.domain.message import Message, Parts
from chartloom.domain.resource import Contribution, Derived, ResourceState
from chartloom.domain.store import Batch
from chartloom.engines.postgres.bodies import Bodies, BundleBody, Excerpt
from chartloom.engines.postgres.bulk import Row
from chartloom.engines.postgres.clusters import Settled
from chartloom.engines.postgres.landing import clean
from chartloom.engines.postgres.revisions import Revisions
from chartloom.registry.persons.issues import (
    IDENTITY_CROWDED,
    IDENTITY_LARGE,
    IDENTITY_NUMEROUS,
    IDENTITY_REVIEW,
    IDENTITY_UNREAD,
)

_DAY_US = 86_400_000_000
_DIRECTORY_ITEMS_MAX = 10_000

#: The body of a state that is the word of one message alone: it is read from the message's bundle.
IN_BUNDLE = b""
#: Sealed size of the bundles from which single states are read.
_READ_FOR_ONE_BYTES_MAX = 32 * 1024


def _view_order(view: SectionView) -> tuple[str, int, int, int]:
    key = view.key
    return key.source_patient, key.section, key.part, key.labels


def _array(values: Sequence[object]) -> str:
    """Numbers or marks as PostgreSQL reads an array from text."""
    return f"{{{','.join(map(str, values))}}}"


def touch_of(resource_id: str) -> bytes:
    """A resource id as 4 bytes: enough to skip nearly all bundles without it."""
    return crc32(resource_id.encode()).to_bytes(4, "big")


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
    words: list[Row] = field(default_factory=list)  #: what some links carry besides
    label_words: list[Row] = field(default_factory=list)  #: what words about labels come to
    issues: list[Row] = field(default_factory=list)
    care: list[Row] = field(default_factory=list)
    care_again: list[Row] = field(default_factory=list)
    care_again_of: list[str] = field(default_factory=list)  #: resources that had relations before
    person_labels: dict[str, int] = field(default_factory=dict)


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
        _main(message, derived),
        derived.quarantine,
        derived.labels,
    )


def _main(message: Message, derived: Derived) -> str:
    """Whose message it is as a whole. One about several persons is nobody's, also if the mapping
    understood what it says of one of them only: what goes for all of it tells of the others."""
    if message.parts is not None:
        return ""
    return derived.source_patient or message.source_patient


#: A contribution as bundles hold it: the ``resource`` of a directory one is encoded already.
Item = Contribution


class Items:
    """Contributions of the directory as they are written.

    Many messages name the same doctors, wards and houses, and the mapping gives the same object for
    the same words; they are encoded once and remembered.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Contribution, Item]] = {}

    def of(self, said: Contribution) -> Item:
        """What is written of a contribution."""
        known = self._known
        held = known.get(id(said))
        if held is None:  # the entry holds the contribution, so its id is its own
            text: Any = msgspec.Raw(codec.encode(said.resource))
            item = Contribution(text, "", True, said.weak, said.cleared, said.labels)
            if len(known) >= _DIRECTORY_ITEMS_MAX:
                known.clear()
            held = known[id(said)] = (said, item)
        return held[1]


class _Told:
    """What a message says of one source patient: a row of ``bundle`` to be."""

    __slots__ = ("labels", "patient", "said", "touched")

    def __init__(self, patient: str, labels: int = 0) -> None:
        self.patient, self.labels = patient, labels
        self.said: list[Item] = []
        self.touched: list[int] = []


def bundle_rows(
    bodies: Bodies, derived: Derived, message: Message, encoded: Items, batch: Batch
) -> list[Row]:
    """One row per source patient that the message speaks of; the first one is the message's own.

    Directory resources travel with the first: they are evidence of this message like the rest. Of a
    message about several persons each row has the bytes about its own; who has none for what the
    mapping refused has an empty one, so that whom the message is about can be told from its rows.
    """
    main = _main(message, derived)
    first = told = _Told(main, derived.labels if derived.quarantine else 0)
    by_patient = {main: first}
    for said in derived.contributions:
        if said.directory:
            first.said.append(encoded.of(said))
            continue
        if (patient := said.source_patient) != told.patient:
            told = by_patient.get(patient) or by_patient.setdefault(patient, _Told(patient))
        told.said.append(said)
        told.labels |= said.labels
        told.touched.append(crc32(said.resource["id"].encode()))
    refused: frozenset[str] = frozenset()
    if message.parts is not None and not derived.quarantine:
        refused = message.parts.persons.difference(by_patient)
        by_patient |= {patient: _Told(patient) for patient in sorted(refused)}
    position = derived.position
    rows = []
    for ordinal, told in enumerate(by_patient.values()):
        body = BundleBody(tuple(told.said))
        if ordinal == 0:
            body.event_us = derived.event_us
            body.provenance, body.issues = derived.provenance, derived.issues
            body.unmapped, body.links = derived.unmapped, derived.links
        if message.parts is not None and told.patient and told.patient not in refused:
            parts = message.parts
            body.excerpt = _excerpt(bodies, derived, message, parts, told.patient, batch)
            if body.excerpt is not None and derived.unread:
                told.labels |= derived.unread_in({n for n, _ in body.excerpt.slices})
        labels = told.labels & ~PERSON_MASK
        sealed = bodies.seal_bundle(told.patient, position, ordinal, labels, body)
        hashes = pack(f"!{len(told.touched)}I", *told.touched)
        rows.append((position, ordinal, told.patient, hashes, sealed, labels))
    return rows


def _told_by(bundle: Row, said: Contribution) -> bool:
    """Whether a state that is this one contribution can be read from the message's first bundle:
    it is of the same patient and compartment, and not far larger than the state."""
    patient, sealed, labels = bundle[2], bundle[4], bundle[5]
    return bool(
        said.source_patient == patient
        and said.labels & ~PERSON_MASK == labels
        and len(sealed) <= _READ_FOR_ONE_BYTES_MAX
    )


def _excerpt(
    bodies: Bodies, derived: Derived, message: Message, parts: Parts, patient: str, batch: Batch
) -> Excerpt | None:
    """What of the message is about one person; None where nothing is about this one alone."""
    slices = parts.of(message.body, patient)
    if not slices:
        return None
    return Excerpt(
        message.feed,
        bodies.type_label(derived.message_type or message.message_type),
        bodies.control_label(derived.control_id or message.control_id),
        message.received_at_us,
        batch.applied_at_us,
        batch.project_version,
        message.sha256,
        msgspec.structs.replace(parts, items=()),
        slices,
        parts.shared_types(message.body, patient),
    )


def state_row(placed: PlacedState, revision: int, sealed: bytes) -> Row:
    """A patient's resource."""
    state = placed.state
    resource = state.resource
    return (
        placed.sort_us,
        _version_of(state),
        0,
        revision,
        0,
        placed.part,
        placed.section,
        placed.hidden,
        False,
        resource["id"],
        state.source_patient,
        resource["resourceType"],
        clean(placed.series),
        sealed,
        state.labels,
    )


def _version_of(state: ResourceState) -> int:
    meta = state.resource.get("meta")
    if meta is not None and "versionId" in meta:
        return int(meta["versionId"])
    return max([stamp.position for stamp in state.stamps.values()], default=0)


def directory_row(bodies: Bodies, item: Contribution, rank: tuple[int, int, int]) -> Row:
    """A resource about the hospital."""
    sealed = bodies.seal_directory(item, rank)
    place = (0, rank[2], rank[1], 1, rank[0], 0, 0, False, True)
    return (*place, item.id, "", item.type, "", sealed, 0)


def view_row(bodies: Bodies, view: SectionView, revision: int) -> Row:
    """A view."""
    key = view.key
    sealed = bodies.seal_view(view, revision)
    where = (key.part, key.section, key.source_patient)
    return (revision, view.total, *where, sealed, key.labels)


def fill(
    batch: Batch, bodies: Bodies, revisions: Revisions, version: int, shard: int, encoded: Items
) -> Writes:
    """All rows of a batch."""
    writes = Writes()
    issues: Counter[tuple[str, str]] = Counter()
    firsts: dict[str, bytes] = {}
    for message, derived in messages_of(batch):
        writes.outcomes.append(outcome_row(bodies, message, derived, batch.applied_at_us, version))
        bundles = bundle_rows(bodies, derived, message, encoded, batch)
        writes.bundles += bundles
        for said in derived.contributions:
            if said.directory:
                continue
            if (id := said.resource["id"]) in batch.firsts:
                firsts[id] = (
                    IN_BUNDLE
                    if _told_by(bundles[0], said)
                    else bodies.seal_first(id, said, derived.event_us, derived.position)
                )
            if of_person := said.labels & PERSON_MASK:
                known = writes.person_labels.get(said.source_patient, 0)
                writes.person_labels[said.source_patient] = known | of_person
        if derived.issues:
            issues.update((message.feed, issue.code) for issue in derived.issues)
        if derived.links:
            writes.links += [
                (
                    *(derived.position, derived.event_us, i, e.kind, e.surviving, e.prior),
                    *(e.rule, e.by, e.reason, e.up_to),
                )
                for i, e in enumerate(derived.links)
            ]
            writes.words += [
                (derived.position, i, e.two, _array(e.looked), _array(e.beside))
                for i, e in enumerate(derived.links)
                if e.two or e.looked or e.beside
            ]
    _fill_states(writes, batch, bodies, revisions.states, firsts)
    for view in sorted(batch.views, key=_view_order):
        base = revisions.views.get(view.key, 0)
        rows = writes.known_views if base else writes.new_views
        rows.append(view_row(bodies, view, base + 1))
    for care in batch.care:
        if care.replaces:
            writes.care_again_of.append(care.resource_id)
        rows_of_care = writes.care_again if care.replaces else writes.care
        rows_of_care += [
            (r.start_us, r.end_us, care.resource_id, r.source_patient, r.who, r.kind)
            for r in care.relations
        ]
    day = batch.applied_at_us // _DAY_US
    writes.issues = [(feed, day, code, shard, n) for (feed, code), n in sorted(issues.items())]
    return writes


def with_identity(issues: Sequence[Row], batch: Batch, settled: Settled, shard: int) -> list[Row]:
    """Issues of a batch with those of who is who that messages of it (by position) brought."""
    feed_of = {m.position: m.feed for m in batch.messages}
    day = batch.applied_at_us // _DAY_US
    found = list(issues)
    brought = (
        (IDENTITY_REVIEW, settled.opened),
        (IDENTITY_LARGE, settled.grown),
        (IDENTITY_CROWDED, settled.missed),
        (IDENTITY_UNREAD, settled.unread),
        (IDENTITY_NUMEROUS, settled.numerous),
    )
    for code, positions in brought:
        feeds = Counter(feed_of[position] for position in positions if position in feed_of)
        found += [(feed, day, code, shard, n) for feed, n in sorted(feeds.items())]
    return found


def _labels_row(state: ResourceState) -> Row:
    found = standing(state.words.values())
    return (
        *(state.id, state.source_patient, state.type),
        *(found.added, found.lifted, found.asked),
    )


def _fill_states(
    writes: Writes,
    batch: Batch,
    bodies: Bodies,
    revisions: Mapping[str, int],
    firsts: Mapping[str, bytes],
) -> None:
    placed_by_id = {placed.state.resource["id"]: placed for placed in batch.states}
    for id in sorted(placed_by_id):
        placed = placed_by_id[id]
        if placed.state.words:
            writes.label_words.append(_labels_row(placed.state))
        base = revisions.get(id, 0)
        if base:
            sealed = bodies.seal_state(placed.state, base + 1)
            writes.known_states.append(state_row(placed, base + 1, sealed))
        else:
            first = firsts.get(id)
            sealed = bodies.seal_state(placed.state, 1) if first is None else first
            writes.new_states.append(state_row(placed, 1, sealed))
