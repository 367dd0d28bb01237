"""Subject keys: made once, opened only against a grant, rotated and destroyed while in use."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from cryptography.exceptions import InvalidTag
from tests.support.clock import FakeClock
from tests.support.memory_keys import MemoryKeys

from chartloom.domain.errors import ConfigurationError, GrantRefused
from chartloom.domain.grant import Purpose
from chartloom.domain.keys import (
    DIRECTORY_SUBJECT,
    StaleGeneration,
    SubjectShredded,
    Tombstone,
    WrappedKey,
)
from chartloom.guard import Guard
from chartloom.guard.keys import (
    FileKek,
    GenerationUnknown,
    KeyBroker,
    KeyDamaged,
    Rotation,
)

NONCE = bytes(12)


class Site:
    """A guard, a store of keys and brokers ("processes") over them."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.guard = Guard.open(folder / "keys", self.clock)
        self.folder = folder / "kek"
        self.store = MemoryKeys()
        self.all = self.guard.mint("worker", Purpose.OPERATIONS)

    def process(self, **more: object) -> KeyBroker:
        kek = FileKek(self.folder, create=True)
        return KeyBroker(kek, self.store, self.guard, self.clock, **more)  # type: ignore[arg-type]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def seal(broker: KeyBroker, subject: str, plain: bytes = b"body") -> bytes:
    return broker.sealing_key(subject).encrypt(NONCE, plain, None)


def test_what_one_process_seals_another_opens(site: Site) -> None:
    sealed = seal(site.process(), "p1")
    assert site.process().opening_key(site.all, "p1").decrypt(NONCE, sealed, None) == b"body"


def test_every_subject_has_its_own_random_key(site: Site) -> None:
    broker = site.process()
    sealed = {s: seal(broker, s) for s in ("p1", "p2", "", DIRECTORY_SUBJECT)}
    assert len(set(sealed.values())) == 4
    with pytest.raises(InvalidTag):
        broker.opening_key(site.all, "p2").decrypt(NONCE, sealed["p1"], None)


def test_a_key_is_opened_only_for_who_is_covered(site: Site) -> None:
    broker = site.process()
    sealed = {s: seal(broker, s) for s in ("p1", "p2", "", DIRECTORY_SUBJECT)}
    some = site.guard.mint("dr", Purpose.TREATMENT, persons=("p1",))
    for subject in ("p1", DIRECTORY_SUBJECT):
        key = broker.opening_key(some, subject)
        assert key.decrypt(NONCE, sealed[subject], None) == b"body"
    for subjects in (("p2",), ("",), ("p1", "p2")):
        with pytest.raises(GrantRefused):
            broker.opening_keys(some, subjects)
    with pytest.raises(GrantRefused):
        broker.opening_key(msgspec.structs.replace(some, persons=("p2",)), "p2")
    with pytest.raises(GrantRefused):
        broker.opening_key(None, DIRECTORY_SUBJECT)  # type: ignore[arg-type]
    site.clock.time_us += 901_000_000
    for subject in ("p1", DIRECTORY_SUBJECT):
        with pytest.raises(GrantRefused):
            broker.opening_key(some, subject)


def test_refusals_come_before_any_look_up(site: Site) -> None:
    broker = site.process()
    some = site.guard.mint("dr", Purpose.TREATMENT, persons=("p1",))
    site.store.calls.clear()
    with pytest.raises(GrantRefused):
        broker.opening_key(some, "p2")
    assert site.store.calls["get"] == 0


def test_sealing_keys_cannot_open_and_opening_keys_cannot_seal(site: Site) -> None:
    broker = site.process()
    assert not hasattr(broker.sealing_key("p1"), "decrypt")
    assert not hasattr(broker.opening_key(site.all, "p1"), "encrypt")


def test_opening_makes_no_key(site: Site) -> None:
    with pytest.raises(KeyDamaged):
        site.process().opening_key(site.all, "p1")
    assert site.store.rows == {}


def test_a_batch_costs_one_look_up_and_one_write(site: Site) -> None:
    broker = site.process()
    site.store.calls.clear()
    assert broker.ensure([f"p{i % 700}" for i in range(2000)]) == frozenset()
    assert site.store.calls == {"get": 1, "put_absent": 1, "epoch": 1}
    for i in range(700):
        seal(broker, f"p{i}")
    broker.ensure([f"p{i}" for i in range(700)])
    assert site.store.calls == {"get": 1, "put_absent": 1, "epoch": 1}
    other = site.process()
    other.ensure(["p1", "p2", "new"])
    assert site.store.calls["put_absent"] == 2
    other.opening_keys(site.all, [f"p{i}" for i in range(700)])
    assert site.store.calls["get"] == 3


def test_processes_that_meet_a_patient_at_once_agree(site: Site) -> None:
    brokers = [site.process() for _ in range(4)]
    barrier = threading.Barrier(4)

    def meet(broker: KeyBroker) -> list[bytes]:
        barrier.wait()
        broker.ensure(["a", "b"])
        return [seal(broker, s) for s in ("a", "b", "c")]

    with ThreadPoolExecutor(4) as pool:
        assert len({tuple(x) for x in pool.map(meet, brokers)}) == 1


def test_the_cache_is_bounded_and_forgets_the_least_used(site: Site) -> None:
    broker = site.process(cached_max=2)
    for subject in ("p1", "p2", "p1", "p3"):
        seal(broker, subject)
    site.store.calls.clear()
    seal(broker, "p1")
    seal(broker, "p3")
    assert site.store.calls["get"] == 0
    seal(broker, "p2")
    assert site.store.calls["get"] == 1


def test_a_batch_larger_than_the_cache_still_works(site: Site) -> None:
    broker = site.process(cached_max=1)
    subjects = ["p1", "p2", "p3"]
    broker.ensure(subjects)
    sealed = {s: seal(broker, s) for s in subjects}
    for subject, key in broker.opening_keys(site.all, subjects).items():
        assert key.decrypt(NONCE, sealed[subject], None) == b"body"


# Shredding


def test_a_shredded_subject_is_gone_everywhere(site: Site) -> None:
    here, there = site.process(), site.process()
    sealed = seal(here, "p1")
    there.opening_key(site.all, "p1")
    seal(here, "p2")
    stone = here.shred("p1", "officer-1", "patient-request")
    assert stone == Tombstone("p1", site.clock.time_us, "officer-1", "patient-request")
    with pytest.raises(SubjectShredded):
        here.opening_key(site.all, "p1")
    site.clock.time_us += 1_000_000
    for broker in (here, there, site.process()):
        with pytest.raises(SubjectShredded) as gone:
            broker.opening_key(site.all, "p1")
        assert gone.value.subjects == ("p1",)
        with pytest.raises(SubjectShredded):
            broker.sealing_key("p1")
        assert broker.ensure(["p1", "p2", "p3"]) == {"p1"}
        assert seal(broker, "p2")
    assert sealed not in repr(site.store.rows).encode()
    assert isinstance(site.store.rows["p1"], Tombstone)


def test_a_subject_can_be_shredded_before_it_had_a_key(site: Site) -> None:
    broker = site.process()
    broker.shred("p9", "officer-1", "court-order")
    with pytest.raises(SubjectShredded):
        broker.sealing_key("p9")


def test_shredding_twice_keeps_the_first_tombstone(site: Site) -> None:
    broker = site.process()
    first = broker.shred("p1", "officer-1", "patient-request")
    site.clock.time_us += 5
    assert broker.shred("p1", "officer-2", "other") == first


@pytest.mark.parametrize("subject", ["", DIRECTORY_SUBJECT])
def test_shared_keys_are_never_shredded(site: Site, subject: str) -> None:
    broker = site.process()
    sealed = seal(broker, subject)
    with pytest.raises(GrantRefused):
        broker.shred(subject, "officer-1", "mistake")
    assert broker.opening_key(site.all, subject).decrypt(NONCE, sealed, None) == b"body"


def test_a_key_read_before_a_shredding_is_not_cached_after_it(site: Site) -> None:
    """The look-up of one thread is overtaken by the shredding of another."""
    broker = site.process()
    seal(site.process(), "p1")
    real = site.store.get

    def overtaken(subjects: Sequence[str]) -> dict[str, WrappedKey | Tombstone]:
        found = real(subjects)
        site.store.get = real  # type: ignore[method-assign]
        broker.shred("p1", "officer-1", "patient-request")
        return found

    site.store.get = overtaken  # type: ignore[method-assign]
    broker.ensure(["p1"])
    with pytest.raises(SubjectShredded):
        broker.sealing_key("p1")


# Rotation


def test_rotation_rewraps_all_and_changes_no_key(site: Site) -> None:
    broker = site.process()
    subjects = [f"p{i}" for i in range(2500)]
    broker.ensure(subjects)
    sealed = {s: seal(broker, s) for s in subjects}
    before = dict(site.store.rows)
    seen: list[Rotation] = []
    done = broker.rotate(seen.append)
    assert done == Rotation(2, 2500, 0)
    assert [r.left for r in seen] == [1500, 500, 0]
    assert site.store.count_by_generation() == {2: 2500}
    assert all(site.store.rows[s] != before[s] for s in subjects)
    fresh = site.process()
    for subject, key in fresh.opening_keys(site.all, subjects).items():
        assert key.decrypt(NONCE, sealed[subject], None) == b"body"


def test_a_retired_generation_makes_old_backups_useless(site: Site) -> None:
    broker = site.process()
    seal(broker, "p1")
    backup = dict(site.store.rows)
    with pytest.raises(StaleGeneration):
        broker.retire(1)
    broker.shred("p1", "officer-1", "patient-request")
    broker.rotate()
    broker.retire(1)
    site.store.rows = backup  # somebody restores yesterday's table
    with pytest.raises(GenerationUnknown):
        site.process().opening_key(site.all, "p1")


def test_the_generation_in_use_cannot_be_retired(site: Site) -> None:
    with pytest.raises(ConfigurationError):
        site.process().retire(1)


def test_a_process_that_slept_through_a_rotation_wraps_with_the_new_generation(
    site: Site,
) -> None:
    sleeper, other = site.process(), site.process()
    seal(other, "p1")
    other.rotate()
    other.retire(1)
    sealed = seal(sleeper, "p2")
    assert site.store.count_by_generation() == {2: 2}
    assert site.process().opening_key(site.all, "p2").decrypt(NONCE, sealed, None) == b"body"


def test_an_interrupted_rotation_goes_on(site: Site) -> None:
    broker = site.process()
    broker.ensure([f"p{i}" for i in range(1500)])

    class Stop(Exception):
        pass

    def stop(_: Rotation) -> None:
        raise Stop

    with pytest.raises(Stop):
        broker.rotate(stop)
    assert site.store.count_by_generation() == {1: 500, 2: 1000}
    assert site.process().rotate(new_generation=False) == Rotation(2, 500, 0)


def test_reading_sealing_and_shredding_go_on_during_rotations(site: Site) -> None:
    subjects = [f"p{i}" for i in range(300)]
    site.process().ensure(subjects)
    sealed = {s: seal(site.process(), s) for s in subjects[:5]}
    stop = threading.Event()

    def work(n: int) -> int:
        reads = 0
        while not stop.is_set():
            broker = site.process(cached_max=20)
            for subject, cipher in sealed.items():
                key = broker.opening_key(site.all, subject)
                assert key.decrypt(NONCE, cipher, None) == b"body"
                reads += 1
            seal(broker, f"new-{n}-{reads}")
        return reads

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work, n) for n in range(3)]
        try:
            broker = site.process()
            for generation in range(1, 6):
                broker.shred(f"p{100 + generation}", "officer", "patient-request")
                broker.rotate()
                broker.retire(generation)
        finally:
            stop.set()
        assert all(w.result() > 0 for w in workers)
    assert set(site.store.count_by_generation()) == {6}
    assert sum(isinstance(k, Tombstone) for k in site.store.rows.values()) == 5


def test_a_process_that_starts_during_rotations_makes_no_generation(site: Site) -> None:
    """A folder is not read in one moment: a look may miss the old generation and the new one."""
    site.process()
    broker, stop = site.process(), threading.Event()

    def start() -> int:
        starts = 0
        while not stop.is_set():
            FileKek(site.folder, create=True)
            starts += 1
        return starts

    with ThreadPoolExecutor(3) as pool:
        starting = [pool.submit(start) for _ in range(3)]
        try:
            for generation in range(1, 60):
                assert broker.rotate().generation == generation + 1
                broker.retire(generation)
        finally:
            stop.set()
        assert all(s.result() > 0 for s in starting)
    assert [p.name for p in site.folder.glob("*.key")] == ["60.key"]


def test_a_key_shredded_during_rotation_stays_shredded(site: Site) -> None:
    broker = site.process()
    seal(broker, "p1")
    real = site.store.rewrap

    def shred_first(changes: Sequence[tuple[WrappedKey, WrappedKey]]) -> int:
        site.store.rewrap = real  # type: ignore[method-assign]
        broker.shred("p1", "officer", "patient-request")
        return real(changes)

    site.store.rewrap = shred_first  # type: ignore[method-assign]
    assert broker.rotate() == Rotation(2, 0, 0)
    assert isinstance(site.store.rows["p1"], Tombstone)


# Tampering


def test_a_wrapped_key_that_was_moved_or_changed_does_not_open(site: Site) -> None:
    seal(site.process(), "p1")
    seal(site.process(), "p2")
    p1, p2 = site.store.rows["p1"], site.store.rows["p2"]
    assert isinstance(p1, WrappedKey)
    assert isinstance(p2, WrappedKey)
    assert len(p1.wrapped) == 48
    moved = msgspec.structs.replace(p1, wrapped=p2.wrapped)
    damaged = msgspec.structs.replace(p1, wrapped=bytes([p1.wrapped[0] ^ 1]) + p1.wrapped[1:])
    for row in (moved, damaged):
        site.store.rows["p1"] = row
        with pytest.raises(KeyDamaged):
            site.process().opening_key(site.all, "p1")
        with pytest.raises(KeyDamaged):
            site.process().sealing_key("p1")
