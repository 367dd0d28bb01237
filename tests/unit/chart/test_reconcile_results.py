"""Results of several laboratories: one series where they can be compared, and why not where not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.support.lists import NOW_US, chart, line, misfits, results

from chartloom.chart.reconcile import ReconciledList, reconcile_results
from chartloom.chart.reconcile.comparable_tests import builtin_tests
from chartloom.chart.reconcile.rules import builtin_rules
from chartloom.chart.reconcile.units import builtin_units, convert, rounded

RULES, UNITS = builtin_rules(), builtin_units()


def made(*entries: dict[str, Any]) -> ReconciledList:
    return reconcile_results(chart(*entries), RULES, NOW_US)


@pytest.mark.parametrize(
    ("value", "unit", "to", "mass", "valence", "expected"),
    [
        ("90", "mg/dL", "mmol/L", "180.156", 0, "4.996"),
        ("5", "mmol/L", "mg/dL", "180.156", 0, "90.08"),
        ("1.0", "mg/dL", "umol/L", "113.12", 0, "88.40"),
        ("140", "meq/L", "mmol/L", "22.99", 1, "140"),
        ("4.6", "meq/L", "mg/dL", "40.078", 2, "9.218"),
        ("7.5", "K/uL", "10*9/L", None, 0, "7.5"),
        ("12", "g/dL", "g/L", None, 0, "120"),
        ("98.6", "degF", "Cel", None, 0, "37"),
        ("37", "C", "[degF]", None, 0, "98.6"),
        ("1", "ukat/L", "U/L", None, 0, "60"),
        ("150", "lb", "kg", None, 0, "68.04"),
        ("12", "kPa", "mmHg", None, 0, "90.01"),
    ],
)
def test_units(
    value: str, unit: str, to: str, mass: str | None, valence: int, expected: str
) -> None:
    one, other = UNITS.find(unit), UNITS.find(to)
    assert one is not None
    assert other is not None
    turned = convert(Decimal(value), one, other, Decimal(mass) if mass else None, valence)
    assert turned is not None
    assert rounded(turned, 4) == Decimal(expected)


def test_units_that_do_not_lead_to_each_other() -> None:
    def turned(unit: str, to: str) -> Decimal | None:
        one, other = UNITS.find(unit), UNITS.find(to)
        assert one is not None
        assert other is not None
        return convert(Decimal(1), one, other)

    assert turned("mg/dL", "mmol/L") is None, "without a molar mass"
    assert turned("%", "mmol/mol") is None
    assert turned("kg", "cm") is None
    assert UNITS.find("furlongs") is None


def test_letter_case_counts_where_it_must() -> None:
    assert UNITS.find("MMOL/L") == UNITS.find("mmol/L")
    milli, mega = UNITS.find("m"), UNITS.find("M/uL")
    assert milli != mega


def test_every_test_of_the_table_is_shown_in_a_known_unit() -> None:
    assert {
        t.unit for t in builtin_tests().by_loinc.values() if UNITS.find(t.unit) is None
    } == set()


def test_two_laboratories_in_two_units_are_one_line() -> None:
    ours = results("a", "2345-7", "mg/dL", ("2026-01-02T08:00:00Z", "99"))
    theirs = results("b", "14749-6", "mmol/L", ("2026-02-02T08:00:00Z", "5.00"), owner="lab2")
    one = line(made(ours, theirs), "Glucose")
    assert one.reason == "comparable"
    assert "units-converted" in one.because
    newest, older = one.facts
    told = [newest.detail[k] for k in ("value", "converted", "converted_unit")]
    assert told == ["5.00", "90.1", "mg/dL"]
    assert "converted" not in older.detail


def test_one_result_through_several_feeds_is_shown_once() -> None:
    ours = results("a", "2345-7", "mg/dL", ("2026-01-02T08:00:00Z", "90"))
    forwarded = results("b", "14749-6", "mmol/L", ("2026-01-02T08:00:41Z", "5.0"), owner="clinic")
    other = results("c", "2345-7", "mg/dL", ("2026-01-02T09:00:00Z", "90"), owner="third")
    one = line(made(ours, forwarded, other), "Glucose")
    assert one.detail["count"] == "2"
    assert "several-feeds" in one.because
    assert len(one.facts) == 3
    assert misfits(one) == set()


def test_two_results_of_one_source_are_two() -> None:
    twice = results(
        "a", "2345-7", "mg/dL", ("2026-01-02T08:00:30Z", "90"), ("2026-01-02T08:00:00Z", "90")
    )
    assert line(made(twice), "Glucose").detail["count"] == "2"


def test_different_values_of_one_moment_are_named() -> None:
    ours = results("a", "2345-7", "mg/dL", ("2026-01-02T08:00:00Z", "90"))
    theirs = results("b", "2345-7", "mg/dL", ("2026-01-02T08:00:00Z", "190"), owner="clinic")
    one = line(made(ours, theirs), "Glucose")
    assert (one.detail["count"], misfits(one)) == ("2", {"values-differ"})


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (results("b", "2350-7", "mg/dL", ("2026-01-02", "5")), "not-comparable-specimen"),
        (results("b", "41653-7", "mg/dL", ("2026-01-02", "5")), "not-comparable-specimen"),
        (results("b", "2345-7", "furlongs", ("2026-01-02", "5")), "not-comparable-unit"),
        (results("b", "2345-7", "", ("2026-01-02", "high"), kind="text"), "not-comparable-kind"),
        (results("b", "", "mg/dL", ("2026-01-02", "5"), text="2345-7"), "not-comparable-code"),
    ],
)
def test_what_cannot_be_compared_stands_apart_and_says_why(other: dict[str, Any], why: str) -> None:
    ours = results("a", "2345-7", "mg/dL", ("2026-01-02T08:00:00Z", "90"))
    told = made(ours, {**other, "owner": "lab2"})
    assert len(told.lines) == 2
    assert {code for x in told.lines for code in misfits(x)} == {why}


def test_methods_stand_apart() -> None:
    direct = results("a", "18262-6", "mg/dL", ("2026-01-02", "120"))
    calculated = results("b", "13457-7", "mg/dL", ("2026-01-02", "118"), owner="b")
    told = made(direct, calculated)
    assert [misfits(x) for x in told.lines] == [{"not-comparable-method"}] * 2


def test_a_local_code_with_a_loinc_beside_it_counts_as_that() -> None:
    ours = results("a", "6690-2", "K/uL", ("2026-01-02T08:00:00Z", "7.5"), local="WBC")
    theirs = results("b", "6690-2", "10*9/L", ("2026-03-02T08:00:00Z", "8.0"), owner="b")
    assert line(made(ours, theirs), "White blood cells").reason == "comparable"
