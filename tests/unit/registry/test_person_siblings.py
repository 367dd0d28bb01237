"""Where given names differ: one name spelt in two ways, or two children of one family."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.registry.persons import (
    Decision,
    Outcome,
    decide,
    default_parameters,
    keys,
    standardise,
)

BASE: dict[str, Any] = {
    "gender": "female",
    "birthDate": "1962-08-17",
    "address": [{"line": ["12 Heron Lane"], "city": "Glenton", "postalCode": "85000"}],
    "telecom": [{"system": "phone", "value": "480 112 3456"}],
}


def named(given: str, family: str = "Holloway", **more: Any) -> dict[str, Any]:
    return {**BASE, "name": [{"family": family, "given": [given]}], **more}


def numbered(value: str) -> dict[str, Any]:
    return {"identifier": [{"type": {"coding": [{"code": "SS"}]}, "value": value}]}


def decided(one: dict[str, Any], other: dict[str, Any]) -> Decision:
    a, b = standardise(one), standardise(other)
    there, back = (decide(x, y, default_parameters()) for x, y in ((a, b), (b, a)))
    assert there == back
    return there


def test_two_forms_of_one_name_at_one_home_are_one_person() -> None:
    assert decided(named("Betty"), named("Lisa")).outcome is Outcome.LINK


def test_a_misspelt_name_at_one_home_is_one_person() -> None:
    assert decided(named("Pamela"), named("Pala")).outcome is Outcome.LINK


@pytest.mark.parametrize(
    "other",
    [
        named("Pala", gender="male"),
        named("Pala", birthDate="1962-08-18"),
        named("Pala", address=[], telecom=[]),
        named("Pala", **numbered("912345671")),
        named("Pala", multipleBirthBoolean=True),
    ],
    ids=["sex", "birth date", "nothing shared", "number", "multiple birth"],
)
def test_a_misspelt_name_links_only_where_all_else_fits(other: dict[str, Any]) -> None:
    mine = named("Pamela", **numbered("987654322"))
    assert decided(mine, other).outcome is not Outcome.LINK


@pytest.mark.parametrize("pair", [("Jason", "Mason"), ("Sandra", "Sara"), ("Emily", "Amelia")])
def test_names_that_people_have_are_those_of_two_children(pair: tuple[str, str]) -> None:
    decision = decided(*(named(given) for given in pair))
    assert decision.outcome is not Outcome.LINK
    assert decision.guard in ("similar-given-name", "twins")


def test_one_number_under_two_names_that_people_have_is_looked_at() -> None:
    number = numbered("912345671")
    decision = decided(named("Mary", **number), named("Ruth", **number))
    assert (decision.outcome, decision.guard) == (Outcome.REVIEW, "twins-same-number")


def test_one_number_under_a_name_and_what_is_none_is_one_person() -> None:
    number = numbered("912345671")
    assert decided(named("Mary", **number), named("Xqzvbt", **number)).outcome is Outcome.LINK


def test_a_baby_and_a_child_of_another_name_nearby_are_looked_at() -> None:
    born = {"birthDate": "2024-03-03", "telecom": []}
    moved = [{"line": ["990 Oak St"], "city": "Glenton", "postalCode": "85000"}]
    baby = named("BABY GIRL", **born)
    child = named("Stella", "Yazzie", **{**born, "address": moved})
    decision = decided(baby, child)
    assert (decision.outcome, decision.guard) == (Outcome.REVIEW, "newborn")
    assert set(keys(standardise(baby))) & set(keys(standardise(child)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (named("Mark", birthDate="1973-03-23"), named("Matk", birthDate="1972-03-23")),
        (
            named("Thomas", "Feldbach", telecom=[]),
            {**named("Feldbach", "Tom", telecom=[]), "address": [{"postalCode": "85000"}]},
        ),
    ],
    ids=["name and year mistyped", "nickname and swapped"],
)
def test_two_mistakes_leave_a_key(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert set(keys(standardise(one))) & set(keys(standardise(other)))


@pytest.mark.parametrize("givens", ["Lan|Lin", "Betty|Elizabeth", "Jenny Ruth|Jenny Melissa"])
def test_two_numbers_under_names_that_are_nearly_one_are_looked_at(givens: str) -> None:
    first, second = ([{"family": "Holloway", "given": g.split()}] for g in givens.split("|"))
    one, other = {**BASE, "name": first}, {**BASE, "name": second}
    decision = decided({**one, **numbered("842905213")}, {**other, **numbered("321931502")})
    assert (decision.outcome, decision.guard) == (Outcome.REVIEW, "similar-given-name")
    assert decided(one, other).outcome is Outcome.LINK
