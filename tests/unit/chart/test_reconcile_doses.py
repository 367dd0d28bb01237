"""Which dose a line names, and that no reader sees only one of two."""

from __future__ import annotations

import time

import pytest
from tests.support.medication_lists import (
    NOW_US,
    Told,
    day,
    fill,
    listed,
    misfits,
    only,
    order,
    reconciled,
)

from chartloom.chart import merge, place, rebuild_part, summary, view_key
from chartloom.chart.reconcile import builtin_rules, reconcile_medications
from chartloom.chart.reconcile.directions import amount_said, times_a_day
from chartloom.chart.times import to_us
from chartloom.domain.resource import Contribution, Stamp
from chartloom.registry.formulary import builtin_formulary
from chartloom.serve.lists.line_words import fact_words


def _sig(told: Told, text: str) -> Told:
    dosage = dict((told[1].get("dosageInstruction") or [{}])[0]) | {"text": text}
    return told[0], told[1] | {"dosageInstruction": [dosage]}


def _heard(*told: tuple[float, Told]):
    """The list after statements that were made so many days ago, in this order."""
    states = {}
    for position, (ago, (who, resource)) in enumerate(told, start=1):
        stamp = Stamp(1, to_us(day(ago)), position)
        known = states.get(resource["id"])
        states[resource["id"]] = merge(known, Contribution(resource, who), stamp)
    placed = [place(s) for s in states.values()]
    keys = {view_key(p) for p in placed}
    views = [rebuild_part(k, [p for p in placed if view_key(p) == k]) for k in keys if k]
    chart = summary(views, NOW_US)
    return reconcile_medications(chart, builtin_formulary(), builtin_rules(), NOW_US)


def _warfarin(mg: float) -> Told:
    told = order("w", "Warfarin 5 mg tablet", 33, dose=(mg, "mg", 1))
    return _sig(told, f"{mg:g} mg daily")


def _elsewhere() -> Told:
    told = order("e", "Warfarin 5 mg tablet", 6, dose=(7.5, "mg", 1), who="clinic")
    return _sig(told, "7.5 mg once daily")


def test_a_dose_that_was_changed_last_names_the_line_however_old_the_order_is() -> None:
    line = only(_heard((33, _warfarin(5)), (6, _elsewhere()), (2, _warfarin(4))))
    assert line.detail["dose"] == "4 mg daily"
    assert line.detail["other_doses"] == "7.5 mg once daily"
    assert "dose-conflict" in misfits(line)
    (mine,) = [f for f in line.facts if f.resource_id == "w"]
    assert "dose since " + day(2)[:10] in fact_words(mine)


def test_an_order_that_is_only_repeated_has_no_newer_dose() -> None:
    line = only(_heard((33, _warfarin(5)), (6, _elsewhere()), (2, _warfarin(5))))
    assert line.detail["dose"] == "7.5 mg once daily"
    assert line.detail["other_doses"] == "5 mg daily"


def test_the_order_in_which_doses_are_heard_does_not_matter() -> None:
    late = only(_heard((2, _warfarin(4)), (33, _warfarin(5)), (6, _elsewhere())))
    assert late.detail["dose"] == "4 mg daily"


def test_directions_in_plain_words_are_compared() -> None:
    glargine = order("o", "Insulin glargine 100 unit/mL injection", 40, dose=(10, "units", 1))
    says = {"dosage": [{"text": "14 units at bedtime"}]}
    line = only(reconciled(glargine, listed("l", "Lantus SoloStar", 10, **says)))
    assert "dose-conflict" in misfits(line)
    assert "14 units at bedtime" in line.detail["other_doses"]


def test_weekly_and_daily_are_told_apart() -> None:
    weekly = _sig(order("a", "Methotrexate 2.5 mg tablet", 60, who="house"), "15 mg once a week")
    daily = _sig(order("b", "Methotrexate 2.5 mg tablet", 11, who="clinic"), "15 mg daily")
    line = only(reconciled(weekly, daily))
    assert "dose-conflict" in misfits(line)
    assert (line.detail["dose"], line.detail["other_doses"]) == ("15 mg daily", "15 mg once a week")
    assert {fact_words(f)[0] for f in line.facts} == {"15 mg daily", "15 mg once a week"}


@pytest.mark.parametrize(
    ("text", "amount", "often"),
    [
        ("14 units at bedtime", "14 units", 1),
        ("15 mg (6 tablets) ONCE A WEEK on Monday", "15 mg", 1 / 7),
        ("7.5 mg (one and a half tablets) once daily", "7.5 mg", 1),
        ("2 tablets twice a day", "2 tablets", 2),
        ("1 patch every 72 hours", "", 1 / 3),
        ("0.125 mg every other day", "0.125 mg", 0.5),
        ("10 mg in the morning, 5 mg in the evening", "", 2),
        ("2 tablets (500 mg each) twice daily", "1000 mg", 2),
        ("2 tablets (500 mg) daily", "", 1),
        ("1 tablet (25 mg) every morning and 2 tablets at bedtime", "", 2),
        ("1 tablet in the morning and 1 tablet at bedtime", "1 tablet", 2),
        ("10 mg nightly at bedtime", "10 mg", 1),
        ("5 mg twice daily, in the morning and at bedtime", "5 mg", 2),
        ("2 x 500 mg three times a day", "", 3),
        ("1-2 tablets daily", "", 0),
        ("5 mg daily as needed", "", 0),
        ("40 mg daily x3 days, then 20 mg", "", 0),
        ("sliding scale before meals", "", 0),
        ("5 mg daily, 10 mg twice a day", "", 0),
        ("100 mg/5 mL daily", "", 1),
    ],
)
def test_what_plain_directions_say(text: str, amount: str, often: float) -> None:
    assert (amount_said(text), times_a_day(text)) == (amount, often)


def test_a_fill_has_a_quantity_and_no_dose() -> None:
    quantity = {"quantity": {"value": 30, "unit": "TAB"}}
    line = only(reconciled(fill("f", "Warfarin 5 mg tablet", 3, **quantity)))
    assert fact_words(line.facts[0]) == ("quantity 30 TAB", "for 30 days")


def test_evidence_stands_newest_first_by_when_it_was_said() -> None:
    held = order("o", "Lisinopril 20 mg tablet", 120, status="on-hold")
    line = only(_heard((120, order("o", "Lisinopril 20 mg tablet", 120)), (12, held),
                       (29, fill("f", "Lisinopril 20 mg tablet", 29, of="o"))))  # fmt: skip
    assert [f.says for f in line.facts] == ["order-on-hold", "filled"]


def test_a_line_is_not_without_its_dose_because_a_document_names_it_last() -> None:
    told = _sig(order("o", "Lisinopril 20 mg tablet", 20, status="stopped"), "20 mg daily")
    line = only(reconciled(told, listed("l", "Lisinopril 20 mg tablet", 5, status="stopped")))
    assert line.detail["dose"] == "20 mg daily"


def test_directions_of_any_length_are_read_in_no_time() -> None:
    """Digits without end took half a minute."""
    began = time.process_time()
    assert amount_said("1" * 100_000) == ""
    assert times_a_day("1.1" * 30_000) == 0
    assert time.process_time() - began < 5
