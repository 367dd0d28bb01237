"""The hot path: from landed messages to charts.

    claim lanes -> read pending -> derive (pure) -> prefetch -> merge and fold (pure) -> commit

A :class:`Worker` is the only writer of the lanes it holds, and consumes them in position order. A
batch is one transaction: either all of its messages are applied and the lanes moved on, or nothing
happened and the same messages are pending again. A message that cannot be applied goes to
quarantine with a reason, and its lane goes on; retried later, it finds its place by its stamps.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from time import monotonic, perf_counter
from typing import Final
from uuid import UUID

import msgspec

from chartloom import chart, normalize
from chartloom.domain.errors import (
    BatchRefused,
    BatchStale,
    ChartloomError,
    GrantRefused,
    LaneLost,
    LimitExceeded,
    StoreDamaged,
    StoreDefect,
    StoreUnavailable,
)
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Grant
from chartloom.domain.issues import Issue
from chartloom.domain.keys import SubjectShredded
from chartloom.domain.message import Message
from chartloom.domain.ports import Clock, Lanes
from chartloom.domain.quarantine import (
    CONTROL_ID_REUSED,
    FEED_UNKNOWN,
    INTERNAL_FAULT,
    STORE_REFUSED,
    STORED_DAMAGED,
    SUBJECT_SHREDDED,
    place_of,
    quarantined,
)
from chartloom.domain.resource import Derived, ResourceState
from chartloom.domain.shredding import subjects, without
from chartloom.domain.store import Batch, Wanted
from chartloom.registry.persons import Parameters, default_parameters

#: What a bug in pure code raises. Named, so that faults of the store or the machine pass through.
DERIVE_FAULTS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    msgspec.MsgspecError,
)

#: What one message of a batch may cause; the others go on without it.
_NOT_ALL: Final = (BatchRefused, StoreDamaged, LimitExceeded, *DERIVE_FAULTS)

_STALE_ATTEMPTS_MAX = 20
_WAIT_S = 1.0
#: Batches begin no more often than this. A batch costs some milliseconds by itself, however small
#: it is; so while messages keep coming, that stays a small part of what there is to do. What comes
#: after a pause is taken at once.
_PACE_S = 0.025
_log = logging.getLogger(__name__)


class BatchReport(msgspec.Struct, frozen=True):
    """How one committed batch went; handed to ``on_batch``."""

    messages: int
    quarantined: int
    issues: int
    states: int
    views: int
    refilled: int
    derive_s: float
    prefetch_s: float
    fold_s: float
    commit_s: float


class Worker:
    """Consumes lanes of the landing log.

    mappings: feed name -> the feed and its mapping. share: how many lanes to hold at most.
    live: False for a worker that only replays. on_batch: called after each commit.
    when_idle: called by :meth:`run` when nothing is pending. aside: called by it between batches,
    with whether there was one, for work that can wait; answers after how many seconds it wants to
    be called again if nothing comes. parameters: by which an update is seen to be about somebody
    else; the built-in ones if there are none.
    """

    def __init__(
        self,
        store: Lanes,
        mappings: Mapping[str, tuple[Feed, normalize.Mapping]],
        namespace: UUID,
        clock: Clock,
        grant_source: Callable[[], Grant],
        name: str,
        share: int,
        batch_max: int = 500,
        *,
        live: bool = True,
        on_batch: Callable[[BatchReport], None] | None = None,
        when_idle: Callable[[], None] | None = None,
        aside: Callable[[bool], float] | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self.store, self.mappings, self.namespace = store, mappings, namespace
        self.clock, self.grant_source, self.name = clock, grant_source, name
        self.share, self.batch_max = share, batch_max
        self.live, self.on_batch, self.when_idle = live, on_batch, when_idle
        self.aside = aside
        self.parameters = parameters or default_parameters()

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set, then gives the lanes back. Outlives the store's outages.

        Raises ``StoreDefect``: then every batch would fail alike, and no message is to blame.
        """
        while not stop.is_set():
            try:
                began_s = monotonic()
                if self.run_once():
                    if self.aside:
                        self.aside(True)
                    stop.wait(max(0.0, began_s + _PACE_S - monotonic()))
                else:
                    if self.when_idle:
                        self.when_idle()
                    self.store.wait(min(_WAIT_S, self.aside(False) if self.aside else _WAIT_S))
            except LaneLost:
                _log.info("a lane went to another worker; claiming again")
            except BatchStale:
                _log.warning("others keep changing what this batch needs; trying again")
                stop.wait(_WAIT_S)
            except GrantRefused:
                # It ended under the batch, of which nothing is written; the source has another.
                _log.warning("the grant does not hold (any more); trying again with another one")
                stop.wait(_WAIT_S)
            except StoreUnavailable:
                _log.warning("the store is unavailable; nothing is lost, trying again")
                stop.wait(_WAIT_S)
            except StoreDefect as fault:
                fields = {"sqlstate": fault.code}
                _log.critical("the store does not do what it is asked", extra={"chartloom": fields})
                # Else whoever takes the lanes next would count a death over a message.
                with contextlib.suppress(ChartloomError):
                    self.store.release(self.name)
                raise
            except (StoreDamaged, BatchRefused, LimitExceeded) as fault:
                # Not even the bare record of a message can be kept, or nothing can be read.
                fields = {"fault": type(fault).__name__, "what": fault.what}
                _log.error("the store refuses its work", extra={"chartloom": fields})
                stop.wait(_WAIT_S)
        self.store.release(self.name)

    def run_once(self) -> int:
        """Applies what is pending, at most ``batch_max`` messages; how many it consumed."""
        done = 0
        lanes = self.store.claim(self.name, self.share)
        messages = self.store.pending(self.grant_source(), lanes, self.batch_max) if lanes else []
        for version, batch in self._by_version(messages):
            started = perf_counter()
            derived = [self.derive(message) for message in batch]
            derived = self.without_shredded(batch, derived)
            now = chart.release_at(derived)
            self.apply(version, batch[:now], derived[:now], perf_counter() - started)
            done += now
            # What a person's word set free comes before anything that follows it.
            if any(link.surviving == link.prior for link in derived[now - 1].links):
                break
        return done

    def derive(self, message: Message) -> Derived:
        """What one message says; one that cannot be tried or trips the mapping is quarantined."""
        if message.fault:
            return quarantined(message, message.fault)
        if message.feed not in self.mappings:
            return quarantined(message, FEED_UNKNOWN)
        feed, mapping = self.mappings[message.feed]
        try:
            derived = mapping.derive(message, feed, self.namespace)
        except DERIVE_FAULTS as fault:
            derived = quarantined(message, INTERNAL_FAULT, place_of(fault))
        if message.conflict:
            issues = (*derived.issues, Issue(CONTROL_ID_REUSED))
            derived = msgspec.structs.replace(derived, issues=issues)
        return derived

    def without_shredded(
        self, messages: Sequence[Message], derived: Sequence[Derived]
    ) -> list[Derived]:
        """Nothing can be written of subjects whose key was destroyed: messages about them go to
        quarantine, and what messages about others say of them is left out, with an Issue."""
        shredded = self.store.prepare({s for d in derived for s in subjects(d)})
        if not shredded:
            return list(derived)
        return [
            quarantined(m, SUBJECT_SHREDDED)
            if (d.source_patient or m.source_patient) in shredded
            else without(d, shredded)
            for m, d in zip(messages, derived, strict=True)
        ]

    def apply(
        self,
        version: str,
        messages: Sequence[Message],
        derived: Sequence[Derived],
        derive_s: float = 0.0,
    ) -> None:
        """Commits the messages; those that cannot be are found by halving, and quarantined."""
        try:
            self._commit(version, messages, derived, derive_s)
        except SubjectShredded:  # while we were at it
            derived = self.without_shredded(messages, derived)
            self.apply(version, messages, derived, derive_s)
        except _NOT_ALL as fault:
            if len(messages) > 1:
                half = len(messages) // 2
                self.apply(version, messages[:half], derived[:half], derive_s)
                self.apply(version, messages[half:], derived[half:])
            elif derived[0].quarantine:
                raise  # not the message's fault: even its bare record is refused
            elif isinstance(fault, ChartloomError):
                code = STORED_DAMAGED if isinstance(fault, StoreDamaged) else STORE_REFUSED
                self.apply(version, messages, [quarantined(messages[0], code)])
            else:
                where = place_of(fault)
                self.apply(version, messages, [quarantined(messages[0], INTERNAL_FAULT, where)])

    def _commit(
        self, version: str, messages: Sequence[Message], said: Sequence[Derived], derive_s: float
    ) -> None:
        """Prefetch, stop overlays, merge, fold, commit; again if another worker changed what was
        read."""
        for attempts_left in reversed(range(_STALE_ATTEMPTS_MAX)):
            clock, grant = [perf_counter()], self.grant_source()
            wanted = chart.plan_batch(said)
            found = self.store.prefetch(grant, wanted)
            clock.append(perf_counter())
            derived = self._stopped(grant, said, found.states)
            changes = chart.merge_batch(derived, found.states)
            views = found.views
            if unforeseen := chart.views_of(changes) - wanted.views:
                more = self.store.prefetch(grant, Wanted(frozenset(), unforeseen))
                views = views | more.views
            folded = chart.fold_batch(changes, views)
            for key in folded.refill:
                where = (key.source_patient, key.section, key.part)
                stored = self.store.refill(grant, *where, chart.REFILL_LIMIT, key.labels)
                folded.views[key] = chart.refill_view(folded.views[key], stored, changes)
            batch = Batch(
                worker=self.name,
                project_version=version,
                lanes={m.lane: m.position for m in sorted(messages, key=lambda m: m.position)},
                messages=tuple(messages),
                derived=tuple(derived),
                states=tuple(change.after for change in changes.values()),
                directory=chart.rank_directory(derived),
                views=tuple(folded.views.values()),
                applied_at_us=self.clock.now_us(),
                live=self.live,
                firsts=frozenset([id for id, change in changes.items() if change.first]),
                care=chart.care_of(changes),
            )
            clock.append(perf_counter())
            try:
                self.store.commit(batch)
            except BatchStale:
                if not attempts_left:
                    raise
                continue
            clock.append(perf_counter())
            if self.on_batch:
                self.on_batch(_report(batch, len(folded.refill), derive_s, clock))
            return

    def _stopped(
        self, grant: Grant, said: Sequence[Derived], states: Mapping[str, ResourceState]
    ) -> list[Derived]:
        """Without what would turn a patient's record into somebody else's."""
        return chart.stop_overlays(
            said, states, self.parameters, lambda *which: self.store.vouched(grant, *which)
        )

    def _by_version(self, messages: Sequence[Message]) -> Iterator[tuple[str, list[Message]]]:
        """Messages by the mapping version that applies to them, each lane's order kept: a message
        waits for the next group if an earlier one of its lane does."""
        while messages:
            version, now, later = self._version(messages[0]), [], []
            waiting: set[int] = set()
            for message in messages:
                if message.lane in waiting or self._version(message) != version:
                    waiting.add(message.lane)
                    later.append(message)
                else:
                    now.append(message)
            yield version, now
            messages = later

    def _version(self, message: Message) -> str:
        entry = self.mappings.get(message.feed)
        return entry[1].fingerprint if entry else ""


def _report(batch: Batch, refilled: int, derive_s: float, clock: Sequence[float]) -> BatchReport:
    return BatchReport(
        messages=len(batch.messages),
        quarantined=sum(bool(d.quarantine) for d in batch.derived),
        issues=sum(len(d.issues) for d in batch.derived),
        states=len(batch.states),
        views=len(batch.views),
        refilled=refilled,
        derive_s=derive_s,
        prefetch_s=clock[1] - clock[0],
        fold_s=clock[2] - clock[1],
        commit_s=clock[3] - clock[2],
    )
