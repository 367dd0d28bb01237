"""Situations of a bounded view, one by one: what a fold keeps, and when it must ask the store."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from chartloom.chart import BOUNDS, Bound, fold, place, rebuild_part, view_key
from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.resource import ResourceState, Stamp


@pytest.fixture(autouse=True)
def _small() -> Any:
    small = {
        Section.RESULTS: Bound(series=2, points=2),
        Section.ENCOUNTERS: Bound(entries=2),
        Section.DEMOGRAPHICS: Bound(entries=2),
    }
    with patch.dict(BOUNDS, small):
        yield


def placed(kind: str, id: str, **resource: Any) -> PlacedState:
    content = {"resourceType": kind, "id": id, "meta": {"versionId": "1"}, **resource}
    return place(ResourceState(content, "p", {"status": Stamp(1, 5, 1)}))


def result(id: str, day: int, series: str = "g", name: str = "Glucose", **more: Any) -> PlacedState:
    """Series differ by unit, so that all of them share a part."""
    return placed(
        "Observation",
        id,
        status="final",
        code={"coding": [{"system": "http://loinc.org", "code": "2345-7"}], "text": name},
        effectiveDateTime=f"2024-01-{day:02}",
        valueQuantity={"value": Decimal("5.50"), "unit": series},
        **more,
    )


def stay(id: str, day: int, status: str = "finished") -> PlacedState:
    return placed("Encounter", id, status=status, period={"start": f"2024-01-{day:02}"})


def view_of(*states: PlacedState) -> SectionView:
    key = view_key(states[0])
    assert key is not None
    return rebuild_part(key, states)


def ids(view: SectionView) -> list[Any]:
    return [
        (e["unit"], [p["id"] for p in e["points"]], e["count"]) if "points" in e else e["id"]
        for e in view.entries
    ]


def change(
    view: SectionView, before: PlacedState | None, after: PlacedState | None
) -> tuple[SectionView, bool]:
    return fold(view.key, view, before, after)


def test_first_result_makes_a_series_with_exact_digits() -> None:
    new = result("o1", 1)
    key = view_key(new)
    assert key == ViewKey("p", Section.RESULTS, new.part)
    view, refill = fold(key, None, None, new)
    assert (view.total, refill) == (1, False)
    (series,) = view.entries
    assert series["text"] == "Glucose"
    assert series["code"] == "http://loinc.org|2345-7"
    assert series["points"][0]["value"] == "5.50"
    assert series["points"][0]["time"] == "2024-01-01"


def test_an_old_result_counts_but_is_not_shown() -> None:
    view, refill = change(view_of(result("o2", 2), result("o3", 3)), None, result("o1", 1))
    assert (ids(view), view.total, refill) == ([("g", ["o3", "o2"], 3)], 3, False)


def test_a_correction_in_place_needs_nothing_from_the_store() -> None:
    held = [result("o1", 1), result("o2", 2), result("o3", 3)]
    corrected = placed("Observation", "o3", **_content(held[2], status="corrected"))
    view, refill = change(view_of(*held), held[2], corrected)
    assert not refill
    assert view.entries[0]["points"][0]["corrected"] is True


def _content(state: PlacedState, **other: Any) -> dict[str, Any]:
    resource = {**state.state.resource, **other}
    return {k: v for k, v in resource.items() if k not in ("resourceType", "id", "meta")}


def test_withdrawing_a_shown_result_asks_for_the_one_that_moves_up() -> None:
    held = [result("o1", 1), result("o2", 2), result("o3", 3)]
    withdrawn = placed("Observation", "o2", **_content(held[1], status="entered-in-error"))
    view, refill = change(view_of(*held), held[1], withdrawn)
    assert (view.total, refill) == (2, True)


def test_withdrawing_a_result_that_is_not_shown_only_counts() -> None:
    held = [result("o1", 1), result("o2", 2), result("o3", 3)]
    withdrawn = placed("Observation", "o1", **_content(held[0], status="entered-in-error"))
    view, refill = change(view_of(*held), held[0], withdrawn)
    assert (ids(view), view.total, refill) == ([("g", ["o3", "o2"], 2)], 2, False)


def test_the_name_of_a_series_is_that_of_its_newest_result() -> None:
    held = [result("o1", 1, name="Sugar"), result("o2", 2)]
    view, refill = change(view_of(*held), held[1], None)
    assert refill, "the older result's own name is in the store only"
    assert rebuild_part(view.key, held[:1]).entries[0]["text"] == "Sugar"


def test_a_series_that_falls_behind_one_not_kept_asks_the_store() -> None:
    held = [result("a", 9, "a"), result("b", 8, "b"), result("c", 7, "c")]
    view, refill = change(view_of(*held), held[1], result("b", 1, "b"))
    assert refill
    view, refill = change(view_of(*held), held[0], result("a", 10, "a"))
    assert not refill
    assert [e["unit"] for e in view.entries] == ["a", "b"]


def test_an_unkept_series_is_fetched_only_if_it_would_be_kept_now() -> None:
    held = [result("a", 9, "a"), result("b", 8, "b"), result("c", 7, "c")]
    assert change(view_of(*held), None, result("c2", 6, "c"))[1] is False
    assert change(view_of(*held), None, result("c2", 10, "c"))[1] is True


def test_a_result_that_changes_its_unit_changes_its_series() -> None:
    held = [result("o1", 1, "g"), result("o2", 2, "g")]
    view, refill = change(view_of(*held), held[0], result("o1", 1, "mg"))
    assert (ids(view), refill) == ([("g", ["o2"], 1), ("mg", ["o1"], 1)], False)


def test_a_cancelled_stay_leaves_and_the_next_moves_up() -> None:
    held = [stay("e1", 1), stay("e2", 2), stay("e3", 3)]
    view, refill = change(view_of(*held), held[2], stay("e3", 3, "cancelled"))
    assert (view.total, refill) == (2, True)
    view, refill = change(view_of(*held[1:]), held[2], stay("e3", 3, "cancelled"))
    assert (ids(view), refill) == (["e2"], False)


def test_the_patient_stays_on_top_of_any_number_of_relatives() -> None:
    patient = placed("Patient", "p")
    relatives = [placed("RelatedPerson", f"r{i}", period={"start": "2024"}) for i in range(3)]
    view = view_of(*relatives)
    view, _ = change(view, None, patient)
    assert ids(view) == ["p", "r0"]


def test_what_stands_elsewhere_changes_nothing() -> None:
    view = view_of(stay("e1", 1))
    assert change(view, None, result("o1", 1)) == (view, False)
    assert change(view, None, stay("e2", 2, "entered-in-error")) == (view, False)
