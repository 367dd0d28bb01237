"""Stays: what several messages about one visit add up to, in whatever order they are heard."""

from __future__ import annotations

from typing import Any

from tests.support.heard import in_any_order, of_type
from tests.support.hl7_examples import adt

ADMITTED, LEFT = "20240101080000", "20240105080000"
ICU, WARD = "ICU^1^1", "WARD^2^1"


def only_stay(*messages: bytes) -> dict[str, Any]:
    """The stay after all messages; it must not depend on their order."""
    found = [of_type(states, "Encounter") for states in in_any_order(*messages)]
    assert all(f == found[0] for f in found)
    (stay,) = found[0]
    return stay.resource


def places(stay: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {p["location"]["display"]: p for p in stay.get("location", ())}


A01 = adt("A01", "1", ADMITTED, {3: ICU, 44: ADMITTED})
A03 = adt("A03", "2", LEFT, {3: ICU, 44: ADMITTED, 45: LEFT})


def test_a_cancelled_discharge_takes_back_the_end_at_the_place() -> None:
    assert "end" in places(only_stay(A01, A03))["ICU 1 1"]["period"]
    stay = only_stay(A01, A03, adt("A13", "3", "20240105090000", {3: ICU}))
    assert places(stay)["ICU 1 1"]["period"].keys() == {"start"}
    assert "end" not in stay["period"]


def test_a_cancelled_transfer_takes_back_the_end_at_the_place_before() -> None:
    moved = adt("A02", "2", "20240102080000", {3: WARD, 6: ICU})
    back = adt("A12", "3", "20240102090000", {3: ICU, 6: WARD})
    found = places(only_stay(A01, moved, back))
    assert found.keys() == {"ICU 1 1"}
    assert found["ICU 1 1"]["period"].keys() == {"start"}
    assert found["ICU 1 1"]["status"] == "active"


def test_a_cancelled_admission_leaves_no_place_behind() -> None:
    wrong = adt("A11", "2", "20240101090000", {3: ICU})
    again = adt("A01", "3", "20240101100000", {3: WARD, 44: "20240101100000"})
    stay = only_stay(A01, wrong, again)
    assert places(stay).keys() == {"WARD 2 1"}
    assert stay["status"] == "in-progress"


def test_who_is_admitted_again_under_the_same_number_has_not_left() -> None:
    stay = only_stay(A01, A03, adt("A01", "3", "20240106080000", {3: ICU}))
    assert "end" not in stay["period"]
    assert "end" not in places(stay)["ICU 1 1"]["period"]
