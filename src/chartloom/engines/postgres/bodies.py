"""What is sealed, and how: the one place that writes and reads ``body`` columns."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from chartloom.chart import merge
from chartloom.domain import codec
from chartloom.domain.chart import Section, SectionView, ViewKey
from chartloom.domain.errors import StoreDamaged
from chartloom.domain.grant import Grant
from chartloom.domain.issues import Issue
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.label_words import LabelWord
from chartloom.domain.labels import PERSON_MASK
from chartloom.domain.message import Arrival, Parts
from chartloom.domain.plain import usual_control_id, usual_message_type
from chartloom.domain.resource import Contribution, LinkEvent, ResourceState, Stamp
from chartloom.engines.postgres import whole
from chartloom.engines.postgres.compact import Compactor
from chartloom.guard import DIRECTORY_KIND, Guard
from chartloom.registry.persons import MatchRecord


class FirstSaid(msgspec.Struct, array_like=True):
    """Stands for the stamps of a state that is one contribution and nothing else."""

    event_us: int
    position: int
    weak: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()


class StateBody(msgspec.Struct, array_like=True):
    """What is sealed of a resource state. With :class:`FirstSaid` for stamps, ``resource`` is the
    contribution, from which the state is made again when it is read."""

    resource: dict[str, Any]
    stamps: dict[str, Stamp] | FirstSaid
    held: dict[str, tuple[int, int]] = {}


class WordedBody(StateBody, array_like=True):
    """The same of a resource of whose labels people said something."""

    words: dict[str, LabelWord] = {}
    said: int = 0


class Excerpt(msgspec.Struct, array_like=True):
    """The part of a message that is about one person, with what tells of it on the outside: to
    whoever may see that person only, nothing else of the message is open.

    frame: the message's :class:`Parts` without items. slices: number of the part, its bytes.
    shared: types of resources that the message tells of this person together with others; which
    of this type stood in whose part is not known any more.
    """

    feed: str
    message_type: str
    control_id: str
    received_at_us: int
    applied_at_us: int
    project_version: str
    sha256: bytes
    frame: Parts
    slices: tuple[tuple[int, bytes], ...]
    shared: tuple[str, ...] = ()


class BundleBody(msgspec.Struct, omit_defaults=True):
    """What is sealed of one message's word about one source patient.

    The first bundle of a message also holds what is about the message as a whole, and when its
    source said it: states that are this one message's word are made from it (:class:`_Said`).
    excerpt: of a message about several persons, the bytes about this one.
    """

    contributions: tuple[Contribution, ...] = ()
    event_us: int = 0
    provenance: dict[str, Any] | None = None
    issues: tuple[Issue, ...] = ()
    unmapped: tuple[str, ...] = ()
    links: tuple[LinkEvent, ...] = ()
    excerpt: Excerpt | None = None


class _SaidOne(msgspec.Struct):
    """A contribution whose resource is not decoded yet."""

    resource: msgspec.Raw
    weak: tuple[str, ...] = ()
    cleared: tuple[str, ...] = ()


class _Said(msgspec.Struct):
    """A bundle, as far as one of its resources is made from it."""

    contributions: tuple[_SaidOne, ...] = ()
    event_us: int = 0


#: What was opened of bundles during one read, by position, source patient and compartment.
_Opened = dict[tuple[int, str, int], _Said]

_encode = codec.encode
_STATE = msgspec.json.Decoder(WordedBody, float_hook=Decimal)
_SAID = msgspec.json.Decoder(_Said)
_BUNDLE = msgspec.json.Decoder(BundleBody, float_hook=Decimal)
_encode_match = msgspec.json.Encoder().encode
_MATCH = msgspec.json.Decoder(MatchRecord)
_ENTRIES = msgspec.json.Decoder(tuple[dict[str, Any], ...], float_hook=Decimal)


def _first_state(
    source_patient: str, resource: dict[str, Any], said: FirstSaid, labels: int
) -> ResourceState:
    contribution = Contribution(resource, source_patient, False, said.weak, said.cleared, labels)
    return merge(None, contribution, Stamp(1, said.event_us, said.position))


def _missing(id: str) -> StoreDamaged:
    return StoreDamaged(
        "the message's word on a resource is missing.",
        where=f"state {id}",
        cure="Restore the store, or rebuild.",
    )


def _state_of(bundle: _Said, id: str, where: tuple[int, str, int]) -> ResourceState:
    """The state of a resource of which a bundle holds all that was ever said."""
    position, source_patient, labels = where
    mark = f'"id":"{id}"'.encode()
    for one in bundle.contributions:
        if mark in bytes(one.resource):  # spares decoding the others
            resource = codec.decode(one.resource)
            if resource["id"] == id:
                said = FirstSaid(bundle.event_us, position, one.weak, one.cleared)
                return _first_state(source_patient, resource, said, labels)
    raise _missing(id)


def _within(labels: int, name: str) -> str:
    """The name of something in a compartment: sealed with it, so that who takes the label off a
    row makes it unreadable."""
    return f"{name}#{labels}" if labels else name


class Bodies:
    """Seals and opens the rows of the store."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._compactor = Compactor()
        self._pack = self._compactor.pack

    def _seal(self, subject: str, kind: str, id: str, version: str, value: Any) -> bytes:
        return self._guard.seal(subject, kind, id, version, self._pack(_encode(value)))

    def _unseal(
        self, grant: Grant, subject: str, kind: str, id: str, version: str, sealed: bytes
    ) -> bytes:
        return self._compactor.unpack(self._guard.unseal(grant, subject, kind, id, version, sealed))

    # What stands beside them in plain text

    def control_label(self, control_id: str) -> str:
        """A control id as lists show it: itself if it looks like one, else a keyed fingerprint, by
        which it is still found; the sealed message has it as it came."""
        if usual_control_id(control_id):
            return control_id
        return f"withheld-{self._guard.blind('control label', control_id)[:8].hex()}"

    @staticmethod
    def type_label(message_type: str) -> str:
        """A message type as lists show it."""
        return message_type if usual_message_type(message_type) else "withheld"

    # Messages

    def seal_message(self, a: Arrival, position: int) -> bytes:
        """The verbatim bytes of a message; nobody can open them if the patient's key is gone."""
        if a.parts is not None:
            return whole.seal(self._guard, position, a.body, a.sha256, a.parts)
        try:
            return self._guard.seal(a.source_patient, "message", str(position), "1", a.body)
        except SubjectShredded:
            return self._guard.seal_for_nobody(a.body)

    def open_message(
        self, grant: Grant, source_patient: str, position: int, sealed: bytes
    ) -> whole.Opened:
        """The inverse of :meth:`seal_message`."""
        if whole.is_parted(sealed):
            return whole.unseal(self._guard, grant, position, sealed)
        body = self._guard.unseal(grant, source_patient, "message", str(position), "1", sealed)
        return whole.Opened(body, hashlib.sha256(body).digest())

    def seal_state(self, state: ResourceState, revision: int) -> bytes:
        """A patient's resource state as of its ``revision``-th write."""
        body = StateBody(state.resource, state.stamps, state.held)
        if state.words:
            body = WordedBody(state.resource, state.stamps, state.held, state.words, state.said)
        name = _within(state.labels, state.id)
        return self._seal(state.source_patient, "state", name, str(revision), body)

    def seal_first(self, id: str, said: Contribution, event_us: int, position: int) -> bytes:
        """A patient's resource state of which one message spoke; its resource may be encoded."""
        body = StateBody(said.resource, FirstSaid(event_us, position, said.weak, said.cleared))
        name = _within(said.labels & ~PERSON_MASK, id)
        return self._seal(said.source_patient, "state", name, "1", body)

    def seal_directory(self, item: Contribution, rank: tuple[int, int, int]) -> bytes:
        """The winning statement about a directory resource.

        Every element of it was said by the one message that won: ``rank`` ends in its position.
        """
        stamp = Stamp(1, rank[1], rank[2])
        body = StateBody(item.resource, dict.fromkeys(item.resource, stamp))
        return self._seal("", DIRECTORY_KIND, item.id, "1", body)

    def open_state(self, grant: Grant, *row: Any) -> ResourceState:
        """The inverse of all: columns in the order in which the queries name them (``STATE``).

        A state with an empty body is the word of one message: it is made from that message's
        bundle, which the row has as well.
        """
        return self._open_state(grant, {}, *row)

    def open_states(self, grant: Grant, rows: Iterable[Sequence[Any]]) -> list[ResourceState]:
        """Several states, each row as for :meth:`open_state`; what is common is opened once."""
        opened: _Opened = {}
        return [self._open_state(grant, opened, *row) for row in rows]

    def _open_state(
        self,
        grant: Grant,
        opened: _Opened,
        id: str,
        source_patient: str,
        directory: bool,
        revision: int,
        sealed: bytes,
        labels: int = 0,
        position: int = 0,
        said: bytes | None = None,
    ) -> ResourceState:
        if directory:
            plain = self._unseal(grant, "", DIRECTORY_KIND, id, "1", sealed)
        elif not sealed:
            where = (position, source_patient, labels)
            if where not in opened:
                opened[where] = self._open_said(grant, id, where, said)
            return _state_of(opened[where], id, where)
        else:
            name = _within(labels, id)
            plain = self._unseal(grant, source_patient, "state", name, str(revision), sealed)
        body = _STATE.decode(plain)
        if isinstance(body.stamps, FirstSaid):
            return _first_state(source_patient, body.resource, body.stamps, labels)
        return ResourceState(
            body.resource, source_patient, body.stamps, directory, labels, body.held, body.words,
            body.said,
        )  # fmt: skip

    def _open_said(
        self, grant: Grant, id: str, where: tuple[int, str, int], said: bytes | None
    ) -> _Said:
        position, source_patient, labels = where
        if said is None:
            raise _missing(id)
        name = _within(labels, f"{position}/0")
        return _SAID.decode(self._unseal(grant, source_patient, "bundle", name, "1", said))

    def seal_view(self, view: SectionView, revision: int) -> bytes:
        """The entries of a view as of its ``revision``-th write."""
        key = view.key
        name = _within(key.labels, f"{int(key.section)}/{key.part}")
        return self._seal(key.source_patient, "view", name, str(revision), view.entries)

    def open_view(
        self,
        grant: Grant,
        source_patient: str,
        section: int,
        part: int,
        total: int,
        revision: int,
        sealed: bytes,
        labels: int = 0,
    ) -> SectionView:
        """The inverse of :meth:`seal_view`."""
        name = _within(labels, f"{section}/{part}")
        plain = self._unseal(grant, source_patient, "view", name, str(revision), sealed)
        key = ViewKey(source_patient, Section(section), part, labels)
        return SectionView(key, total, _ENTRIES.decode(plain))

    def seal_bundle(
        self, source_patient: str, position: int, ordinal: int, labels: int, body: BundleBody
    ) -> bytes:
        """One message's word about one source patient."""
        name = _within(labels, f"{position}/{ordinal}")
        try:
            return self._seal(source_patient, "bundle", name, "1", body)
        except SubjectShredded:
            return self._guard.seal_for_nobody(self._pack(_encode(body)))

    def open_bundle(
        self,
        grant: Grant,
        position: int,
        ordinal: int,
        source_patient: str,
        sealed: bytes,
        labels: int = 0,
    ) -> BundleBody:
        """The inverse of :meth:`seal_bundle`."""
        name = _within(labels, f"{position}/{ordinal}")
        return _BUNDLE.decode(self._unseal(grant, source_patient, "bundle", name, "1", sealed))

    def seal_match(self, source_patient: str, digest: bytes, record: MatchRecord) -> bytes:
        """What is matched of a patient, bound to what it was read from."""
        plain = self._compactor.pack(_encode_match(record))
        return self._guard.seal(source_patient, "match", source_patient, digest.hex(), plain)

    def open_match(
        self, grant: Grant, source_patient: str, digest: bytes, sealed: bytes
    ) -> MatchRecord:
        """The inverse of :meth:`seal_match`."""
        version = digest.hex()
        return _MATCH.decode(
            self._unseal(grant, source_patient, "match", source_patient, version, sealed)
        )
