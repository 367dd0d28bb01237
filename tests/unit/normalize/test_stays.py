"""Stays: what several messages about one visit add up to, in whatever order they are heard."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.heard import derive_at, in_any_order, of_type
from tests.support.hl7_examples import adt, message, pid, pv1, segment

from chartloom.chart import place
from chartloom.chart.shape_stay import people
from chartloom.domain.resource import LinkKind

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


def test_a_moved_visit_is_shown_once() -> None:
    known = adt("A01", "1", ADMITTED, {3: ICU, 44: ADMITTED}, number="999")
    mrg = segment("MRG", {1: "999^^^HOSP^MR", 5: "V1^^^HOSP^VN"})
    moved = message("ADT^A45", "2", LEFT, pid(), mrg, pv1({3: ICU, 44: ADMITTED}))
    later = adt("A08", "3", "20240106080000", {3: ICU}, number="999")
    assert shown_stays(known, moved, later) == [("V1", "123")]


@pytest.mark.parametrize("event", ["A42", "A50"])
def test_a_renumbered_visit_is_shown_once(event: str) -> None:
    mrg = segment("MRG", {1: "123^^^HOSP^MR", 5: "V1^^^HOSP^VN"})
    visit = pv1({3: ICU, 44: ADMITTED}, visit="V2")
    renumbered = message(f"ADT^{event}", "2", LEFT, pid(), mrg, visit)
    assert shown_stays(A01, renumbered) == [("V2", "123")]
    again = derive_at(1, message(f"ADT^{event}", "2", LEFT, pid(), mrg, pv1({3: ICU})))
    assert "visit-moved" not in {i.code for i in again.issues}
    unknown = derive_at(1, message(f"ADT^{event}", "2", LEFT, pid(), mrg))
    assert "visit-move-incomplete" in {i.code for i in unknown.issues}


def shown_stays(*messages: bytes) -> list[tuple[str, str]]:
    """(number, record number of the patient) of all stays in sight, whatever the order."""
    found = []
    for states in in_any_order(*messages):
        stays = [s for s in of_type(states, "Encounter") if not place(s).hidden]
        owner = {s.id: s.resource["identifier"][0]["value"] for s in of_type(states, "Patient")}
        number = [next(i for i in s.resource["identifier"] if i.get("use") != "old") for s in stays]
        whose = [owner[s.source_patient] for s in stays]
        found.append(list(zip((n["value"] for n in number), whose, strict=True)))
    assert all(f == found[0] for f in found)
    return found[0]


def linked(event: str, *others: str) -> list[tuple[str, str, str]]:
    derived = derive_at(1, message(f"ADT^{event}", "1", LEFT, pid("1"), *map(pid, others)))
    patients = [c.resource for c in derived.contributions if c.type == "Patient"]
    names = {p["id"]: p["identifier"][0]["value"] for p in patients}
    return [(e.kind, names[e.surviving], names[e.prior]) for e in derived.links]


def test_records_are_linked_and_unlinked() -> None:
    assert linked("A24", "2") == [(LinkKind.LINK, "1", "2")]
    assert linked("A37", "2") == [(LinkKind.UNLINK, "1", "2")]
    assert linked("A37", "2", "3") == [(LinkKind.UNLINK, "1", "2"), (LinkKind.UNLINK, "1", "3")]
    alone = derive_at(1, message("ADT^A24", "1", LEFT, pid("1")))
    assert alone.links == ()
    assert "link-incomplete" in {i.code for i in alone.issues}


@pytest.mark.parametrize("event", ["A18", "A30", "A34", "A39", "A40"])
def test_every_event_that_merges_records_does(event: str) -> None:
    merged = message(f"ADT^{event}", "1", LEFT, pid("1"), "MRG|2^^^HOSP^MR")
    (link,) = derive_at(1, merged).links
    assert (link.kind, link.surviving) == (LinkKind.MERGE, derive_at(1, A01_OF_1).source_patient)
    assert link.prior == derive_at(1, adt("A01", "1", ADMITTED, number="2")).source_patient


A01_OF_1 = adt("A01", "1", ADMITTED, number="1")
