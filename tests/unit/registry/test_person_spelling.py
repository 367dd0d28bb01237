"""Names misread, misheard, glued together or given up; days and years that somebody guessed."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.registry.persons import (
    Decision,
    MatchRecord,
    Outcome,
    decide,
    default_parameters,
    keys,
    standardise,
)
from chartloom.registry.persons.compare import compare
from chartloom.registry.persons.spelling import glued, lost_first, misheard, misread

BASE: dict[str, Any] = {
    "name": [{"family": "Castillo", "given": ["Daniel"]}],
    "gender": "male",
    "birthDate": "1962-08-17",
    "address": [{"line": ["12 Heron Lane"], "city": "Glenton", "postalCode": "85000"}],
}


def record(family: str, *given: str, **other: Any) -> MatchRecord:
    names = {"name": [{"family": family, "given": list(given)}]}
    return standardise({**BASE, **names, **other})


def levels(a: MatchRecord, b: MatchRecord) -> tuple[str, str, str]:
    there, back = (compare(x, y, default_parameters()) for x, y in ((a, b), (b, a)))
    assert there == back
    return there.family, there.given, there.birth


def decided(a: MatchRecord, b: MatchRecord) -> Decision:
    return decide(a, b, default_parameters())


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("Kim", "Kirn", "close"),
        ("Ye", "Yc", "close"),
        ("R0ss", "Ross", "exact"),
        ("Lopez", "Lopezcastillo", "part"),
        ("Castillo", "Lopezcastillo", "part"),
        ("Brown", "Browning", "different"),
        ("Black", "Green", "different"),
    ],
)
def test_family_names_on_bad_paper(one: str, other: str, level: str) -> None:
    assert levels(record(one, "Daniel"), record(other, "Daniel"))[0] == level


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("Pieter", "Pyter", "close"),
        ("Donald", "onald", "close"),
        ("Adriana", "Adrlana", "close"),
        ("Jason", "Mason", "similar"),
        ("Samuel", "Kamuel", "similar"),
        ("Cesar", "Kesar", "similar"),
        ("William", "Wuliam", "close"),
        ("Billy", "Wuliam", "similar"),
    ],
)
def test_given_names_misspelt_and_those_of_brothers(one: str, other: str, level: str) -> None:
    assert levels(record("Castillo", one), record("Castillo", other))[1] == level


def test_women_who_take_another_family_name_are_not_strangers() -> None:
    woman = {"gender": "female"}
    pair = record("Castillo", "Leticia", **woman), record("Romero", "Leticia", **woman)
    assert levels(*pair)[0] == "renamed"
    assert levels(record("Castillo", "Luis"), record("Romero", "Luis"))[0] == "different"


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("1962-08-31", "1962-09-01", "digit"),
        ("1961-12-31", "1962-01-01", "partial"),
        ("1962-01-01", "1963-05-09", "partial"),
        ("1962-01-01", "1964-05-09", "missing"),
        ("1962-01-01", "1965-05-09", "different"),
    ],
)
def test_neighbouring_days_and_guessed_years(one: str, other: str, level: str) -> None:
    a, b = (record("Castillo", "Daniel", birthDate=day) for day in (one, other))
    assert levels(a, b)[2] == level


def test_a_guessed_year_leaves_a_key() -> None:
    nowhere: dict[str, Any] = {"address": []}
    a = record("Castillo", "Daniel", birthDate="1962-01-01", **nowhere)
    b = record("Castillo", "Daniel", birthDate="1963-05-09", **nowhere)
    assert set(keys(a)) & set(keys(b))


def test_an_initial_of_the_other_name_is_looked_at_and_keeps_nobody_apart() -> None:
    decision = decided(record("Castillo", "Daniel", "R"), record("Castillo", "Ruben"))
    assert (decision.outcome, decision.guard) == (Outcome.REVIEW, "other-given-name")
    assert not decision.apart


def test_a_second_name_links_at_home_and_is_looked_at_elsewhere() -> None:
    away = {"address": [{"line": ["9 Oak Street"], "city": "Ashford", "postalCode": "85003"}]}
    one = record("Castillo", "Daniel", "Ruben")
    assert decided(one, record("Castillo", "Ruben")).outcome is Outcome.LINK
    assert decided(one, record("Castillo", "Ruben", **away)).outcome is not Outcome.LINK
    told = record("Castillo", "Ruben", multipleBirthBoolean=True)
    assert decided(one, told).outcome is not Outcome.LINK


def test_who_is_said_to_be_a_twin_is_not_the_one_of_a_similar_name() -> None:
    one, other = record("Castillo", "Maria"), record("Castillo", "Marta", multipleBirthInteger=2)
    assert decided(one, other).outcome is not Outcome.LINK


def test_jr_without_a_birth_date_is_not_his_father() -> None:
    names = [{"family": "Castillo", "given": ["Daniel"], "suffix": ["Jr"]}]
    son = standardise({**BASE, "name": names, "birthDate": ""})
    father = record("Castillo", "Daniel")
    assert decided(father, son).outcome is Outcome.REVIEW


def test_words() -> None:
    assert misread("clark", "dark")
    assert not misread("mark", "bark")
    assert misheard("philip", "filip")
    assert lost_first("ark", "mark")
    assert not lost_first("ark", "marks")
    assert glued("lopezcastilo", "lopez") == "lopez"
    assert glued("john", "johns") == ""
