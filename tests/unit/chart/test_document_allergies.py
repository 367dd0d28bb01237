"""Allergies that a text names with what they did, or several on one line."""

from __future__ import annotations

import pytest
from tests.support.clinical_documents import document
from tests.support.medication_lists import NOW_US, chart_of

from chartloom.chart.reconcile import Line, builtin_rules, reconcile_allergies


def _lines(text: str) -> dict[str, Line]:
    chart = chart_of([document("d", text.encode(), 3, "text/plain")])
    made = reconcile_allergies(chart, builtin_rules(), NOW_US)
    return {x.key.removeprefix("substance:"): x for x in made.lines}


@pytest.mark.parametrize(
    "words",
    ["Penicillin (hives)", "Penicillin - hives", "Penicillin: hives", "Penicillin causes hives"],
)
def test_a_reaction_beside_an_allergy_does_not_hide_it(words: str) -> None:
    (line,) = _lines(f"Allergies:\n{words}\n").values()
    assert (line.key, line.reason) == ("substance:penicillin-g", "noted-only")
    assert line.detail["reactions"] == "hives"
    assert [f.text for f in line.facts] == [words]


def test_each_allergy_of_a_line_is_one() -> None:
    found = _lines("Allergies: Penicillin (hives, wheezing), latex and codeine - nausea\n")
    assert {k: x.detail.get("reactions", "") for k, x in found.items()} == {
        "penicillin-g": "hives, wheezing", "latex": "", "codeine": "nausea",
    }  # fmt: skip


def test_two_allergies_of_a_line_are_no_combination_of_drugs() -> None:
    assert set(_lines("Allergies: Aspirin, Codeine\n")) == {"aspirin", "codeine"}
    assert set(_lines("Allergies: Aspirin / codeine\n")) == {"drug:aspirin / codeine"}


@pytest.mark.parametrize("words", ["No known drug allergies", "Penicillin - tolerated", "NKDA"])
def test_what_denies_names_none(words: str) -> None:
    assert _lines(f"Allergies:\n{words}\n") == {}
