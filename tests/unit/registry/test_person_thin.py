"""Little that ties two records: who is asked about, and who is joined."""

from typing import Any

from chartloom.registry.persons import Outcome, among, decide, default_parameters, standardise
from chartloom.registry.persons.record import MatchRecord

MANY = among(default_parameters(), 104_000)


def record(
    family: str, given: str, birth: str = "1959-09-14", sex: str = "male", **more: Any
) -> MatchRecord:
    patient = {
        "resourceType": "Patient",
        "name": [{"family": family, "given": given.split()}],
        "gender": sex,
        **more,
    }
    if birth:
        patient["birthDate"] = birth
    return standardise(patient)


def home(line: str, postal: str = "85030") -> dict[str, Any]:
    return {"address": [{"line": [line], "city": "Stoneport", "postalCode": postal}]}


def phone(number: str) -> dict[str, Any]:
    return {"telecom": [{"system": "phone", "value": number}]}


def medical(system: str, value: str) -> dict[str, Any]:
    coding = {"coding": [{"code": "MR"}]}
    return {"identifier": [{"type": coding, "system": system, "value": value}]}


def outcome(a: MatchRecord, b: MatchRecord) -> tuple[Outcome, str]:
    decision = decide(a, b, MANY)
    assert decide(b, a, MANY) == decision
    return decision.outcome, decision.guard


def test_namesakes_of_one_town_born_a_digit_apart_are_asked_about() -> None:
    here = home("7787 Washington Ave") | phone("6021000181")
    there = home("6947 Clover Dr") | phone("5051000078")
    one = record("Anderson", "Andrew", "1959-09-14", **here)
    assert outcome(one, record("Anderson", "Andrew", "1959-06-14", **there)) == (
        Outcome.REVIEW,
        "thin",
    )
    assert outcome(one, record("Anderson", "Andrew", "1959-06-14", **here))[0] is Outcome.LINK


def test_two_numbers_of_one_system_speak_against_a_thin_pair() -> None:
    here, there = medical("urn:a", "100001"), medical("urn:b", "200002")
    again = medical("urn:a", "300003")
    one = record("Okonkwo", "Akosua", "1955-10-26", "female", **here)
    assert outcome(one, record("Okonkwo", "Akosua", "1955-10-21", "female", **there)) == (
        Outcome.LINK,
        "thin",
    )
    assert outcome(one, record("Okonkwo", "Akosua", "1955-10-21", "female", **again)) == (
        Outcome.REVIEW,
        "thin",
    )


def test_an_address_of_e_mail_alone_does_not_make_up_for_a_birth_date() -> None:
    mail = {"system": "email", "value": "m.anderson@example.org"}
    number = {"system": "phone", "value": "4801000123"}
    one = record(
        "Anderson", "Mary", "1978-09-07", "female", telecom=[mail, number], **home("1 Elm Rd")
    )
    elsewhere = home("1765 Kirch St", "85001") | {"telecom": [mail]}
    assert outcome(one, record("Anderson", "Mary", "", "female", **elsewhere)) == (
        Outcome.REVIEW,
        "no-birth-date",
    )
    tied = elsewhere | {"telecom": [mail, number]}
    assert outcome(one, record("Anderson", "Mary", "", "female", **tied))[0] is Outcome.LINK


def test_two_names_a_letter_apart_are_two_children() -> None:
    one, other = (record("Oliveira", g, "1968-09-22", "female") for g in ("Maria", "Marta"))
    assert outcome(one, other) == (Outcome.REVIEW, "similar-given-name")


def test_a_name_and_its_beginning_are_two_where_nobody_is_known_to_be_called_so() -> None:
    one, other = (record("Li", g, "1989-07-14") for g in ("Jun", "Junyi"))
    assert outcome(one, other) == (Outcome.REVIEW, "similar-given-name")


def test_what_was_spelt_on_the_telephone_is_one_name_at_home() -> None:
    line = phone("4801000123")
    one, other = (record("Taylor", g, "1989-07-14", **line) for g in ("Matthew", "Natthew"))
    assert outcome(one, other)[0] is Outcome.LINK
    rhyming = record("Taylor", "Jatthew", "1989-07-14", **line)
    assert outcome(one, rhyming) == (Outcome.REVIEW, "similar-given-name")
    elsewhere = record("Taylor", "Natthew", "1989-07-14", **phone("6021000456"))
    assert outcome(one, elsewhere) == (Outcome.REVIEW, "similar-given-name")


def test_a_newborn_of_one_system_is_joined_when_the_named_child_lives_there() -> None:
    line = phone("4801000123")
    baby = record("Keller", "BABY GIRL", "2020-02-02", "female", **line, **medical("urn:a", "1001"))
    named = record("Keller", "Ada", "2020-02-02", "female", **line, **medical("urn:a", "1002"))
    assert outcome(baby, named)[0] is Outcome.LINK
    twin = record("Keller", "BABY GIRL A", "2020-02-02", "female", **line)
    assert outcome(twin, named) == (Outcome.REVIEW, "newborn")


def test_one_name_one_home_one_year_is_one_person() -> None:
    house = home("2477 Granite Rd")
    one = record("Lewandowski", "Agnieszka", "1971-03-05", "female", **house)
    same_year = record("Lewandowski", "Agnieszka", "1971-11-24", "female", **house)
    later = record("Lewandowski", "Agnieszka", "1979-11-24", "female", **house)
    assert outcome(one, same_year)[0] is Outcome.LINK
    assert outcome(one, later)[0] is Outcome.REVIEW
