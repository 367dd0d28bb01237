"""Access follows who is one person at once: nothing is remembered of a cluster that is no more."""

from __future__ import annotations

from tests.support.batches import everyone
from tests.support.told_patients import Told, person, tell

from chartloom.domain.access import GLASS_SUBJECT, Glass
from chartloom.domain.grant import Purpose
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.doors import PostgresGlass
from chartloom.engines.postgres.facts import PostgresFacts

ANN = person("Ann", "Archer", "1961-03-04", "female", phone="217-555-0101")


def test_what_is_known_of_a_person_follows_the_word_that_parts_it(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", ANN, 2))
    facts, grant = PostgresFacts(store), everyone(store)
    assert facts.known_of(grant, "b").source_patients == ("a", "b")
    tell(store, Told("b", {}, 3, (("unlink", "a", "b", ""),)))
    assert facts.known_of(grant, "a").source_patients == ("a",)
    assert facts.known_of(grant, "b").source_patients == ("b",)
    assert [k.source_patients for k in facts.known_of_all(grant, ["a", "b"])] == [("a",), ("b",)]


def test_glass_that_was_broken_for_one_person_opens_neither_of_two(store: PostgresStore) -> None:
    tell(store, Told("a", ANN, 1), Told("b", ANN, 2))
    facts, records = PostgresFacts(store), PostgresGlass(store)
    grant = store.guard.mint("tester", Purpose.OPERATIONS, ["a", "b", GLASS_SUBJECT])
    both = facts.known_of(everyone(store), "a").source_patients
    records.add(grant, Glass("g1", "dr", both, "emergency", "found unconscious", 1, 2**60))

    def is_open(patient: str) -> bool:
        known = facts.known_of(everyone(store), patient).source_patients
        return records.open_of(grant, "dr", known, 5) is not None

    assert is_open("a")
    assert is_open("b")
    tell(store, Told("c", ANN, 3))  # the same person, of whom another record turned up
    assert is_open("c")
    words = (("unlink", "a", "b", ""), ("unlink", "b", "c", ""))
    tell(store, Told("b", {}, 4, words))
    assert not is_open("a")
    assert not is_open("b")
