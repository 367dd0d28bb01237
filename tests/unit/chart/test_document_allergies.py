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


@pytest.mark.parametrize("later", [
    "Plan: start amoxicillin, azithromycin", "Assessment: pneumonia", "Skin: rash on both arms",
    "Antibiotics given: ceftriaxone",
])  # fmt: skip
def test_what_comes_after_the_allergies_of_a_note_is_none(later: str) -> None:
    note = f"Allergies: Penicillin (hives)\n{later}\nGiven today: codeine, ibuprofen\nLatex\n"
    assert set(_lines(note)) == {"penicillin-g"}


def test_reactions_told_like_headings_do_not_end_the_list() -> None:
    found = _lines("Allergies:\nPenicillin: hives\nSulfa: severe rash\nLatex\nPlan: codeine\n")
    assert set(found) == {"penicillin-g", "sulfonamide-antibiotics", "latex"}


def test_of_a_long_line_no_allergy_is_cut_off() -> None:
    said = "Penicillin (hives and swelling of the lips), " + "feathers of geese, " * 30
    assert set(_lines(f"Allergies: {said}latex (contact dermatitis)\n")) == {
        "penicillin-g", "latex",
    }  # fmt: skip


def test_one_that_is_not_sure_hides_no_other_allergy() -> None:
    said = "Penicillin (hives), latex (unknown reaction), codeine?, sulfa (rash)"
    assert set(_lines(f"Allergies: {said}\n")) == {
        "penicillin-g", "latex", "sulfonamide-antibiotics",
    }  # fmt: skip
    assert set(_lines("Allergies:\nPenicillin - unknown\n")) == {"penicillin-g"}
    assert set(_lines("Allergies: penicillin, possible latex\n")) == {"penicillin-g"}


@pytest.mark.parametrize(
    "words",
    [
        "No allergy to penicillin, latex",
        "Mother: penicillin, latex",
        "Unknown",
        "Not allergic to penicillin (hives as a child was viral), codeine",
    ],
)
def test_what_is_denied_is_so_for_all_that_come_after(words: str) -> None:
    assert _lines(f"Allergies: {words}\n") == {}
    assert set(_lines(f"Allergies: sulfa (rash), {words}\n")) == {"sulfonamide-antibiotics"}


def test_a_sentence_about_what_somebody_took_is_no_allergy() -> None:
    note = "Allergies:\nPenicillin (hives)\nHe took ibuprofen, aspirin.\nThe patient had codeine.\n"
    assert set(_lines(note)) == {"penicillin-g"}
    assert set(_lines("Allergies:\nShe is allergic to latex.\n")) == {"latex"}
