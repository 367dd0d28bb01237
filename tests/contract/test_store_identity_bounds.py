"""Keys that too many carry, and persons of whom nothing is left: as if they had never come."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import psycopg
import pytest
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import Told, expected, person, persons, queue, seen, tell, wanted

from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres import clusters as clusters_of_store
from chartloom.registry.persons import Parameters, default_parameters, dump, load

FEW = 4


@pytest.fixture
def few(store_factory: StoreFactory) -> PostgresStore:
    """A store in which a key that more than four carry is none."""
    return with_parameters(store_factory(), parameters_for(FEW))


def parameters_for(carriers_max: int) -> Parameters:
    text = dump(default_parameters()).replace(
        b'"carriers_max": 60', f'"carriers_max": {carriers_max}'.encode()
    )
    return load(text)


def with_parameters(store: PostgresStore, parameters: Parameters) -> PostgresStore:
    """Another object on the same store, as a process has it that was started anew."""
    found = PostgresStore(store.dsn, store.guard, store.clock, store.lanes, parameters=parameters)
    assert found.parameters.fingerprint != default_parameters().fingerprint
    return found


def shred(store: PostgresStore, patients: Sequence[str]) -> None:
    broker = store.guard.broker
    assert broker is not None
    for patient in patients:
        broker.shred(patient, "staff-1", "patient-request")
    store.erase(everyone(store), patients)


def test_a_number_is_none_while_too_many_carry_it(few: PostgresStore) -> None:
    ids = [f"p{n}" for n in range(FEW + 1)]
    for n, p in enumerate(ids[:-1]):
        tell(few, Told(p, person(mr="B100"), n + 1))
    assert set(persons(few, ids[:-1]).values()) == {"p0"}
    tell(few, Told(ids[-1], person(mr="B100"), 9))
    assert persons(few, ids) == {p: p for p in ids}
    assert few.decisions_of(everyone(few), ids) == []
    tell(few, Told("p1", person(mr="B200"), 10))  # both numbers are the same patient's
    tell(few, Told("q", person(mr="B200"), 11))
    assert persons(few, ["p1", "q"]) == {"p1": "p1", "q": "p1"}
    few.close()


def test_whoever_leaves_joins_nobody_any_more(few: PostgresStore) -> None:
    words = (("link", "a", "x", ""), ("link", "x", "b", ""))
    tell(few, *(Told(p, person(p.upper() * 3, "Moor", "1970-02-03"), 1) for p in "abx"))
    tell(few, Told("x", {}, 2, words))
    assert set(persons(few, "abx").values()) == {"a"}
    shred(few, ["x"])
    assert persons(few, "ab") == {"a": "a", "b": "b"}
    with psycopg.connect(few.dsn) as conn:
        left = conn.execute(
            "SELECT (SELECT count(*) FROM match_record WHERE source_patient = 'x'),"
            " (SELECT count(*) FROM identity_decision WHERE 'x' IN (low, high)),"
            " (SELECT count(*) FROM identity_review WHERE 'x' IN (low, high)),"
            " (SELECT count(*) FROM match_key k WHERE NOT EXISTS ("
            "   SELECT FROM match_record m WHERE m.number = k.number))"
        ).fetchone()
    assert left == (0, 0, 0, 0)
    few.close()


def test_a_key_is_one_again_when_a_carrier_is_erased(few: PostgresStore) -> None:
    ids = [f"p{n}" for n in range(FEW + 1)]
    tell(few, *(Told(p, person(mr="B100"), n + 1) for n, p in enumerate(ids)))
    assert persons(few, ids) == {p: p for p in ids}
    shred(few, ["p0"])
    assert set(persons(few, ids[1:]).values()) == {"p1"}
    few.close()


def test_other_parameters_count_from_the_next_rebuild_on(store_factory: StoreFactory) -> None:
    store = store_factory()
    told = [
        Told("a", person("Ann", "Archer", "1961-03-04", "female", phone="217-555-0101"), 1),
        Told("b", person("Ann", "Archer", "1961-03-04", "female", phone="217-555-0101"), 2),
    ]
    tell(store, *told)
    assert persons(store, "ab") == {"a": "a", "b": "a"}
    strict = load(
        dump(default_parameters()).replace(
            f'"link": {default_parameters().link}'.encode(), b'"link": 99.0'
        )
    )
    other = with_parameters(store, strict)
    assert other.parameters_used() == (default_parameters().fingerprint,)
    other.rebuild(everyone(other))
    tell(other)
    assert other.parameters_used() == (strict.fingerprint,)
    assert persons(other, "ab") == {"a": "a", "b": "b"}
    assert [r.pair for r in queue(other)] == [("a", "b")]
    other.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_keys_that_come_and_go_end_where_the_matcher_in_memory_does(
    store_factory: StoreFactory, seed: int
) -> None:
    """Records change, so that keys become too common and less common again, in two orders."""
    draw = Random(seed)
    parameters = parameters_for(3)
    numbers = ["B100", "B200", "B300"]
    told = [
        Told(
            f"p{draw.randrange(12)}",
            person(
                draw.choice(["Ann", "Ann", "Bob"]),
                "Moor",
                draw.choice(["1961-03-04", "1961-03-05"]),
                mr=draw.choice(numbers),
            ),
            event_us,
        )
        for event_us in range(1, 41)
    ]
    clusters = expected(told, parameters)
    for order in (told, draw.sample(told, len(told))):
        store = with_parameters(store_factory(), parameters)
        left = list(order)
        while left:
            size = draw.randint(1, 6)
            tell(store, *left[:size])
            left = left[size:]
        assert seen(store, clusters) == wanted(clusters)
        store.close()


def test_a_source_that_joins_two_plain_strangers_is_reviewed_until_a_person_says_the_same(
    store: PostgresStore,
) -> None:
    tell(store, Told("a", person("Ann", "Archer", "1961-03-04", "female"), 1))
    tell(store, Told("b", person("Bob", "Binder", "1950-07-08", "male"), 2))
    tell(store, Told("a", {}, 3, (("merge", "a", "b", ""),)))
    assert persons(store, "ab") == {"a": "a", "b": "a"}
    assert [(r.pair, r.reason, r.state) for r in queue(store)] == [
        (("a", "b"), "other-person", "open")
    ]
    tell(store, Told("a", {}, 4, (("link", "a", "b", "ada"),)))
    assert queue(store) == []
    tell(store, Told("a", {}, 5, (("withdraw", "a", "b", "ada"),)))
    assert [(r.reason, r.state) for r in queue(store)] == [("other-person", "open")]
    tell(store, Told("a", {}, 6, (("unlink", "a", "b", "ada"),)))
    assert queue(store) == []
    assert persons(store, "ab") == {"a": "a", "b": "b"}


@pytest.mark.parametrize("order", [1, -1])
def test_what_people_say_of_a_pair_comes_before_what_sources_say_of_others(
    store: PostgresStore, order: int
) -> None:
    words = [("merge", "a", "b", ""), ("unlink", "a", "c", "ada"), ("link", "b", "c", "ada")]
    tell(store, *(Told(p, person(p.upper() * 3, "Moor", "1970-02-03"), 1) for p in "abc"))
    for at, word in [*enumerate(words, 2)][::order]:
        tell(store, Told(word[1], {}, at, (word,)))
    assert persons(store, "abc") == {"a": "a", "b": "b", "c": "b"}
    assert [(r.pair, r.reason) for r in queue(store)] == [(("a", "b"), "said-apart")]


def test_one_word_of_two_stays_one_of_two_when_an_update_takes_the_guard_away(
    store: PostgresStore,
) -> None:
    tom = person("Tom", "Archer", "1961-03-04", ssn="123-45-6780")
    tell(store, Told("a", person("Ann", "Archer", "1961-03-04", ssn="123-45-6780"), 1))
    tell(store, Told("b", tom, 2))
    tell(store, Told("a", {}, 3, (("link", "a", "b", "ada"),), two=True))
    tell(store, Told("b", person("Tom", "Archer", "1961-03-04", ssn="222-45-6799"), 4))
    assert persons(store, "ab") == {"a": "a", "b": "b"}
    (review,) = queue(store)
    assert (review.state, review.two) == ("half", True)
    tell(store, Told("b", {}, 5, (("link", "a", "b", "ben"),), two=True))
    assert persons(store, "ab") == {"a": "a", "b": "a"}
    assert queue(store) == []


def test_the_feed_that_makes_a_person_large_is_told_once(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters_of_store, "RECORDS_TOLD", 4)
    for n in range(1, 7):
        tell(store, Told("a", {}, n, (("merge", "a", f"b{n}", ""),)))
        with psycopg.connect(store.dsn) as conn:
            told = conn.execute("SELECT feed, code, sum(count) FROM issue_day GROUP BY 1, 2")
            assert told.fetchall() == ([("reg", "identity-large-person", 1)] if n >= 3 else [])


def test_whoever_cannot_be_found_any_more_is_told_of(few: PostgresStore) -> None:
    """A number that too many carry, or nothing but what too many share; not one common key among
    others."""

    def told() -> int:
        with psycopg.connect(few.dsn) as conn:
            row = conn.execute(
                "SELECT coalesce(sum(count), 0) FROM issue_day WHERE code = 'identity-crowded'"
            ).fetchone()
        assert row is not None
        return int(row[0])

    home = {"line": ["1 Shelter Road"], "city": "Fairhaven", "postalCode": "85003"}
    for n in range(FEW):  # all at one address, of one name: nothing else is known of them
        tell(few, Told(f"s{n}", {**person("Ann", "Moor", ""), "address": [home]}, n + 1))
    assert told() == 0
    tell(few, Told("s9", {**person("Ann", "Moor", ""), "address": [home]}, 11))
    assert told() == 1
    one = {**person("Ann", "Moor", "1961-03-04"), "address": [home]}
    tell(few, Told("s10", one, 12))  # a date of birth: others can be found by that
    assert told() == 1
    for n in range(FEW + 1):
        tell(few, Told(f"n{n}", person(f"Q{n}", f"Z{n}", f"19{n + 50}-03-04", mr="B100"), 20 + n))
    assert told() == 2
    few.close()


def test_a_patient_with_more_numbers_than_are_keys_is_told_of(store: PostgresStore) -> None:
    def named(count: int) -> dict[str, object]:
        numbers = [{"system": f"urn:x:{n}", "value": f"A{n:07d}"} for n in range(count)]
        return {**person("Ann", "Moor", "1961-03-04"), "identifier": numbers}

    def told() -> list[tuple[str, int]]:
        query = "SELECT feed, sum(count) FROM issue_day WHERE code = 'identity-numerous' GROUP BY 1"
        with psycopg.connect(store.dsn) as conn:
            return [(feed, int(n)) for feed, n in conn.execute(query).fetchall()]

    tell(store, Told("a", named(16), 1))
    assert told() == []
    tell(store, Told("a", named(17), 2))
    assert told() == [("reg", 1)]
    tell(store, Told("a", named(17), 3))  # nothing new is said of it
    assert told() == [("reg", 1)]
