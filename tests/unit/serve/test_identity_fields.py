"""Two records side by side: which rows there are, what is marked, what is left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.domain.resource import ResourceState, Stamp
from chartloom.serve.identity.fields import Row, compare


def record(id: str, **said: Any) -> ResourceState:
    resource = {"resourceType": "Patient", "id": id, **said}
    return ResourceState(resource, id, {name: Stamp(1, 5, 7) for name in said})


def rows(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Row]:
    return {row.key: row for row in compare(record("a", **a), record("b", **b))}


def marked(row: Row) -> tuple[list[str], list[str]]:
    """What is marked on the left and on the right."""
    left, right = (
        [p.text for v in side for p in v.pieces if p.differs] for side in (row.left, row.right)
    )
    return left, right


@pytest.mark.parametrize(
    ("one", "other", "state"),
    [
        ("Núñez", "NUNEZ", "accents"),
        ("Đặng", "Dang", "accents"),
        ("Ana", "Anna", "differs"),
        ("Nuñez", "Nunes", "differs"),
        ("李", "王", "differs"),
    ],
)
def test_accents_and_case_are_no_difference(one: str, other: str, state: str) -> None:
    found = rows({"name": [{"family": one}]}, {"name": [{"family": other}]})
    assert found["family"].state == state


def test_what_is_the_same_is_not_marked_whatever_case_and_signs() -> None:
    found = rows(
        {"name": [{"family": "O'Brien", "given": ["Ann"]}], "birthDate": "1970-01-02"},
        {"name": [{"family": "OBRIEN", "given": ["ann"]}], "birthDate": "1970-01-02"},
    )
    assert [(r.key, r.state) for r in found.values()] == [
        ("family", "same"),
        ("given", "same"),
        ("birth", "same"),
    ]
    assert all(marked(r) == ([], []) for r in found.values())


def test_a_slip_of_the_pen_is_marked_letter_by_letter_a_gap_too() -> None:
    found = rows(
        {"name": [{"family": "Smith"}], "birthDate": "1971-04-12"},
        {"name": [{"family": "Smyth"}], "birthDate": "1971-04-21"},
    )
    assert marked(found["family"]) == (["i"], ["y"])
    assert found["birth"].state == "differs"
    short = rows({"name": [{"family": "Ostrander"}]}, {"name": [{"family": "Ostrandr"}]})
    assert marked(short["family"]) == (["e"], [""])


def test_words_are_compared_with_their_counterparts() -> None:
    found = rows(
        {"name": [{"given": ["Philippa", "Jane"]}], "birthDate": "1962-07-30"},
        {"name": [{"given": ["Philippa", "Rose"]}], "birthDate": "1964-07-12"},
    )
    assert marked(found["given"]) == (["Jane"], ["Rose"])
    assert marked(found["birth"]) == (["2", "30"], ["4", "12"])


def test_what_has_nothing_in_common_is_marked_whole() -> None:
    found = rows(
        {"name": [{"given": ["Ella"]}], "gender": "female"},
        {"name": [{"given": ["Mara"]}], "gender": "male"},
    )
    assert marked(found["given"]) == (["Ella"], ["Mara"])
    assert marked(found["sex"]) == (["female"], ["male"])


def test_of_several_values_those_without_a_partner_are_marked() -> None:
    a = [{"system": "phone", "value": "555-0101"}, {"system": "phone", "value": "555-0102"}]
    b = [{"system": "phone", "value": "(555) 0101"}]
    row = rows({"telecom": a}, {"telecom": b})["phone"]
    assert row.state == "partly"
    assert marked(row) == (["555-0102"], [])


def test_what_only_one_says_is_not_a_difference() -> None:
    row = rows({"multipleBirthInteger": 2}, {"birthDate": "1999-01-01"})["multiple"]
    assert (row.state, row.right, marked(row)) == ("one", (), ([], []))


def _number(value: str, code: str, issuer: str) -> dict[str, Any]:
    return {
        "value": value,
        "type": {"coding": [{"code": code}]},
        "assigner": {"display": issuer},
    }


def test_numbers_of_different_systems_are_no_difference_those_of_one_are() -> None:
    apart = rows(
        {"identifier": [_number("12345", "MR", "SGH")]},
        {"identifier": [_number("98765", "MR", "CLIN")]},
    )["record"]
    assert (apart.state, marked(apart)) == ("systems", ([], []))
    one = rows(
        {"identifier": [_number("12345", "MR", "SGH")]},
        {"identifier": [_number("98765", "MR", "SGH")]},
    )["record"]
    assert one.state == "differs"


def test_accounts_and_visits_are_not_shown_and_fillers_are_called_so() -> None:
    found = rows(
        {"identifier": [_number("A77", "AN", "SGH"), _number("999999999", "SS", "")]},
        {"identifier": [_number("V12", "VN", "SGH")]},
    )
    assert set(found) == {"national"}
    assert [v.filler for v in found["national"].left] == [True]


@pytest.mark.parametrize(
    "clinical",
    [
        {"maritalStatus": {"text": "Divorced"}},
        {"deceasedDateTime": "2020-01-01"},
        {"communication": [{"language": {"text": "Spanish"}}]},
        {"generalPractitioner": [{"display": "Dr Ames"}]},
        {"contact": [{"name": {"family": "Kin"}}]},
        {"photo": [{"title": "Face"}]},
    ],
)
def test_nothing_but_what_is_compared_is_shown(clinical: dict[str, Any]) -> None:
    assert rows(clinical, clinical) == {}


_TEXT = st.text(alphabet="abcß éÖ-'1", max_size=8)


@settings(max_examples=60, deadline=None)
@given(_TEXT, _TEXT)
def test_pieces_are_the_value_whatever_stands_there(a: str, b: str) -> None:
    for row in rows({"name": [{"family": a}]}, {"name": [{"family": b}]}).values():
        for value in (*row.left, *row.right):
            assert "".join(p.text for p in value.pieces) == value.text
