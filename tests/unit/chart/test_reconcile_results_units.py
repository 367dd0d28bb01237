"""Results of several laboratories: units that lead to each other, and what was not obtained."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from tests.support.lists import NOW_US, chart, misfits, results

from chartloom.chart.reconcile import ReconciledList, builtin_rules, reconcile_results
from chartloom.chart.reconcile.units import builtin_units, convert
from chartloom.serve.results import range_words


def _made(*entries: dict[str, Any]) -> ReconciledList:
    return reconcile_results(chart(*entries), builtin_rules(), NOW_US)


def test_a1c_of_both_systems_is_one_line() -> None:
    made = _made(
        results("a", "4548-4", "%", ("2026-05-01", "8.6")),
        results("b", "59261-8", "mmol/mol", ("2026-05-20", "64"), owner="lab"),
    )
    (line,) = made.lines
    assert (line.detail["value"], line.detail["unit"]) == ("8.0", "%")
    assert "units-converted" in line.because


@pytest.mark.parametrize(("ifcc", "ngsp"), [("31", "5.0"), ("48", "6.5"), ("86", "10.0")])
def test_the_master_equation_of_a1c(ifcc: str, ngsp: str) -> None:
    units = builtin_units()
    per_mille, percent = units.by_name["mmol/mol"], units.by_name["%"]
    there = convert(Decimal(ifcc), per_mille, percent, test="hba1c")
    assert there is not None
    assert f"{there:.1f}" == ngsp
    back = convert(there, percent, per_mille, test="hba1c")
    assert back is not None
    assert f"{back:.0f}" == ifcc
    assert convert(Decimal(ifcc), per_mille, percent) is None


@pytest.mark.parametrize(("sent", "shown"), [("91", "10.5"), ("87", "10.1"), ("48", "6.5")])
def test_a_converted_a1c_keeps_its_tenth(sent: str, shown: str) -> None:
    made = _made(
        results("a", "4548-4", "%", ("2026-05-01", "8.6")),
        results("b", "59261-8", "mmol/mol", ("2026-05-20", sent), owner="lab"),
    )
    assert made.lines[0].detail["value"] == shown


def test_a_fever_in_fahrenheit_keeps_its_tenth() -> None:
    made = _made(
        results("a", "8310-5", "Cel", ("2026-05-01", "36.6")),
        results("b", "8310-5", "[degF]", ("2026-05-20", "99"), owner="ward"),
    )
    assert made.lines[0].detail["value"] == "37.2"


@pytest.mark.parametrize("value", ["1e27", "9" * 29, "-1e29", "1e-29", "5." + "1" * 40])
@pytest.mark.parametrize(
    ("loinc", "shown", "sent"),
    [("2345-7", "mg/dL", "mmol/L"), ("4548-4", "%", "mmol/mol"), ("718-7", "g/dL", "g/L"),
     ("8310-5", "Cel", "[degF]")],
)  # fmt: skip
def test_a_value_that_nobody_has_does_not_take_the_list_away(
    loinc: str, shown: str, sent: str, value: str
) -> None:
    made = _made(
        results("a", loinc, shown, ("2026-05-01", "5")),
        results("b", loinc, sent, ("2026-05-20", value), owner="lab"),
    )
    assert {f.detail["value"] for f in made.lines[0].facts} == {"5", value}


def test_an_inr_with_and_without_its_unit_is_one_line() -> None:
    made = _made(
        results("a", "6301-6", "{INR}", ("2026-05-01", "1.6")),
        results("b", "34714-6", "", ("2026-05-20", "4.4"), owner="lab"),
    )
    (line,) = made.lines
    assert line.detail["value"] == "4.4"
    assert "units-converted" not in line.because
    assert line.detail.get("unit", "") in ("", "{INR}")


def test_a_test_with_units_is_not_compared_where_they_lack() -> None:
    made = _made(
        results("a", "2345-7", "mg/dL", ("2026-05-01", "101")),
        results("b", "2345-7", "", ("2026-05-20", "6.1"), owner="lab"),
    )
    assert len(made.lines) == 2


def test_what_was_not_obtained_is_no_word_beside_numbers() -> None:
    cancelled = results("c", "2823-3", "", ("2026-05-20", ""), kind="")
    for point in cancelled["points"]:
        point |= {"status": "cancelled", "absent": "not obtained"}
        del point["value"], point["kind"], point["unit"]
    made = _made(cancelled, results("a", "2823-3", "mmol/L", ("2026-05-01", "4.4"), owner="lab"))
    by_reason = {x.reason: misfits(x) for x in made.lines}
    assert by_reason == {"not-obtained": {"not-obtained"}, "one-series": set()}


def test_thyrotropin_by_detection_limit_is_thyrotropin() -> None:
    made = _made(
        results("a", "3016-3", "mIU/L", ("2026-05-01", "2.1")),
        results("b", "11579-0", "uIU/mL", ("2026-05-20", "6.8"), owner="lab"),
    )
    assert [x.detail["value"] for x in made.lines] == ["6.8"]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"high": "20", "text": "<20"}, "<20"),
        ({"low": "59", "text": ">59"}, ">59"),
        ({"low": "3.5", "high": "5.1", "text": "3.5-5.1"}, "3.5–5.1"),
        ({"high": "20"}, "≤ 20"),
        ({"text": "negative"}, "negative"),
    ],
)
def test_a_limit_is_shown_as_its_source_words_it(told: dict[str, str], words: str) -> None:
    assert range_words({"range": told}) == words
