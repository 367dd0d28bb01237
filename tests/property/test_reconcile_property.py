"""Reconciled medications: whatever the chart holds, in whatever order and however often."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.medication_lists import (
    NOW_US,
    Told,
    chart_of,
    ended,
    fill,
    listed,
    order,
    reconciled,
)
from tests.support.medication_lists import (
    given as dose_given,
)

from chartloom.chart import ChartSection, ChartSummary, rebuild_part, summary
from chartloom.chart.reconcile import ReconciledList, builtin_rules, reconcile_medications
from chartloom.domain.chart import Section, SectionView, ViewKey
from chartloom.registry.formulary import builtin_formulary

_DRUGS = (
    "Metformin 500 mg ER tablet", "metformin", "Metformin 500 mg tablet", "Glucophage XR 500 mg",
    "Hyzaar 50-12.5 mg", "Losartan 50 mg tablet", "Frobnicol 7 mg", "", "insulin glargine pen",
)  # fmt: skip
_STATUSES = ("active", "stopped", "on-hold", "completed", "cancelled", "draft", "unknown")


@st.composite
def told(draw: st.DrawFn) -> list[Told]:
    """Orders, fills, doses and lists of some drugs, from several sources."""
    found: list[Told] = []
    for number in range(draw(st.integers(0, 14))):
        drug, ago = draw(st.sampled_from(_DRUGS)), draw(st.integers(-20, 700))
        who = draw(st.sampled_from(("house", "clinic", "retail")))
        id = f"r{number}"
        of = f"r{draw(st.integers(0, 14))}"
        match draw(st.integers(0, 4)):
            case 0:
                found.append(order(id, drug, ago, who=who))
            case 1:
                status = draw(st.sampled_from(_STATUSES))
                found.append(ended(order(id, drug, ago, who=who), status, ago / 2))
            case 2:
                days = draw(st.sampled_from((None, 1, 30, 90, 4000)))
                found.append(fill(id, drug, ago, days, who=who, of=of))
            case 3:
                found.append(dose_given(id, drug, ago, who=who, of=of))
            case _:
                status = draw(st.sampled_from(("active", "not-taken", "stopped", "unknown")))
                found.append(listed(id, drug, ago, who=who, status=status))
    return found


@settings(max_examples=25, deadline=None)
@given(told(), st.integers())
def test_the_order_of_sources_and_entries_does_not_matter(found: list[Told], seed: int) -> None:
    chart = chart_of(found)
    entries = list(chart.section(Section.MEDICATIONS).entries)
    random.Random(seed).shuffle(entries)
    shuffled = _with(chart, entries)
    assert _list(shuffled) == _list(chart)


@settings(max_examples=25, deadline=None)
@given(told())
def test_every_entry_stands_in_exactly_one_line(found: list[Told]) -> None:
    chart = chart_of(found)
    shown = [f.resource_id for line in _list(chart).lines for f in line.facts]
    held = [
        p["id"] for e in chart.section(Section.MEDICATIONS).entries for p in e.get("points", (e,))
    ]
    assert sorted(shown) == sorted(held)
    keys = [line.key for line in _list(chart).lines]
    assert len(set(keys)) == len(keys)


@settings(max_examples=20, deadline=None)
@given(told())
def test_a_feed_that_says_everything_twice_changes_no_status(found: list[Told]) -> None:
    """The same resources again, in a second record: the same identifiers, as copies."""
    named = [(who, r | {"identifier": [{"system": "urn:n", "value": r["id"]}]}) for who, r in found]
    again = [("again", r | {"id": f"{r['id']}-again"}) for _, r in named]
    once, twice = reconciled(*named), reconciled(*named, *again)
    assert {(x.key, x.status) for x in once.lines if x.status == "active"} == {
        (x.key, x.status) for x in twice.lines if x.status == "active"
    }
    assert {x.key for x in once.lines} == {x.key for x in twice.lines}


@settings(max_examples=25, deadline=None)
@given(told())
def test_nothing_is_active_from_fills_alone(found: list[Told]) -> None:
    said = ("order-active", "order-unknown", "listed", "given")
    for line in reconciled(*found).lines:
        if line.status == "active":
            assert any(f.says in said for f in line.facts)


_TEXT = st.text(max_size=30) | st.sampled_from(("5 mg", "1e999 mg", "0.9 %", "2026-13-45", "-"))
_WORDS = ("status", "text", "time", "start", "end", "dose", "form", "quantity", "supply_days",
          "course_days", "status_changed", "intent", "status_reason", "encounter")  # fmt: skip


@st.composite
def hostile(draw: st.DrawFn) -> dict[str, Any]:
    """An entry with texts that mean nothing where an entry has texts."""
    kind = draw(st.sampled_from(("MedicationRequest", "MedicationStatement", "MedicationDispense")))
    at_us = draw(st.integers(-(10**18), 10**18))
    entry: dict[str, Any] = {
        "id": draw(st.text(min_size=1, max_size=8)),
        "type": kind,
        "sort_us": at_us,
        "said_us": draw(st.integers(0, 10**18)),
        **{word: draw(_TEXT) for word in draw(st.sets(st.sampled_from(_WORDS), max_size=8))},
        "codes": draw(st.lists(_TEXT, max_size=3)),
    }
    dosage: Mapping[str, str] = {
        word: draw(_TEXT) for word in ("text", "dose", "route", "per_day", "timing")
    }
    if kind == "MedicationDispense":
        point = {k: entry[k] for k in ("id", "sort_us", "said_us")}
        point |= {"dose": draw(_TEXT), "supply_days": draw(_TEXT), "request": draw(_TEXT)}
        return entry | {"series": entry["id"], "count": draw(st.integers(0, 9)), "points": [point]}
    return entry | {"dosages": [dosage], "refills": draw(st.integers(0, 10**6))}


@settings(max_examples=60, deadline=None)
@given(st.lists(hostile(), max_size=6, unique_by=lambda e: e["id"]), st.integers(0, 4 * 10**15))
def test_hostile_entries_are_listed_and_never_raise(
    entries: list[dict[str, Any]], now_us: int
) -> None:
    key = ViewKey("p", Section.MEDICATIONS)
    view = SectionView(key, len(entries), tuple(entries))
    chart = summary([view], now_us)
    found = _list(chart, now_us)
    assert sum(len(line.facts) for line in found.lines) == len(entries)
    msgspec.json.encode(found)


def _with(chart: ChartSummary, entries: list[dict[str, Any]]) -> ChartSummary:
    section = chart.section(Section.MEDICATIONS)
    changed: ChartSection = msgspec.structs.replace(section, entries=tuple(entries))
    return msgspec.structs.replace(chart, sections={**chart.sections, section.name: changed})


def _list(chart: ChartSummary, now_us: int = NOW_US) -> ReconciledList:
    return reconcile_medications(chart, builtin_formulary(), builtin_rules(), now_us)


def test_an_empty_chart_has_an_empty_list() -> None:
    assert _list(summary([], NOW_US)).lines == ()
    assert rebuild_part(ViewKey("p", Section.MEDICATIONS), []).entries == ()


def test_a_fill_that_two_feeds_tell_of_lasts_once() -> None:
    drug = {"medicationCodeableConcept": {"text": "Metformin 500 mg ER tablet"}}
    order: dict[str, Any] = {
        "resourceType": "MedicationRequest", "id": "o", **drug, "status": "active",
        "intent": "order", "authoredOn": "2026-03-03T00:00:00+00:00",
    }  # fmt: skip
    fill: dict[str, Any] = {
        "resourceType": "MedicationDispense", "id": "f", **drug, "status": "completed",
        "whenHandedOver": "2025-11-16T00:00:00+00:00", "daysSupply": {"value": 90, "unit": "d"},
    }  # fmt: skip
    once = reconciled(("house", order), ("house", fill))
    twice = reconciled(("house", order), ("house", fill), ("again", fill | {"id": "f2"}))
    assert [x.status for x in once.lines] == [x.status for x in twice.lines] == ["unknown"]
