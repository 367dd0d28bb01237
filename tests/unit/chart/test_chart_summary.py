"""Putting the chart of a person together from the views of several source patients."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from chartloom.chart import place, rebuild_part, summary, view_key
from chartloom.chart.fold import BOUNDS
from chartloom.domain.chart import PlacedState, Section, SectionView
from chartloom.domain.resource import ResourceState, Stamp


def placed(owner: str, kind: str, id: str, said: int = 1, **resource: Any) -> PlacedState:
    content = {"resourceType": kind, "id": id, "meta": {"versionId": "1"}, **resource}
    return place(ResourceState(content, owner, {"status": Stamp(1, said, 1)}))


def views(*states: PlacedState) -> list[SectionView]:
    keys = dict.fromkeys(view_key(s) for s in states)
    return [rebuild_part(k, states) for k in keys if k is not None]


def potassium(owner: str, id: str, day: int, value: str) -> PlacedState:
    return placed(
        owner,
        "Observation",
        id,
        status="final",
        code={"text": "Potassium"},
        effectiveDateTime=f"2024-01-{day:02}",
        valueQuantity={"value": Decimal(value), "unit": "mmol/L"},
    )


def drug(owner: str, kind: str, id: str, **more: Any) -> PlacedState:
    return placed(owner, kind, id, medicationCodeableConcept={"text": "Aspirin"}, **more)


def test_the_newest_record_speaks_for_the_person() -> None:
    old = placed("a", "Patient", "a", 1, name=[{"family": "Old"}])
    new = placed("b", "Patient", "b", 2, name=[{"family": "New"}])
    chart = summary(views(old, new), 99)
    assert chart.patient is not None
    assert chart.patient["name"] == "New"
    assert [p["id"] for p in chart.patients] == ["b", "a"]
    assert (chart.source_patients, chart.made_at_us) == (("a", "b"), 99)
    assert chart.sections["demographics"].said_us == {"a": 1, "b": 2}


def test_series_of_two_sources_are_drawn_together() -> None:
    chart = summary(views(potassium("a", "o1", 1, "4.0"), potassium("b", "o2", 2, "4.10")), 0)
    (series,) = chart.sections["results"].entries
    assert [p["value"] for p in series["points"]] == ["4.10", "4.0"]
    assert (series["count"], chart.section(Section.RESULTS).total) == (2, 2)


def test_a_later_value_that_a_full_view_left_out_is_not_hidden_by_an_older_one() -> None:
    limit = BOUNDS[Section.RESULTS].series
    missed = potassium("a", "late", 4, "7.0")

    def others(day: int) -> list[PlacedState]:
        made = (
            msgspec.structs.replace(
                potassium("a", f"x{n}", day, "1"), series=f"other {n}", part=missed.part
            )
            for n in range(limit)
        )
        return list(made)

    older = [potassium("b", "old", 3, "4.0"), potassium("b", "older", 1, "4.1")]
    full = summary(views(missed, *others(5), *older), 0).section(Section.RESULTS)
    assert full.truncated
    assert not [e for e in full.entries if e["series"] == missed.series]
    # What is newer than all that a full view shows is the newest there is.
    newer = potassium("b", "new", 6, "4.2")
    known = summary(views(missed, *others(5), *older, newer), 0).section(Section.RESULTS)
    (series,) = [e for e in known.entries if e["series"] == missed.series]
    assert [p["id"] for p in series["points"]] == ["new"]
    # A view with room for it has nothing else of it.
    roomy = summary(views(missed, *others(5)[1:], *older), 0).section(Section.RESULTS)
    (series,) = [e for e in roomy.entries if e["series"] == missed.series]
    assert [p["id"] for p in series["points"]] == ["late", "old", "older"]


def test_copies_of_one_stay_are_shown_once() -> None:
    number = {"identifier": [{"system": "urn:visits", "value": "V1"}]}
    one = placed("a", "Encounter", "e1", 1, status="in-progress", **number)
    two = placed("b", "Encounter", "e2", 2, status="finished", **number)
    other = placed("b", "Encounter", "e3", 3, status="finished")
    stays = summary(views(one, two, other), 0).sections["encounters"].entries
    assert {(e["id"], *e.get("also", ())) for e in stays} == {("e2", "e1"), ("e3",)}


def test_orders_know_their_last_dose() -> None:
    order = drug("a", "MedicationRequest", "m", status="active")
    doses = [
        drug(
            "a",
            "MedicationAdministration",
            f"d{day}",
            status="completed",
            effectiveDateTime=f"2024-01-0{day}",
            dosage={"dose": {"value": 100, "unit": "mg"}},
        )
        for day in (1, 3, 2)
    ]
    entries = summary(views(order, *doses), 0).sections["medications"].entries
    (shown,) = [e for e in entries if e["id"] == "m"]
    assert shown["last_administration"]["time"] == "2024-01-03"
    assert shown["last_administration"]["dose"] == "100 mg"
    assert "last_dispense" not in shown


def test_a_section_says_when_it_does_not_show_everything() -> None:
    stays = [placed("a", "Encounter", f"e{i}", status="finished") for i in range(31)]
    section = summary(views(*stays), 0).sections["encounters"]
    assert (section.total, len(section.entries), section.truncated) == (31, 30, True)
    assert summary([], 0).sections["allergies"].entries == ()
