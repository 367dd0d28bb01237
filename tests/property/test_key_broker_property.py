"""Any order of sealing, opening, shredding, rotating and restarting keeps every promise."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tests.support.clock import FakeClock
from tests.support.memory_keys import MemoryKeys

from chartloom.domain.grant import Purpose
from chartloom.domain.keys import StaleGeneration, SubjectShredded, Tombstone
from chartloom.guard import Guard
from chartloom.guard.keys import FileKek, KeyBroker

NONCE = bytes(12)
SUBJECTS = st.sampled_from([f"p{i}" for i in range(5)])
PROCESSES = st.integers(0, 2)


class Keys(RuleBasedStateMachine):
    """Three processes over one store; the model is what was sealed and who was shredded."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        root = Path(self.folder.name)
        self.clock = FakeClock()
        self.guard = Guard.open(root / "keys", self.clock)
        self.grant = self.guard.mint("t", Purpose.OPERATIONS, ttl_s=1e6)
        self.store = MemoryKeys()
        self.kek = root / "kek"
        self.brokers = [self._process() for _ in range(3)]
        self.sealed: list[tuple[str, bytes, bytes]] = []
        self.shredded: set[str] = set()

    def teardown(self) -> None:
        self.folder.cleanup()

    def _process(self) -> KeyBroker:
        kek = FileKek(self.kek, create=True)
        return KeyBroker(kek, self.store, self.guard, self.clock, cached_max=3)

    @rule(process=PROCESSES, subject=SUBJECTS, plain=st.binary(max_size=8))
    def seal(self, process: int, subject: str, plain: bytes) -> None:
        try:
            sealed = self.brokers[process].sealing_key(subject).encrypt(NONCE, plain, None)
        except SubjectShredded:
            assert subject in self.shredded
            return
        assert subject not in self.shredded
        self.sealed.append((subject, plain, sealed))

    @rule(process=PROCESSES)
    def open_everything(self, process: int) -> None:
        for subject, plain, sealed in self.sealed:
            try:
                key = self.brokers[process].opening_key(self.grant, subject)
            except SubjectShredded:
                assert subject in self.shredded
            else:
                assert subject not in self.shredded
                assert key.decrypt(NONCE, sealed, None) == plain

    @rule(process=PROCESSES, subjects=st.lists(SUBJECTS))
    def ensure(self, process: int, subjects: list[str]) -> None:
        assert self.brokers[process].ensure(subjects) == set(subjects) & self.shredded

    @rule(process=PROCESSES, subject=SUBJECTS)
    def shred(self, process: int, subject: str) -> None:
        self.brokers[process].shred(subject, "officer", "patient-request")
        self.shredded.add(subject)
        self.clock.time_us += 1_000_000  # the promise: forgotten within a second

    @rule(process=PROCESSES)
    def rotate(self, process: int) -> None:
        assert self.brokers[process].rotate().left == 0

    @rule(process=PROCESSES)
    def retire_the_oldest(self, process: int) -> None:
        generations = FileKek(self.kek).describe().generations
        if len(generations) > 1:
            try:
                self.brokers[process].retire(generations[0])
            except StaleGeneration:
                assert self.store.count_by_generation()[generations[0]]

    @rule(process=PROCESSES)
    def restart(self, process: int) -> None:
        self.brokers[process] = self._process()

    @invariant()
    def only_tombstones_are_left_of_the_shredded(self) -> None:
        for subject in self.shredded:
            assert isinstance(self.store.rows[subject], Tombstone)


Keys.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestKeys = Keys.TestCase
