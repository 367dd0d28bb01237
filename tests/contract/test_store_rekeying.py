"""Records that other rules stored are given the keys of now in the background: in the end all is as
if everything had been told under the rules of now."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import msgspec
import psycopg
import pytest
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import (
    Told,
    apply_all,
    expected,
    person,
    persons,
    seen,
    tell,
    wanted,
)

from chartloom.domain.errors import ChartloomError, GrantRefused
from chartloom.domain.grant import Purpose
from chartloom.domain.resource import FhirJson
from chartloom.engines.postgres import PostgresStore, access, matching, rekeying
from chartloom.registry.persons import MatchRecord, default_parameters, keys, standardise
from chartloom.registry.persons.rules import Rules

ANN = person("Ann", "Archer", "1961-03-04", "female", street="12 Elm St", phone="217-555-0101")
ANN_MOVED = person(
    "Ann", "Archer", "1961-03-04", "female", street="9 Oak Ave", phone="217-555-0101"
)
BOB = person("Bob", "Binder", "1950-07-08", "male", street="77 Hill Rd")


def few_keys(record: MatchRecord) -> tuple[str, ...]:
    """Some keys of now, some that are none any more, and fewer than others find each other by."""
    mine = [key for key in keys(record) if key[:2] in ("i|", "np", "ft", "e|")]
    return (*mine, f"x|{record.birth}", f"y|{record.sex}{record.birth[:3]}")


@contextmanager
def older(*stores: PostgresStore) -> Iterator[None]:
    """A release of before, whose rules were others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "keys", few_keys)
        patch.setattr(rekeying, "rules", lambda: Rules("traits of before", "keys of before"))
        for store in stores:
            store.migrate()
        yield


def to_the_end(store: PostgresStore, most: int = 3) -> list[int | None]:
    """Steps until nothing is left."""
    steps = []
    while (status := store.rekeying(everyone(store))) and status.stage:
        steps.append(store.rekey(everyone(store), "w", most))
    return steps


def decisions(store: PostgresStore) -> list[tuple[object, ...]]:
    """All that is kept of pairs, but when it was decided."""
    with psycopg.connect(store.dsn) as conn:
        return conn.execute(
            "SELECT low, high, outcome, weight, rule, guard, apart, evidence FROM identity_decision"
            " ORDER BY low, high"
        ).fetchall()


def stored_keys(store: PostgresStore) -> tuple[tuple[str, int], ...]:
    """Keys as they are looked up, and as they stand at the records."""
    with psycopg.connect(store.dsn) as conn:
        indexed = conn.execute(
            "SELECT m.source_patient, k.key FROM match_key k"
            " LEFT JOIN match_record m USING (number) ORDER BY 1, 2"
        ).fetchall()
        held = conn.execute(
            "SELECT m.source_patient, k FROM match_record m CROSS JOIN unnest(m.keys) k"
            " ORDER BY 1, 2"
        ).fetchall()
    assert indexed == held
    return tuple(held)


def people(draw: random.Random, count: int, moments: Sequence[int]) -> list[Told]:
    """Families and namesakes in one street, told again and again."""
    told = []
    for event_us in moments:
        family = draw.choice(["Archer", "Binder", "Archr", "Quist"])
        given = draw.choice(["Ann", "Anne", "Bob", "Robert", "Zoe"])
        more = draw.choice(
            [
                {"street": f"{draw.randrange(1, 4)} Elm St"},
                {"phone": f"217-555-010{draw.randrange(3)}"},
                {"ssn": f"123-45-678{draw.randrange(3)}"},
                {"mr": f"B{draw.randrange(9)}"},
                {},
            ]
        )
        birth = f"19{draw.choice(['61', '50', '52'])}-03-0{draw.randrange(1, 4)}"
        told.append(
            Told(
                f"p{draw.randrange(count)}",
                person(given, family, birth, "female", **more),
                event_us,
            )
        )
    return told


def with_carriers(store: PostgresStore, most: int) -> PostgresStore:
    """The same store, for which a key that more carry is none."""
    parameters = msgspec.structs.replace(default_parameters(), carriers_max=most)
    return PostgresStore(store.dsn, store.guard, store.clock, store.lanes, parameters=parameters)


def test_records_are_found_by_the_keys_of_now_when_all_have_them(store: PostgresStore) -> None:
    with older(store):
        tell(store, Told("a", ANN, 1), Told("c", BOB, 2))
    store.migrate()
    tell(store, Told("b", ANN_MOVED, 3))
    grant = everyone(store)
    before = store.rekeying(grant)
    assert before is not None
    assert (before.stage, before.records, before.keyed) == ("keys", 2, 0)
    to_the_end(store)
    after = store.rekeying(grant)
    assert after is not None
    assert (after.stage, after.keyed, after.sought) == ("", 2, after.due)
    assert persons(store, ["a", "b", "c"]) == {"a": "a", "b": "a", "c": "c"}
    assert store.rekey(grant, "w", 10) is None


def rebuilt(store: PostgresStore) -> tuple[object, ...]:
    """Decisions and the digest of everything after everything was derived anew."""
    store.rebuild(everyone(store))
    apply_all(store)
    return decisions(store), store.digest(everyone(store))


@pytest.mark.parametrize(("seed", "carriers"), [(1, 4), (2, 60), (3, 4)])
def test_it_ends_as_a_rebuild_does_whatever_is_told_meanwhile(
    store_factory: StoreFactory, seed: int, carriers: int
) -> None:
    draw = random.Random(seed)
    told = people(draw, 22, range(1, 80))
    store = with_carriers(store_factory(), carriers)
    clusters = expected(told, store.parameters)
    with older(store):
        tell(store, *told[:55], batch_max=7)
    found = decisions(store)
    store.migrate()
    later = told[55:]
    while (status := store.rekeying(everyone(store))) and (status.stage or later):
        some, later = later[:2], later[2:]
        tell(store, *some)
        store.rekey(everyone(store), "w", draw.randint(1, 4))
    assert seen(store, clusters) == wanted(clusters)
    keyed = stored_keys(store)
    held, digest = decisions(store), store.digest(everyone(store))
    assert held != found
    assert rebuilt(store) == (held, digest)
    assert stored_keys(store) == keyed
    assert store.rekey(everyone(store), "w", 10) is None
    store.close()


def test_nobody_is_parted_on_the_way_whom_both_rules_join(store: PostgresStore) -> None:
    told = [Told(f"p{n}", person("Ann", "Archer", "1961-03-04", ssn="123-45-6781"), n + 1)
            for n in range(6)]  # fmt: skip
    with older(store):
        tell(store, *told)
        joined = persons(store, [t.patient for t in told])
        assert len(set(joined.values())) == 1
    store.migrate()
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        count = "SELECT count(*) FROM membership"
        before = conn.execute(count).fetchone()
        assert len(to_the_end(store, 1)) > len(told)
        assert conn.execute(count).fetchone() == before
    assert persons(store, [t.patient for t in told]) == joined


def test_any_number_of_workers_some_of_them_killed_end_alike(store_factory: StoreFactory) -> None:
    draw = random.Random(5)
    told = people(draw, 30, range(1, 80))
    store = store_factory()
    with older(store):
        tell(store, *told)
    store.migrate()
    stores = [store_factory.second(store) for _ in range(3)]
    done = threading.Event()

    def work(number: int) -> int:
        steps = 0
        one = stores[number]
        while (status := one.rekeying(everyone(one))) and status.stage:
            with suppress(ChartloomError):  # killed: as if the step had not begun
                one.rekey(everyone(one), f"w{number}", 2)
            steps += 1
            assert steps < 1_000
        return steps

    def kill() -> int:
        killed = 0
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE '%lanes%'"
            " AND state <> 'idle'"
        )
        with psycopg.connect(store.dsn, autocommit=True) as conn:
            while killed < 12 and not done.is_set():
                killed += len(conn.execute(query).fetchall())
        return killed

    with ThreadPoolExecutor(4) as threads:
        jobs = [threads.submit(work, n) for n in range(3)]
        killer = threads.submit(kill)
        try:
            assert all(job.result() for job in jobs)
        finally:
            done.set()
        assert killer.result() > 0
    clusters = expected(told)
    assert seen(store, clusters) == wanted(clusters)
    stored_keys(store)
    status = store.rekeying(everyone(store))
    assert status is not None
    assert status.keyed == status.records
    assert (decisions(store), store.digest(everyone(store))) == rebuilt(store)


def test_what_a_release_reads_of_a_patient_differently_is_read_again(store: PostgresStore) -> None:
    def without_homes(patient: FhirJson) -> MatchRecord:
        return msgspec.structs.replace(standardise(patient), homes=(), phones=())

    with older(store), pytest.MonkeyPatch.context() as patch:
        patch.setattr(matching, "standardise", without_homes)
        tell(store, Told("a", ANN, 1), Told("b", ANN_MOVED, 2), Told("c", BOB, 3))
    before = store.decision(everyone(store), ("a", "b"))
    store.migrate()
    to_the_end(store)
    after = store.decision(everyone(store), ("a", "b"))
    assert after is not None
    assert before != after
    assert "phone" in after.fields
    held, digest = decisions(store), store.digest(everyone(store))
    assert rebuilt(store) == (held, digest)


def test_whose_key_was_destroyed_is_passed_over(store: PostgresStore) -> None:
    with older(store):
        tell(store, Told("a", ANN, 1), Told("b", ANN_MOVED, 2), Told("c", BOB, 3))
    store.migrate()
    broker = store.guard.broker
    assert broker is not None
    broker.shred("a", "staff-1", "patient-request")
    store.rekey(everyone(store), "w", 1)
    store.erase(everyone(store), ["a"])
    to_the_end(store)
    assert {p for p, _ in stored_keys(store)} == {"b", "c"}


def test_each_step_is_on_record_without_anybodys_values(store: PostgresStore) -> None:
    with older(store):
        tell(store, Told("a", ANN, 1), Told("b", ANN_MOVED, 2))
    store.migrate()
    log = store.audit_log()
    after = log.end().size
    steps = [done for done in to_the_end(store, 1) if done]
    made = log.read(after, 100)
    assert len(made) == len(steps)
    assert all(b"match-records" in event.body and b"Archer" not in event.body for event in made)


def test_a_grant_for_some_is_refused(store: PostgresStore) -> None:
    some = store.guard.mint("service:worker", Purpose.OPERATIONS, ["a"])
    with pytest.raises(GrantRefused):
        store.rekey(some, "w", 10)


def test_a_store_that_is_new_has_nothing_to_do(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1))
    store.migrate()
    status = store.rekeying(everyone(store))
    assert status is not None
    assert (status.stage, status.records) == ("", 0)


@pytest.mark.parametrize("stage", ["SELECT match_seek(9, 9, 60)", "SELECT match_sweep(9, 60, 7)"])
def test_no_stage_begins_while_the_one_before_is_not_over(store: PostgresStore, stage: str) -> None:
    """What another worker is at is not there to take, and yet not done."""
    with older(store):
        tell(store, Told("a", ANN, 1), Told("b", ANN_MOVED, 2), Told("c", BOB, 3))
    store.migrate()
    store.rekey(everyone(store), "w", 1)
    before = store.rekeying(everyone(store))
    assert before is not None
    assert (before.stage, before.records - before.keyed) == ("keys", 2)
    look = "SELECT (SELECT count(*) FROM match_due), (SELECT count(*) FROM match_afresh)"
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        left = conn.execute(look).fetchone()
        assert left is not None
        assert any(left), "something that the next stage would take"
        with conn.transaction():
            conn.execute(access.BEGIN_ACCESS, access.claim(store.guard, everyone(store)))
            assert conn.execute(stage.encode()).fetchall() == []
        assert conn.execute(look).fetchone() == left
    assert store.rekeying(everyone(store)) == before
