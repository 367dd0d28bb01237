"""The ``Lanes`` port in memory, for property tests of the pure parts. Never used outside tests.

It round-trips everything through JSON like the real store, hands out copies, and refuses what the
real one refuses, so that a worker cannot pass here by keeping references.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import msgspec

from chartloom.chart import place
from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.codec import decode, encode, encode_sorted
from chartloom.domain.errors import BatchRefused
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.identity import IdentityWord
from chartloom.domain.message import Message
from chartloom.domain.resource import Contribution, Derived, ResourceState, Stamp
from chartloom.domain.store import Batch, Prefetched, Wanted
from chartloom.registry.persons import is_released


class MemoryLanes:
    """One worker's lanes. ``refuse``: positions whose contributions the store cannot hold."""

    def __init__(self, lanes: int = 4, refuse: frozenset[int] = frozenset()) -> None:
        self.lanes, self.refuse = lanes, refuse
        self.log: list[Message] = []
        self.cursor = dict.fromkeys(range(lanes), 0)
        self.retries: list[int] = []
        self.derived: dict[int, Derived] = {}
        self.versions: dict[int, str] = {}
        self.states: dict[str, bytes] = {}
        self.views: dict[ViewKey, bytes] = {}
        self.directory: dict[str, tuple[tuple[int, int, int], Contribution]] = {}
        self.batches: list[Batch] = []
        self.shredded: frozenset[str] = frozenset()
        self.before_commit: Callable[[Batch], None] = lambda batch: None

    def claim(self, worker: str, share: int) -> list[int]:
        return list(range(min(share, self.lanes)))

    def release(self, worker: str) -> None:
        pass

    def wait(self, timeout_s: float) -> bool:
        return False

    def pending(self, grant: Grant, lanes: Sequence[int], limit: int) -> list[Message]:
        if self.retries:
            return [m for m in self.log if m.position in self.retries][:limit]
        waiting = [m for m in self.log if m.lane in lanes and m.position > self.cursor[m.lane]]
        return sorted(waiting, key=lambda m: m.position)[:limit]

    def prepare(self, subjects: Collection[str]) -> frozenset[str]:
        return self.shredded.intersection(subjects)

    def prefetch(self, grant: Grant, wanted: Wanted) -> Prefetched:
        states = {i: self.state(i) for i in wanted.resource_ids if i in self.states}
        views = {k: self.view(k) for k in wanted.views if k in self.views}
        return Prefetched(states, views)

    def refill(
        self,
        grant: Grant,
        source_patient: str,
        section: Section,
        part: int,
        limit: int,
        labels: int = 0,
    ) -> list[ResourceState]:
        placed = [p for p in map(place, map(self.state, self.states)) if not p.hidden]
        mine = [
            p
            for p in placed
            if p.state.source_patient == source_patient
            and (p.section, p.part, p.labels) == (section, part, labels)
        ]
        mine.sort(key=lambda p: (p.sort_us, p.state.id), reverse=True)
        return [p.state for p in mine[:limit]]

    def vouched(self, grant: Grant, source_patient: str, position: int) -> bool:
        words = [
            IdentityWord(
                (e.surviving, e.prior), e.kind, d.event_us, d.position, e.rule, e.by, up_to=e.up_to,
                two=e.two, looked=e.looked,
            )
            for d in self.derived.values()
            for e in d.links
            if e.surviving == e.prior == source_patient
        ]  # fmt: skip
        return is_released(words, position)

    def _set_free(self, said: Derived) -> None:
        for patient in {e.surviving for e in said.links if e.surviving == e.prior}:
            grant = Grant("", Purpose.OPERATIONS, EVERYONE, (), 0, "")
            self.retries += [
                d.position
                for d in self.derived.values()
                if patient in d.overlaid
                and d.position not in self.retries
                and self.vouched(grant, patient, d.position)
            ]

    def commit(self, batch: Batch) -> None:
        self.before_commit(batch)
        for derived in batch.derived:
            if derived.position in self.refuse and not derived.quarantine:
                raise BatchRefused("refused by the test")
        assert [d.position for d in batch.derived] == [m.position for m in batch.messages]
        for lane, position in batch.lanes.items():
            self.cursor[lane] = max(self.cursor[lane], position)
        for derived in batch.derived:
            assert derived.position in self.retries or derived.position not in self.derived
            self.derived[derived.position] = derived
            self.versions[derived.position] = batch.project_version
            if derived.position in self.retries:
                self.retries.remove(derived.position)
            self._set_free(derived)
        assert len({p.state.id for p in batch.states}) == len(batch.states)
        for placed in batch.states:
            self._check(placed)
            self.states[placed.state.id] = encode(placed.state)
        assert len({v.key for v in batch.views}) == len(batch.views)
        for view in batch.views:
            self.views[view.key] = encode([view.total, view.entries])
        for contribution, rank in batch.directory:
            held = self.directory.get(contribution.id)
            if held is None or held[0] < rank:
                self.directory[contribution.id] = (rank, contribution)
        self.batches.append(batch)

    def _check(self, placed: PlacedState) -> None:
        assert placed == place(placed.state)

    # --- looking ----------------------------------------------------------------------------

    def state(self, id: str) -> ResourceState:
        value = decode(self.states[id])
        return ResourceState(
            value["resource"],
            value["source_patient"],
            {k: msgspec.convert(v, Stamp) for k, v in value["stamps"].items()},
            value["directory"],
            value["labels"],
            {k: tuple(v) for k, v in value["held"].items()},
        )

    def view(self, key: ViewKey) -> SectionView:
        total, entries = decode(self.views[key])
        return SectionView(key, total, tuple(entries))

    def digest(self) -> bytes:
        """Everything derived, as bytes: equal digests mean equal stores. Empty views count not."""
        views = [(k, v) for k, v in sorted(self.views.items()) if v != b"[0,[]]"]
        return encode_sorted([sorted(self.states.items()), views, sorted(self.directory.items())])
