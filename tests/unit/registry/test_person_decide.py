"""Decisions about pairs that thresholds get wrong, and what their evidence says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from chartloom.domain.errors import ChartloomError
from chartloom.registry.persons import (
    Decision,
    Outcome,
    decide,
    default_parameters,
    dump,
    evidence,
    is_overlay,
    load,
    standardise,
)

BASE: dict[str, Any] = {
    "name": [{"family": "Holloway", "given": ["Margaret", "Ann"]}],
    "gender": "female",
    "birthDate": "1962-08-17",
    "address": [{"line": ["12 Heron Lane"], "city": "Glenton", "postalCode": "85000"}],
    "telecom": [{"system": "phone", "value": "480 112 3456"}],
}


def ssn(value: str) -> dict[str, Any]:
    return {"identifier": [{"type": {"coding": [{"code": "SS"}]}, "value": value}]}


def mrn(value: str, system: str = "urn:north") -> dict[str, Any]:
    return {
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": system, "value": value}]
    }


def name(family: str, *given: str, suffix: str = "") -> dict[str, Any]:
    return {
        "name": [{"family": family, "given": list(given), "suffix": [suffix] if suffix else []}]
    }


def decided(one: dict[str, Any], other: dict[str, Any]) -> Decision:
    a, b = standardise({**BASE, **one}), standardise({**BASE, **other})
    there, back = (decide(x, y, default_parameters()) for x, y in ((a, b), (b, a)))
    assert there == back
    return there


@pytest.mark.parametrize(
    "change",
    [
        {},
        name("HOLLOWAY", "Peggy"),
        name("Hollowya", "Margaret"),
        name("Holloway", "Margret"),
        name("Margaret", "Holloway"),
        name("Holloway-Jones", "Margaret"),
        {"birthDate": "1962-08-07"},
        {"address": [{"line": ["990 Oak St"], "city": "Ironside", "postalCode": "85090"}]},
    ],
)
def test_one_person_however_written(change: dict[str, Any]) -> None:
    assert decided({}, change).outcome is Outcome.LINK


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (name("Holloway", "Mary", "Ann"), name("Holloway", "Ruth", "C")),
        (name("Holloway", "Mary", "Ann"), name("Holloway", "Ruth")),
        (name("Holloway", "Mary"), {**name("Holloway", "Ruth"), "multipleBirthBoolean": True}),
        (name("Holloway", "Mary"), {**name("Holloway", "Paul"), "gender": "male"}),
        (
            {**name("Holloway", "Mary"), **ssn("912345671")},
            {**name("Holloway", "Ruth"), **ssn("987654322")},
        ),
    ],
    ids=["second names", "one second name", "said", "sex", "numbers"],
)
def test_twins_are_two_persons(one: dict[str, Any], other: dict[str, Any]) -> None:
    decision = decided(one, other)
    assert (decision.outcome, decision.guard, decision.apart) == (Outcome.NEW, "twins", True)


def test_nobody_says_twins_so_somebody_looks_and_nothing_joins_them() -> None:
    decision = decided(name("Holloway", "Mary"), name("Holloway", "Ruth"))
    assert (decision.outcome, decision.guard, decision.apart) == (Outcome.REVIEW, "twins", True)


def test_twins_with_one_number_are_looked_at() -> None:
    decision = decided(
        {**name("Holloway", "Mary"), **ssn("912345671")},
        {**name("Holloway", "Ruth"), **ssn("912345671")},
    )
    assert (decision.outcome, decision.guard) == (Outcome.REVIEW, "twins-same-number")


def test_order_of_birth_keeps_apart_even_unnamed_babies() -> None:
    born = {"birthDate": "2024-03-03"}
    decision = decided(
        {**born, **name("Holloway", "Twin A")}, {**born, **name("Holloway", "Twin B")}
    )
    assert (decision.outcome, decision.apart) == (Outcome.NEW, True)


def test_a_baby_is_found_again_when_it_has_a_name() -> None:
    born = {"birthDate": "2024-03-03"}
    decision = decided(
        {**born, **name("Holloway", "BABY GIRL")}, {**born, **name("Holloway", "Stella")}
    )
    assert decision.outcome is Outcome.LINK


def test_a_baby_is_not_its_mother() -> None:
    extension = [{"url": "urn:x:mothers-identifier", "valueIdentifier": {"value": "4711"}}]
    baby = {**name("Holloway", "BABY GIRL"), "birthDate": "2024-03-03", "extension": extension}
    decision = decided(mrn("4711"), baby)
    assert (decision.outcome, decision.guard) == (Outcome.NEW, "mother-and-child")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"birthDate": "1962-08-17"}, {"birthDate": "1988-02-09"}),
        (name("Holloway", "John", suffix="Sr"), name("Holloway", "John", suffix="Jr")),
    ],
)
def test_father_and_son_of_one_name(one: dict[str, Any], other: dict[str, Any]) -> None:
    decision = decided(one, other)
    assert (decision.outcome, decision.guard) == (Outcome.NEW, "namesake")


def test_one_record_number_is_one_person() -> None:
    decision = decided(
        {**mrn("77"), **name("Holloway", "M")}, {**mrn("77"), **name("Jones", "Margaret")}
    )
    assert (decision.outcome, decision.rule) == (Outcome.LINK, "record-number")


def test_one_record_number_under_two_persons_is_an_overlay() -> None:
    other = {**mrn("77"), **name("Yazzie", "Thomas"), "gender": "male", "birthDate": "1990-01-09"}
    decision = decided(mrn("77"), other)
    assert (decision.outcome, decision.guard, decision.apart) == (Outcome.REVIEW, "overlay", True)


def test_record_numbers_of_two_systems_are_two_numbers() -> None:
    one, other = mrn("77", "urn:north"), mrn("77", "urn:south")
    assert decided(one, {**other, **name("Nez", "Ivy"), "birthDate": "1990-01-09"}).rule == "score"


def test_unknown_patients_are_matched_by_their_number_only() -> None:
    doe = {**name("DOE", "JANE"), "telecom": [], "address": []}
    assert decided(doe, doe).outcome is Outcome.NEW
    assert decided({**doe, **mrn("9001")}, {**doe, **mrn("9001")}).outcome is Outcome.LINK


def test_a_missing_birth_date_is_looked_at_unless_much_else_agrees() -> None:
    common = name("Smith", "John")
    undated = {"birthDate": "", "telecom": []}
    assert decided(common, {**common, **undated}).outcome is Outcome.REVIEW
    assert decided({}, undated).outcome is Outcome.LINK


def test_household_alone_links_nobody() -> None:
    decision = decided(
        {}, {**name("Holloway", "Frank"), "gender": "male", "birthDate": "1960-02-02"}
    )
    assert (decision.outcome, decision.guard) == (Outcome.NEW, "other-person")


def test_evidence_holds_no_values() -> None:
    decision = decided(ssn("912345671"), ssn("912345671"))
    kept = evidence(decision, default_parameters())
    text = msgspec.json.encode(kept).decode().casefold()
    for value in ("holloway", "margaret", "1962", "heron", "glenton", "85000", "3456", "912345671"):
        assert value not in text
    assert kept.fields["birth"][0] == "exact"
    assert sum(bits for _, bits in kept.fields.values()) >= decision.weight - 0.1


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (name("Smith", "Margaret", "Ann"), False),
        ({"birthDate": "1926-08-17"}, False),
        ({**name("Holloway", "Frank"), "gender": "male", "birthDate": "1990-02-02"}, True),
        (
            {
                **name("Yazzie", "Ruth"),
                "birthDate": "1990-02-02",
                "address": [],
                "telecom": [],
            },
            True,
        ),
    ],
)
def test_an_update_that_makes_somebody_else(change: dict[str, Any], expected: bool) -> None:
    before, after = standardise(BASE), standardise({**BASE, **change})
    assert is_overlay(before, after, default_parameters()) is expected


_OTHER_SSN = ssn("541229917")["identifier"]


@pytest.mark.parametrize("born", ["1980-01-01", "1980-05-07", "1980-05-17", "1980-07-05"])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({**name("Lopez", "Maria"), "gender": "female", "identifier": _OTHER_SSN}, True),
        ({**name("Lopez", "Maria"), "gender": "female", "identifier": []}, True),
        ({**name("Lopez", "Carlos"), "identifier": _OTHER_SSN}, True),
        ({**name("Smith", "Ella"), "gender": "female", "identifier": _OTHER_SSN}, True),  # a twin
        ({**name("Lopez", "John"), "gender": "female", "identifier": _OTHER_SSN}, False),
        ({**name("Smith", "Mary"), "gender": "female", "identifier": []}, False),
        ({"gender": "female", "identifier": _OTHER_SSN}, False),
        (name("Smith", "Jack"), False),
    ],
)
def test_somebody_else_of_the_same_or_a_near_birth_date(
    born: str, change: dict[str, Any], expected: bool
) -> None:
    """A date of birth proves nothing where the rest is another's: many are born on 1 January."""
    john = {**BASE, **name("Smith", "John"), **ssn("912345671"), "gender": "male"}
    first = "1980-01-01" if born == "1980-01-01" else "1980-05-07"
    before = standardise({**john, "birthDate": first})
    after = standardise({**john, "birthDate": born, **change})
    assert is_overlay(before, after, default_parameters()) is expected
    # A record number that two feeds use for these two does not join them either.
    told = [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:here", "value": "77"}]
    one, other = (
        standardise({**x, "identifier": [*x["identifier"], *told]})
        for x in ({**john, "birthDate": first}, {**john, "birthDate": born, **change})
    )
    decision = decide(one, other, default_parameters())
    assert (decision.guard == "overlay") is expected
    assert (decision.outcome is Outcome.REVIEW) is expected


def test_parameters_survive_being_written() -> None:
    parameters = default_parameters()
    again = load(dump(parameters))
    assert again == parameters
    assert again.fingerprint == parameters.fingerprint


@pytest.mark.parametrize("data", [b"{}", b"[", b'{"name": "x", "weights": {}}'])
def test_what_are_no_parameters_is_said(data: bytes) -> None:
    with pytest.raises(ChartloomError, match="parameters"):
        load(data, "x.json")


def test_a_level_without_weight_is_said() -> None:
    raw = msgspec.json.decode(dump(default_parameters()))
    del raw["weights"]["family"]["close"]
    with pytest.raises(ChartloomError, match="family: close"):
        load(msgspec.json.encode(raw))
