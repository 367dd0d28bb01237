"""Values of another kind than the table expects: nothing of them leaves, and nothing breaks."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from chartloom.guard.deid import Deidentifier, Profile, Project, project_key
from chartloom.guard.deid.values import Context, action, coding

CONTEXT = Context(bytes(32), 7, date(2024, 6, 1))
SNOMED = "http://snomed.info/sct"
ACTIONS = (
    "boolean", "codes", "coding", "reference", "number", "year", "shift", "date", "birth-year",
    "birth", "zip", "zip3", "state", "country", "unit", "enum:a|b", "-",
)  # fmt: skip
#: Of no use to any action.
STRANGE: tuple[Any, ...] = (
    None, 7.5j, "", "CANARY", "\u0660", [], {}, [7], ["2024-01-05"], [["CANARY"]], {"coding": "x"},
    {"coding": {}}, {"coding": ["x", 7, None]}, {"reference": 7}, {"reference": ["Patient/x"]},
    {"reference": None}, {"system": [], "code": "72892002"}, {"system": SNOMED, "code": 72892002},
    {"system": 7, "code": {}}, b"2024-01-05", float("nan"), float("inf"), Decimal("NaN"),
)  # fmt: skip


@pytest.mark.parametrize("name", ACTIONS)
def test_what_is_of_another_kind_leaves_nothing(name: str) -> None:
    assert [v for v in STRANGE if action(name)(v, CONTEXT) is not None] == []


@pytest.mark.parametrize("name", ["number", "year", "shift", "date", "birth", "birth-year", "zip"])
def test_flags_are_no_numbers_and_no_dates(name: str) -> None:
    assert action(name)(True, CONTEXT) is None
    assert action("boolean")(True, CONTEXT) is True
    assert action("boolean")(1, CONTEXT) is None


def test_a_code_is_written_in_ascii() -> None:
    arabic = "72892002".translate({ord("0") + n: 0x660 + n for n in range(10)})
    assert coding({"system": SNOMED, "code": "72892002"})
    assert coding({"system": SNOMED, "code": arabic}) is None
    for value in (None, "x", [], 7):
        assert coding(value) is None


def test_a_year_is_written_in_ascii() -> None:
    arabic = "1980".translate({ord("0") + n: 0x660 + n for n in range(10)})
    for name in ("year", "date", "birth-year", "birth"):
        assert action(name)("1980", CONTEXT) == "1980"
        assert action(name)(arabic, CONTEXT) is None


@pytest.mark.parametrize("value", [Decimal("1E+9"), 1e20, Decimal("-1E+8"), 10**8])
def test_a_large_number_with_few_digits_stays(value: Any) -> None:
    assert action("number")(value, CONTEXT) is None
    assert action("number")(99_999_999, CONTEXT) == 99_999_999


@pytest.mark.parametrize(
    "kind", ["Practitioner", "PractitionerRole", "Organization", "Location", "RelatedPerson"]
)
def test_references_lead_to_what_leaves(kind: str) -> None:
    assert action("reference")({"reference": "Patient/1"}, CONTEXT)
    assert action("reference")({"reference": f"{kind}/1"}, CONTEXT) is None


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-05T10:15:00", "2024-01-05 10:15:00+00:00", "2024-01-05 10:15:00Z", "2024-01",
        "20240105", "2024-W01-5", "2024-01-05T", "2024-13-01",
    ],
)  # fmt: skip
def test_a_time_without_its_zone_is_not_moved(value: str) -> None:
    """In which zone it was would be guessed; and nothing but FHIR's own form is a time."""
    assert action("shift")("2024-01-05T10:15:00Z", CONTEXT) == "2024-01-12T10:15:00Z"
    assert action("shift")(value, CONTEXT) is None
    assert action("date")(value, CONTEXT) in (None, "2024")


@pytest.mark.parametrize("kind", [None, 3, [], ["Patient"], {}, "Practitioner"])
@pytest.mark.parametrize("id", [None, 3, [], "x"])
def test_what_is_no_resource_does_not_leave(kind: object, id: object) -> None:
    key = project_key(bytes(32), "p")
    deid = Deidentifier(Project("p", key, Profile.SHIFTED, date(2024, 6, 1)))
    assert deid.resource({"resourceType": kind, "id": id}, "p") is None
    assert deid.resource({"resourceType": "Patient", "id": "x"}, "p")
    if id != "x":
        assert deid.resource({"resourceType": "Patient", "id": id}, "p") is None


@pytest.mark.parametrize("value", ["value", 7, ["value"], [[{"value": 7}]], None])
def test_a_word_in_place_of_an_object_is_none(value: object) -> None:
    key = project_key(bytes(32), "p")
    deid = Deidentifier(Project("p", key, Profile.SHIFTED, date(2024, 6, 1)))
    found = deid.resource(
        {
            "resourceType": "Observation", "id": "x", "status": "final", "valueQuantity": value,
            "subject": {"reference": "Patient/p"},
        },
        "p",
    )  # fmt: skip
    assert found is not None
    assert "valueQuantity" not in found


def test_a_profile_is_within_those_that_let_more_out() -> None:
    order = [Profile.SAFE_HARBOR, Profile.SHIFTED, Profile.LIMITED]
    for i, one in enumerate(order):
        assert [one.is_within(other) for other in order] == [i <= j for j in range(len(order))]
