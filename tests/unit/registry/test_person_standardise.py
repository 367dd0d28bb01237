"""What is compared of a Patient: names, births, homes, numbers, and what is no such thing."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.registry.persons import Kind, keys, standardise
from chartloom.registry.persons.folding import fold


def named(family: str, *given: str, **more: Any) -> dict[str, Any]:
    return {"name": [{"family": family, "given": list(given), **more}]}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Müller", "MUELLER"),
        ("O'Brien", "OBRIEN"),
        ("De La Cruz", "cruz"),
        ("van der Berg", "Berg"),
        ("García-López", "GARCIA LOPEZ"),
        ("Al-Hassan", "Hassan"),
        ("AlHassan", "Hassan"),
        ("MacDonald", "McDonald"),
        ("Wójcik", "WOJCIK"),
        ("Weiß", "Weiss"),
        ("Łukasik", "Lukasik"),
    ],
)
def test_spellings_of_one_family_name_are_one(one: str, other: str) -> None:
    assert standardise(named(one, "A")).families == standardise(named(other, "A")).families


def test_a_compound_name_keeps_its_parts() -> None:
    record = standardise(named("de la Cruz García", "María del Carmen"))
    assert record.parts == ("cruz", "garcia")
    assert record.givens == ("maria", "carmen")


@pytest.mark.parametrize(
    ("family", "given", "suffix", "expected"),
    [
        ("Smith Jr.", "John", [], "jr"),
        ("Smith", "John", ["III"], "3"),
        ("Smith", "John Sr", [], "sr"),
    ],
)
def test_a_suffix_is_found_where_it_stands(
    family: str, given: str, suffix: list[str], expected: str
) -> None:
    record = standardise(named(family, given, suffix=suffix))
    assert (record.suffix, record.families, record.givens) == (expected, ("smith",), ("john",))


@pytest.mark.parametrize(
    ("given", "order"),
    [
        ("BABY BOY", 0),
        ("BB", 0),
        ("Baby Girl A", 1),
        ("Twin B", 2),
        ("Infant of Mary", 0),
        ("BGB", 2),
    ],
)
def test_a_newborn_without_a_name(given: str, order: int) -> None:
    record = standardise(named("Smith", given))
    assert (record.kind, record.givens, record.multiple) == (Kind.NEWBORN, (), order)


@pytest.mark.parametrize(
    "names",
    [named("DOE", "JOHN"), named("UNKNOWN", "UNKNOWN"), named("TRAUMA", "ALPHA"), named("Unk", "")],
)
def test_who_nobody_knows_is_unknown_and_has_no_keys_but_numbers(names: dict[str, Any]) -> None:
    record = standardise({**names, "birthDate": "1980-05-05"})
    assert record.kind is Kind.UNKNOWN
    assert keys(record) == ()


def test_a_family_that_is_really_called_doe() -> None:
    assert standardise(named("Doe", "Patricia")).kind is Kind.PERSON


def test_former_names_follow_the_present_one() -> None:
    patient = {
        "name": [
            {"use": "maiden", "family": "Jones", "given": ["Ann"]},
            {"use": "official", "family": "Smith", "given": ["Ann"]},
        ]
    }
    assert standardise(patient).families == ("smith", "jones")


@pytest.mark.parametrize(
    ("birth", "expected"),
    [
        ("1980-05-17", ("19800517", 0)),
        ("1980-05", ("198005", 0)),
        ("1980", ("1980", 0)),
        ("1980-01-01", ("19800101", 1)),
        ("1900-01-01", ("19000101", 2)),
        ("1800-01-01", ("18000101", 2)),
        ("1753-01-01", ("17530101", 2)),
        ("1840-12-31", ("18401231", 2)),
        ("1841-05-17", ("18410517", 0)),
        ("1713-02-28", ("17130228", 0)),
        ("1066-10-14", ("", 0)),
        ("2201-10-14", ("", 0)),
        ("1980-13-01", ("", 0)),
        ("soon", ("", 0)),
        ("", ("", 0)),
    ],
)
def test_dates_of_birth(birth: str, expected: tuple[str, int]) -> None:
    record = standardise({"birthDate": birth})
    assert (record.birth, record.birth_doubt) == expected


@pytest.mark.parametrize(
    "ssn",
    ["999999999", "123-45-6789", "000-00-0000", "666121234", "078-05-1120", "12345", "UNKNOWN"],
)
def test_fillers_are_no_social_security_numbers(ssn: str) -> None:
    identifier = {"type": {"coding": [{"code": "SS"}]}, "value": ssn}
    assert standardise({"identifier": [identifier]}).numbers == ()


def test_numbers_of_accounts_and_insured_families_say_nothing() -> None:
    identifiers = [
        {"type": {"coding": [{"code": code}]}, "system": "urn:x", "value": "48151623"}
        for code in ("AN", "VN", "MB")
    ]
    assert standardise({"identifier": identifiers}).numbers == ()


@pytest.mark.parametrize(
    "written", ["(480) 112-3456", "480-112-3456", "+1 480 112 3456", "14801123456"]
)
def test_ways_to_write_a_telephone_number(written: str) -> None:
    assert standardise({"telecom": [{"system": "phone", "value": written}]}).phones == (
        "4801123456",
    )


@pytest.mark.parametrize(
    "line", ["12 North Main Street Apt 4", "12 N. Main St. #4", "12 N MAIN STREET, UNIT 4"]
)
def test_ways_to_write_an_address(line: str) -> None:
    address = {"line": [line], "city": "Glenton", "postalCode": "85000-1234"}
    (home,) = standardise({"address": [address]}).homes
    assert (home.house, home.street, home.unit, home.postal) == ("12", "n main st", "4", "85000")


def test_what_is_said_of_the_mother() -> None:
    record = standardise(
        {
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName",
                    "valueString": "Jones",
                },
                {"url": "urn:x:mothers-identifier", "valueIdentifier": {"value": "M-77123"}},
            ]
        }
    )
    assert (record.mother, record.mother_numbers) == ("jones", ("M77123",))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("M\u00c3\u00bcller", "M\u00fcller"),
        ("JO\u00c3O", "Joao"),
        ("\u00c5ngstr\u00f6m", "Angstrom"),
    ],
)
def test_text_of_a_wrong_charset_is_read_right(written: str, meant: str) -> None:
    assert fold(written) == fold(meant)
