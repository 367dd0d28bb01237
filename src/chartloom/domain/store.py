"""What goes into and comes out of the store, as values."""

from __future__ import annotations

from typing import Any

import msgspec

from chartloom.domain.access import Relation
from chartloom.domain.chart import PlacedState, SectionView, ViewKey
from chartloom.domain.issues import Issue
from chartloom.domain.message import Message, MessageState
from chartloom.domain.resource import Contribution, Derived, LinkEvent, ResourceState


class Wanted(msgspec.Struct, frozen=True):
    """What a batch needs before it can be folded: resource ids and views, nothing else."""

    resource_ids: frozenset[str]
    views: frozenset[ViewKey]


class Prefetched(msgspec.Struct, frozen=True):
    """The answer to :class:`Wanted`; what does not exist yet is absent."""

    states: dict[str, ResourceState]
    views: dict[ViewKey, SectionView]


class CareOf(msgspec.Struct, frozen=True):
    """The care relations that one resource states now, where they are other than before.

    replaces: it stated some before; they are gone.
    """

    resource_id: str
    relations: tuple[Relation, ...]
    replaces: bool


class Batch(msgspec.Struct, frozen=True):
    """Everything one worker commits in one transaction.

    lanes: lane -> highest position consumed. derived: one per message, in position order.
    states, views: the final value of each touched resource and view. directory: winning
    contributions to directory resources with their stamps' ``(rank, event_us, position)``; the
    store keeps the one with the highest rank tuple, atomically. live: False for replay.
    applied_at_us: the worker's clock just before the commit. firsts: ids of those states that are
    one contribution of this batch and nothing else, so that a store need not write it twice.
    care: of the resources whose relations changed.
    """

    worker: str
    project_version: str
    lanes: dict[int, int]
    messages: tuple[Message, ...]
    derived: tuple[Derived, ...]
    states: tuple[PlacedState, ...]
    directory: tuple[tuple[Contribution, tuple[int, int, int]], ...]
    views: tuple[SectionView, ...]
    applied_at_us: int
    live: bool = True
    firsts: frozenset[str] = frozenset()
    care: tuple[CareOf, ...] = ()


class MessageRow(msgspec.Struct, frozen=True):
    """One line of a message list: no PHI except the pseudonymous source patient id."""

    position: int
    feed: str
    message_type: str
    control_id: str
    received_at_us: int
    applied_at_us: int  #: 0 while it waits
    state: MessageState
    source_patient: str
    size_bytes: int
    issue_count: int
    unmapped_count: int
    quarantine: str = ""  #: reason code
    excerpt: bool = False  #: the message is about others too, and open as far as it is not


class MessageFilter(msgspec.Struct, frozen=True):
    """Search over messages; empty fields do not restrict. Newest first, below ``before``."""

    feed: str = ""
    message_type: str = ""  #: prefix: ``ADT`` finds ``ADT^A01``
    source_patients: tuple[str, ...] = ()
    state: MessageState | None = None
    control_id: str = ""
    received_from_us: int = 0
    received_to_us: int = 0
    before: int = 0  #: position; 0 means from the newest
    limit: int = 50


class MessageDetail(msgspec.Struct, frozen=True):
    """One message with what became of it. ``resources`` are the contributions as derived."""

    row: MessageRow
    message: Message
    project_version: str
    resources: tuple[dict[str, Any], ...]
    provenance: dict[str, Any] | None
    issues: tuple[Issue, ...]
    unmapped: tuple[str, ...]
    links: tuple[LinkEvent, ...]


class FeedStatus(msgspec.Struct, frozen=True):
    """How a feed is doing. Latency is accept-to-view over the last hour, -1 if unknown."""

    feed: str
    received_count: int
    applied_count: int
    quarantined_count: int
    duplicate_count: int
    issue_count: int
    waiting_count: int
    last_received_at_us: int
    last_event_us: int  #: newest data time seen (freshness is measured from it)
    rate_per_minute: tuple[int, ...]  #: received per minute, last 60 minutes, oldest first
    latency_p50_ms: float
    latency_p99_ms: float


class SearchHit(msgspec.Struct, frozen=True):
    """A source patient found by an identifier or name, with its person (cluster)."""

    person_id: str
    source_patients: tuple[str, ...]


class ReplayScope(msgspec.Struct, frozen=True):
    """Which part of the landing log to apply again; empty means all of it."""

    feed: str = ""
    from_position: int = 0
    to_position: int = 0
    positions: tuple[int, ...] = ()
