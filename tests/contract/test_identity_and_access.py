"""Access follows who is one person at once: nothing is remembered of a cluster that is no more."""

from __future__ import annotations

import pytest
from tests.support.batches import everyone
from tests.support.told_patients import Told, person, tell

from chartloom.domain.access import GLASS_SUBJECT, Glass
from chartloom.domain.errors import GrantRefused, NotFound
from chartloom.domain.grant import Purpose
from chartloom.domain.identity import IDENTITY_SUBJECT, ReviewState
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


#: Two who share a national number, so that somebody has to look.
TOM = person("Tom", "Archer", "1961-03-04", ssn="123-45-6780")
EVE = person("Eve", "Archer", "1961-03-04", ssn="123-45-6780")


def test_the_queue_is_open_to_a_grant_that_names_it_and_records_are_not(
    store: PostgresStore,
) -> None:
    tell(store, Told("a", TOM, 1), Told("b", EVE, 2))
    tell(store, Told("a", {}, 3, (("link", "a", "b", ""),)))
    mint = store.guard.mint
    queue = mint("steward", Purpose.OPERATIONS, [IDENTITY_SUBJECT])
    (review,) = store.reviews(queue, state=None)
    assert review.pair == ("a", "b")
    assert store.review(queue, ("b", "a")) == review
    assert store.figures(queue).closed_count + store.figures(queue).open_count == 1
    assert [d.pair for d in store.decisions_of(queue, ["a"])] == [("a", "b")]
    assert [w.pair for w in store.words_of(queue, ["a"])] == [("a", "b")]
    assert store.memberships(queue, ["a", "b"]) == []
    assert store.states(queue, ["a"]) == {}
    with pytest.raises(NotFound):
        store.person(queue, "a")


def test_a_grant_for_one_of_two_shows_nothing_about_the_two(store: PostgresStore) -> None:
    tell(store, Told("a", TOM, 1), Told("b", EVE, 2))
    tell(store, Told("a", {}, 3, (("link", "a", "b", ""),)))
    mint = store.guard.mint
    one = mint("clinician", Purpose.TREATMENT, ["a"])
    assert store.reviews(one, state=None) == []
    assert store.review(one, ("a", "b")) is None
    assert store.decision(one, ("a", "b")) is None
    assert store.decisions_of(one, ["a", "b"]) == []
    assert store.words_of(one, ["a", "b"]) == []
    assert {m.source_patient for m in store.memberships(one, ["a", "b"])} == {"a"}
    both = mint("clinician", Purpose.TREATMENT, ["a", "b"])
    assert [d.pair for d in store.decisions_of(both, ["a"])] == [("a", "b")]
    assert {m.source_patient for m in store.memberships(both, ["a", "b"])} == {"a", "b"}
    with pytest.raises(GrantRefused):
        store.match(both, {"resourceType": "Patient", **TOM})


def test_those_who_are_plainly_two_are_decided_again_for_who_may_see_both(
    store: PostgresStore,
) -> None:
    tell(store, Told("a", ANN, 1))
    tell(store, Told("b", person("Zoe", "Quist", "1999-12-30", phone="217-555-0101"), 2))
    tell(store, Told("c", person("Ann", "Ostrow", "1940-01-09", phone="217-555-0101"), 3))
    mint = store.guard.mint
    found = store.decision(mint("d", Purpose.TREATMENT, ["a", "c"]), ("a", "c"))
    assert found is not None
    assert found.outcome == "new"
    assert found.fields["phone"][0] == "same"
    assert store.decision(mint("d", Purpose.TREATMENT, ["a"]), ("a", "c")) is None
    assert store.decision(mint("d", Purpose.TREATMENT, ["a", "b"]), ("a", "b")) is None


def test_pages_of_the_queue_show_each_review_once(store: PostgresStore) -> None:
    tell(store, *(Told(f"p{n}", TOM if n % 2 else EVE, n + 1) for n in range(6)))
    grant = store.guard.mint("steward", Purpose.OPERATIONS, [IDENTITY_SUBJECT])
    whole = store.reviews(grant, limit=1000)
    assert len(whole) > 3
    assert whole == sorted(whole, key=lambda r: (r.two, -r.weight, r.pair))
    pages, after = [], None
    while page := store.reviews(grant, after=after, limit=2):
        pages += page
        after = page[-1].pair
    assert pages == whole
    reason = whole[0].reason
    assert store.reviews(grant, reason=reason, limit=1000) == [
        r for r in whole if r.reason == reason
    ]
    assert store.reviews(grant, state=ReviewState.DISPUTED) == []
