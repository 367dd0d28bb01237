"""The store as sources, workers and readers know it: the log, its lanes, charts and messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from chartloom.domain.chart import PlacedState, Section, SectionView
from chartloom.domain.grant import Grant
from chartloom.domain.message import Arrival, Message, Receipt
from chartloom.domain.resource import ResourceState
from chartloom.domain.store import (
    Batch,
    FeedStatus,
    MessageDetail,
    MessageFilter,
    MessageRow,
    Prefetched,
    ReplayScope,
    SearchHit,
    Wanted,
)


class Landing(Protocol):
    """The append-only log of verbatim messages."""

    def land(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Appends in order and returns when all are durable (group commit); one receipt each.

        Raises ``StoreUnavailable``; then nothing of ``arrivals`` may be acknowledged.
        Raises ``LandingRefused`` when one of them can never be kept: land them in halves.
        """
        ...


class Lanes(Protocol):
    """The log as workers consume it: lane by lane, one writer per lane."""

    def claim(self, worker: str, share: int) -> list[int]:
        """Leases up to ``share`` lanes for ``worker`` (keeping its own); safe to call often."""
        ...

    def release(self, worker: str) -> None:
        """Gives all lanes back."""
        ...

    def pending(self, grant: Grant, lanes: Sequence[int], limit: int) -> list[Message]:
        """The next messages of the lanes, in position order, bodies opened."""
        ...

    def prepare(self, subjects: Collection[str]) -> frozenset[str]:
        """Makes ready what sealing for these source patients needs; those that were shredded, for
        whom nothing can be written any more."""
        ...

    def prefetch(self, grant: Grant, wanted: Wanted) -> Prefetched:
        """Current states and views for a batch."""
        ...

    def refill(
        self,
        grant: Grant,
        source_patient: str,
        section: Section,
        part: int,
        limit: int,
        labels: int = 0,
    ) -> list[ResourceState]:
        """The newest visible states of one section part, for the rare rebuild of a bounded view.

        labels: only those of this compartment (exactly this mask).
        """
        ...

    def vouched(self, grant: Grant, source_patient: str, position: int) -> bool:
        """Whether people said that a message is about this source patient, although it speaks of
        somebody else."""
        ...

    def commit(self, batch: Batch) -> None:
        """One transaction: bundles, states, views, links, identifiers, issues, outbox, lanes."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Blocks until something landed or the time is over; True if something landed."""
        ...


class Charts(Protocol):
    """Reads for views, consoles and doors."""

    def together(self, grant: Grant) -> AbstractContextManager[None]:
        """Reads of this thread under this very grant, within, share one transaction."""
        ...

    def find_persons(
        self, grant: Grant, field: str, value: str, limit: int = 20
    ) -> list[SearchHit]:
        """``field``: ``identifier`` (or ``system|value``), ``family``, ``birthdate``, ``any``."""
        ...

    def seek_persons(
        self,
        grant: Grant,
        wanted: Sequence[Sequence[tuple[str, str]]],
        after: str = "",
        limit: int = 50,
    ) -> list[SearchHit]:
        """Persons of whom one record has, of each of ``wanted``, one of the (field, value) pairs.

        ``family^`` and ``given^`` mean: begins with this (three letters of it are looked up). What
        is found carries or once carried the values; look at the states. By index only; the first
        of ``wanted`` should be the rarest. Ordered by person id, from behind ``after``.
        """
        ...

    def persons_of(self, grant: Grant, any_ids: Sequence[str]) -> list[SearchHit]:
        """The persons of person ids and source patient ids, each once; unknown ids are left out."""
        ...

    def recent_persons(self, grant: Grant, limit: int = 20) -> list[SearchHit]:
        """Persons whose chart changed last."""
        ...

    def person(self, grant: Grant, any_id: str) -> SearchHit:
        """The person of a person id or source patient id; raises ``NotFound``."""
        ...

    def sections(self, grant: Grant, source_patients: Sequence[str]) -> list[SectionView]:
        """All section views of a chart, in one read."""
        ...

    def speakers(
        self,
        grant: Grant,
        source_patients: Sequence[str],
        sections: Sequence[Section] = (),
        resource_ids: Sequence[str] = (),
    ) -> dict[str, str]:
        """Resource id -> the feed that spoke of it last, of visible ones; no sections: of all; of
        these resources only, if there are any."""
        ...

    def made_anew(self, grant: Grant) -> bool:
        """Whether charts are not whole yet, since messages are applied again (a rebuild, an
        upgrade). Any grant that holds will do."""
        ...

    def state(self, grant: Grant, resource_id: str) -> ResourceState:
        """The current state of one resource; raises ``NotFound``."""
        ...

    def states(self, grant: Grant, resource_ids: Sequence[str]) -> dict[str, ResourceState]:
        """Several states (references of a view, for example)."""
        ...

    def timeline(
        self,
        grant: Grant,
        source_patients: Sequence[str],
        sections: Sequence[Section] = (),
        before_us: int = 0,
        limit: int = 50,
        series: str = "",
        before_id: str = "",
    ) -> list[PlacedState]:
        """Visible resources of a chart, newest first, those of one moment by id, last first.

        The page after one that ends in ``p``: ``before_us=p.sort_us, before_id=p.state.id``.
        """
        ...

    def history(self, grant: Grant, resource_id: str) -> list[MessageRow]:
        """The messages that contributed to a resource, newest first."""
        ...


class Messages(Protocol):
    """The log as people look at it."""

    def search(self, grant: Grant, where: MessageFilter) -> list[MessageRow]:
        """Newest first."""
        ...

    def detail(self, grant: Grant, position: int) -> MessageDetail:
        """One message, bodies opened; raises ``NotFound``."""
        ...

    def feeds(self, grant: Grant) -> list[FeedStatus]:
        """One status per feed that ever received something."""
        ...

    def retry(self, grant: Grant, scope: ReplayScope) -> int:
        """Puts quarantined messages back in front of their lanes; how many."""
        ...

    def rebuild(self, grant: Grant) -> int:
        """Empties all that is derived and rewinds all lanes for replay; how many messages."""
        ...

    def waiting(self, grant: Grant) -> int:
        """How many messages are landed but not yet consumed."""
        ...

    def project_version(self, grant: Grant, fingerprint: str) -> dict[str, bytes]:
        """The mapping files of an earlier project version: path -> content."""
        ...

    def save_project_version(self, fingerprint: str, files: dict[str, bytes]) -> None:
        """Keeps the mapping files under their fingerprint; a known fingerprint is left alone."""
        ...
