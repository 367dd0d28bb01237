"""Stays: what several messages about one visit add up to, in whatever order they are heard."""

from __future__ import annotations

from typing import Any

from tests.support.heard import in_any_order, of_type
from tests.support.hl7_examples import adt, message, pid, pv1, segment

from chartloom.chart.shape_stay import people

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


def attending(*messages: bytes) -> tuple[str, set[tuple[str, str | None, str | None]]]:
    """Who attends, and all participants with role, whatever the order of the messages."""
    shown = []
    for states in in_any_order(*messages):
        (state,) = of_type(states, "Encounter")
        shown.append(people(state))
    assert all(s == shown[0] for s in shown)
    told = {
        (f"{p['role']} {p['name']}", p.get("start"), p.get("end")) for p in shown[0]["participants"]
    }
    return shown[0]["attending"], told


def role(code: str, who: str, start: str = "", end: str = "", action: str = "AD") -> str:
    return segment("ROL", {1: who[:1], 2: action, 3: code, 4: who, 5: start, 6: end})


ANN, BOB, CAT = "1^ANN^A", "2^BOB^B", "3^CAT^C"


def test_a_new_attending_replaces_the_one_before_and_not_their_time() -> None:
    first = adt("A01", "1", ADMITTED, {7: ANN})
    dated = visit_with("2", "20240102080000", {7: ANN}, role("AT", ANN, ADMITTED))
    next_ = adt("A08", "3", "20240103080000", {7: BOB})
    assert attending(first, next_) == ("B BOB", {("ATND B BOB", None, None)})
    now, told = attending(first, dated, next_)
    assert now == "B BOB"
    assert told == {("ATND B BOB", None, None), ("ATND A ANN", "2024-01-01T08:00:00+01:00", None)}


def test_consultants_who_are_told_one_by_one_do_not_replace_one_another() -> None:
    told = [
        visit_with(str(n), f"2024010{n}080000", {7: ANN}, role("CP", who))
        for n, who in enumerate((BOB, CAT), 1)
    ]
    assert {p[0] for p in attending(*told)[1]} == {"ATND A ANN", "CON B BOB", "CON C CAT"}
    left = visit_with("3", "20240103080000", {7: ANN}, role("CP", BOB, action="DE"))
    assert {p[0] for p in attending(*told, left)[1]} == {"ATND A ANN", "CON C CAT"}


def visit_with(control_id: str, at: str, visit: dict[int, str], *rol: str) -> bytes:
    return message("ADT^A08", control_id, at, pid(), pv1(visit), *rol)
