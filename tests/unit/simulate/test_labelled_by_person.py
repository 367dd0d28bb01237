"""Labelled records person by person, and worlds of any size."""

from __future__ import annotations

from chartloom.simulate.identity import PROFILES, by_person, generate
from chartloom.simulate.identity.people import area_codes, providers


def test_records_by_person_are_the_records_in_order_of_arrival() -> None:
    persons = list(by_person(11, 300, PROFILES["desk"]))
    records = [one for some in persons for one in some]
    arrived = list(generate(11, 300, PROFILES["desk"]))
    assert sorted(records, key=lambda one: (one.at, one.id)) == arrived


def test_numbers_and_providers_grow_with_the_people() -> None:
    small, large = area_codes(60_000), area_codes(600_000)
    assert len(small) == 6
    assert len(set(large)) == 60
    assert large[:6] == small
    assert len(providers(60_000)) == 3
    assert len(set(providers(600_000))) == 30
