"""``SubjectKeys``: one suite over the keys in memory and those in the store."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from tests.support.memory_keys import MemoryKeys

from chartloom.domain.grant import Purpose
from chartloom.domain.keys import StaleGeneration, Tombstone, WrappedKey
from chartloom.domain.ports import SubjectKeys
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.connect import Connector
from chartloom.engines.postgres.subject_keys import PostgresSubjectKeys
from chartloom.guard.keys import FileKek, KeyBroker

Processes = Callable[[], SubjectKeys]


def key(subject: str, generation: int = 1, wrapped: bytes = b"w" * 48) -> WrappedKey:
    return WrappedKey(subject, generation, wrapped, 1_000)


def stone(subject: str, at_us: int = 2_000) -> Tombstone:
    return Tombstone(subject, at_us, "staff-1", "patient-request")


@pytest.fixture(params=["memory", "postgres"])
def process(request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Each call gives the keys as another process sees them."""
    if request.param == "memory":
        shared = MemoryKeys()
        yield lambda: shared
        return
    store: PostgresStore = request.getfixturevalue("store")
    opened: list[PostgresSubjectKeys] = []

    def another() -> SubjectKeys:
        opened.append(PostgresSubjectKeys(Connector(store.dsn), store.guard))
        return opened[-1]

    yield another
    for keys in opened:
        keys.close()


def test_a_key_that_was_put_is_found_by_all(process: Processes) -> None:
    keys = [key("p1"), key("", wrapped=b"\0" * 48), key("directory", generation=3)]
    assert process().put_absent(keys) == {k.subject: k for k in keys}
    assert process().get(["p1", "", "directory", "nobody"]) == {k.subject: k for k in keys}
    assert process().get([]) == {}


def test_the_first_key_stays(process: Processes) -> None:
    first = key("p1")
    process().put_absent([first])
    again = [key("p1", wrapped=b"x" * 48), key("p2")]
    assert process().put_absent(again) == {"p1": first, "p2": again[1]}


def test_a_destroyed_key_leaves_a_tombstone_for_good(process: Processes) -> None:
    keys = process()
    keys.put_absent([key("p1")])
    assert keys.destroy(stone("p1"))
    assert not process().destroy(stone("p1", 9_000))
    assert process().get(["p1"]) == {"p1": stone("p1")}
    assert process().put_absent([key("p1"), key("p2")])["p1"] == stone("p1")


def test_somebody_without_key_can_be_given_a_tombstone(process: Processes) -> None:
    assert process().destroy(stone("p1"))
    assert process().put_absent([key("p1")]) == {"p1": stone("p1")}


def test_the_epoch_grows_with_tombstones_only(process: Processes) -> None:
    keys = process()
    began = keys.epoch()
    keys.put_absent([key("p1"), key("p2")])
    keys.rewrap([(key("p2"), key("p2", 2))])
    assert process().epoch() == began
    keys.destroy(stone("p1"))
    assert process().epoch() > began
    once = keys.epoch()
    keys.destroy(stone("p1"))
    assert keys.epoch() == once


def test_no_key_below_the_floor_is_kept(process: Processes) -> None:
    keys = process()
    keys.put_absent([key("p1", 1)])
    keys.raise_floor(3)
    keys.raise_floor(2)
    with pytest.raises(StaleGeneration):
        process().put_absent([key("p3", 3), key("p2", 2)])
    assert process().get(["p2", "p3"]) == {}
    assert process().put_absent([key("p2", 3)]) == {"p2": key("p2", 3)}


def test_a_key_is_rewrapped_only_if_nothing_changed_it(process: Processes) -> None:
    keys = process()
    keys.put_absent([key("p1"), key("p2"), key("p3")])
    keys.destroy(stone("p2"))
    keys.rewrap([(key("p3"), key("p3", 2, b"a" * 48))])
    changes = [(key(s), key(s, 2, b"b" * 48)) for s in ("p1", "p2", "p3", "p4")]
    assert process().rewrap(changes) == 1
    assert process().get(["p1", "p2", "p3", "p4"]) == {
        "p1": key("p1", 2, b"b" * 48),
        "p2": stone("p2"),
        "p3": key("p3", 2, b"a" * 48),
    }


def test_old_generations_are_found_and_counted(process: Processes) -> None:
    keys = process()
    keys.put_absent([key(f"old{i}", 1) for i in range(5)] + [key("new", 2), key("gone", 1)])
    keys.destroy(stone("gone"))
    assert process().count_by_generation() == {1: 5, 2: 1}
    assert {k.subject for k in process().of_generations_below(2, 100)} == {
        f"old{i}" for i in range(5)
    }
    assert len(process().of_generations_below(2, 3)) == 3
    assert process().of_generations_below(1, 100) == []


def test_processes_that_meet_new_subjects_at_once_agree(process: Processes) -> None:
    """In different orders, so that locks taken in the order given would deadlock."""
    subjects = [f"p{i}" for i in range(40)]
    start = threading.Barrier(4)

    def make(n: int) -> dict[str, WrappedKey | Tombstone]:
        order = subjects if n % 2 else subjects[::-1]
        keys = process()
        start.wait(20)
        return keys.put_absent([key(s, 1, bytes([n]) * 48) for s in order])

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(make, range(4)))
    assert all(f == found[0] and len(f) == len(subjects) for f in found)


def test_destroying_and_making_at_once_leaves_tombstones(process: Processes) -> None:
    subjects = [f"p{i}" for i in range(30)]
    start = threading.Barrier(3)

    def make() -> None:
        keys = process()
        start.wait(20)
        for s in subjects:
            keys.put_absent([key(s), key(f"{s}-more")])

    def destroy(order: list[str]) -> None:
        keys = process()
        start.wait(20)
        for s in order:
            keys.destroy(stone(s))

    with ThreadPoolExecutor(3) as pool:
        jobs = [
            pool.submit(make),
            pool.submit(destroy, subjects),
            pool.submit(destroy, subjects[::-1]),
        ]
        for job in jobs:
            job.result(30)
    assert process().get(subjects) == {s: stone(s) for s in subjects}
    assert process().epoch() == len(subjects)


def test_without_a_valid_claim_the_store_gives_nothing(store: PostgresStore) -> None:
    keys = PostgresSubjectKeys(Connector(store.dsn), store.guard)
    keys.put_absent([key("p1")])
    keys.close()
    forged = ("9999999999999999 x HOPERAT 255 *", b"\0" * 32)
    calls = {
        "subject_keys_get": "ARRAY['p1']",
        "subject_keys_below": "9, 9",
        "subject_keys_epoch": "",
        "subject_keys_count": "",
        "subject_keys_destroy": "'p1', 1, 'me', 'why'",
        "audit_read": "0, 10",
        "audit_now": "",
        "audit_append": "ARRAY[1::bigint], ARRAY['x'::bytea]",
        "use_token": "'x', 1, 1",
    }
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        for function, arguments in calls.items():
            more = f", {arguments}" if arguments else ""
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute(f"SELECT {function}(%s, %b{more})".encode(), forged)


def test_reads_and_seals_go_on_while_keys_are_rotated_and_retired(
    store: PostgresStore, tmp_path: Path
) -> None:
    """Other processes read, seal and meet new subjects during three rotations."""
    folder = tmp_path / "kek"
    guard, clock = store.guard, store.clock
    opened: list[PostgresSubjectKeys] = []

    def broker() -> KeyBroker:
        opened.append(PostgresSubjectKeys(Connector(store.dsn), guard))
        kek = FileKek(folder, create=True)
        # A small cache, so that keys are read from the store all the time.
        return KeyBroker(kek, opened[-1], guard, clock, cached_max=8)

    grant = guard.mint("worker", Purpose.OPERATIONS)
    first = broker()
    nonce = bytes(12)
    subjects = [f"p{i}" for i in range(200)]
    first.ensure(subjects)
    sealed = {s: first.sealing_key(s).encrypt(nonce, s.encode(), None) for s in subjects}
    stop, counts = threading.Event(), [0] * 3

    def work(n: int) -> None:
        mine = broker()
        i = 0
        while not stop.is_set():
            subject = subjects[(i * 37 + n) % len(subjects)]
            plain = mine.opening_key(grant, subject).decrypt(nonce, sealed[subject], None)
            assert plain == subject.encode()
            if i % 10 == 0:
                new = f"new-{n}-{i}"
                ciphertext = mine.sealing_key(new).encrypt(nonce, b"new", None)
                mine.clear()
                assert mine.opening_key(grant, new).decrypt(nonce, ciphertext, None) == b"new"
            counts[n] += 1
            i += 1

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(work, n) for n in range(3)]
        try:
            for _ in range(3):
                rotation = first.rotate()
                assert rotation.left == 0
                first.retire(rotation.generation - 1)
                seen = list(counts)
                while not all(now > then for now, then in zip(counts, seen, strict=True)):
                    assert not any(job.done() for job in jobs), "a reader failed"
                    stop.wait(0.01)
        finally:
            stop.set()
        for job in jobs:
            job.result(30)
    assert min(counts) >= 3
    assert set(opened[0].count_by_generation()) == {4}
    for keys in opened:
        keys.close()
