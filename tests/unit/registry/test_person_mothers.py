"""What second names and mothers' names tell of two who are alike."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.registry.persons import (
    Decision,
    Outcome,
    among,
    decide,
    default_parameters,
    keys,
    standardise,
)

MANY = among(default_parameters(), 104_000)
MAIDEN = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
HERE = {"address": [{"line": ["12 Heron Lane"], "city": "Glenton", "postalCode": "85000"}]}
NEAR = {"address": [{"line": ["7 Osprey Court"], "city": "Glenton", "postalCode": "85000"}]}
THERE = {"address": [{"line": ["9 Quarry Road"], "city": "Ashby", "postalCode": "85777"}]}


def patient(
    given: str, family: str = "Holloway", birth: str = "1962-08-17", mother: str = "", **more: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": [{"family": family, "given": given.split()}],
        "gender": "female",
        **more,
    }
    if birth:
        found["birthDate"] = birth
    if mother:
        found["extension"] = [{"url": MAIDEN, "valueString": mother}]
    return found


def decided(one: dict[str, Any], other: dict[str, Any]) -> Decision:
    a, b = standardise(one), standardise(other)
    there, back = (decide(x, y, MANY) for x, y in ((a, b), (b, a)))
    assert there == back
    return there


def share_key(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(set(keys(standardise(one))) & set(keys(standardise(other))))


def test_a_mistyped_name_before_the_same_second_one_is_one_person() -> None:
    one, other = patient("Siobhan Maire", **HERE), patient("Aiobhan Maire", **HERE)
    assert decided(one, other).outcome is Outcome.LINK
    assert decided(patient("Siobhan", **HERE), patient("Aiobhan", **HERE)).outcome is Outcome.REVIEW


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (patient("Nilmi Silva", mother="Silva", **HERE), patient("Bilmi Silva", **HERE)),
        (
            patient("Nilmi Silva", "Silva Costa", **HERE),
            patient("Bilmi Silva", "Silva Costa", **HERE),
        ),
        (patient("Nilmi M", **HERE), patient("Bilmi M", **HERE)),
        (patient("Jason Rose", **HERE), patient("Mason Rose", **HERE)),
    ],
    ids=["the mother's name", "the family's name", "an initial", "two names that people have"],
)
def test_a_second_name_that_children_of_one_house_share_tells_nothing(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert decided(one, other).outcome is not Outcome.LINK


def test_without_a_birth_date_whole_name_and_mother_are_one_person() -> None:
    one = patient("Katerina Niamh", mother="Kasetini", **HERE)
    other = patient("Katerina Niamh", birth="", mother="Kasetini", **THERE)
    assert share_key(one, other)
    assert decided(one, other).outcome is Outcome.LINK


@pytest.mark.parametrize(
    "other",
    [
        patient("Katerina Ruth", birth="", mother="Kasetini", **THERE),
        patient("Katerina Niamh", birth="", mother="Moretti", **THERE),
        patient("Katerina", birth="", mother="Kasetini", **THERE),
        patient("Katerina Niamh", birth="", mother="Kasetini", **THERE)
        | {"name": [{"family": "Holloway", "given": ["Katerina", "Niamh"], "suffix": ["Jr"]}]},
    ],
    ids=["another second name", "another mother", "less of a name, elsewhere", "Jr"],
)
def test_without_a_birth_date_less_is_looked_at(other: dict[str, Any]) -> None:
    mine = patient("Katerina Niamh", mother="Kasetini", **HERE)
    assert decided(mine, other).outcome is not Outcome.LINK


def test_a_child_without_a_name_goes_by_its_mothers() -> None:
    day = {"birth": "2015-07-07"}
    newborn = patient("BABY GIRL", "Kasetini", **day, **HERE)
    named = patient("Egle Ruta", "Totuidis", mother="Kasetini", **day, **NEAR)
    assert share_key(newborn, patient("Egle", "Totuidis", mother="Kasetini", **day, **THERE))
    decision = decided(newborn, named)
    assert decision.comparison.mother == "same"
    assert decision.outcome is Outcome.LINK
    stranger = patient("Egle Ruta", "Totuidis", mother="Moretti", **day, **NEAR)
    assert decided(newborn, stranger).outcome is not Outcome.LINK
    both = patient("BABY BOY", "Kasetini", **day)
    assert decided(newborn, both).comparison.mother == "missing"


def test_another_postal_code_written_down_once_only_hides_nobody() -> None:
    here = {"address": [{"line": ["1 A St"], "city": "Glenton", "postalCode": "85000"}]}
    there = {"address": [{"line": ["22 B St"], "city": "Glenton"}]}
    assert share_key(patient("Chiara", **here), patient("Chiara", birth="", **there))


@pytest.mark.parametrize(
    ("one", "other"), [("DeVries", "Vries"), ("Vanderberg", "Berg"), ("ODonovan", "Donovan")]
)
def test_a_small_word_written_onto_a_name_is_part_of_it(one: str, other: str) -> None:
    assert decided(patient("Hans", one), patient("Hans", other)).comparison.family in (
        "part",
        "close",
    )


def test_the_end_of_a_name_is_no_name() -> None:
    assert decided(patient("Hans", "Pavlova"), patient("Hans", "Lova")).comparison.family not in (
        "part",
        "exact",
    )
