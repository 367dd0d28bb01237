"""What does not fit is said once, of the line that it is about, and of nobody who has died."""

from __future__ import annotations

from tests.support.lists import NOW_US, allergy, chart, line, misfits
from tests.support.medication_lists import NOW_US as THEN_US
from tests.support.medication_lists import chart_of, day, fill, order

from chartloom.chart.reconcile import (
    builtin_rules,
    reconcile_allergies,
    reconcile_medications,
)
from chartloom.registry.formulary import builtin_formulary


def test_a_denial_beside_several_allergies_says_so_once_and_in_words_of_its_own() -> None:
    made = reconcile_allergies(
        chart(
            allergy("a", "Ceftriaxone"), allergy("b", "Codeine"),
            allergy("c", "NKDA", "2026-05-20", owner="ed"),
            allergy("d", "NKA", "2026-05-25", owner="ed"),
        ),
        builtin_rules(), NOW_US,
    )  # fmt: skip
    for denial in ("No known drug allergies", "No known allergies"):
        found = line(made, denial)
        assert [d.code for d in found.discrepancies] == ["denied-though-listed"]
        assert set(found.discrepancies[0].facts) == {"a", "b"}
    for name in ("Ceftriaxone", "Codeine"):
        (found,) = line(made, name).discrepancies
        assert (found.code, set(found.facts)) == ("listed-and-denied", {"c", "d"})


def test_who_died_takes_nothing_twice() -> None:
    told = [
        order("a", "Amlodipine 5 mg tablet", 50), fill("fa", "Amlodipine 5 mg tablet", 20, of="a"),
        order("b", "Amlodipine 5 mg tablet", 30, who="mail"),
        fill("fb", "Amlodipine 5 mg tablet", 15, of="b"),
    ]  # fmt: skip
    patient = {"resourceType": "Patient", "id": "p", "deceasedDateTime": day(3)}
    for people, expected in (([], {"duplicate-therapy"}), ([("house", patient)], set())):
        made = reconcile_medications(
            chart_of([*told, *people]), builtin_formulary(), builtin_rules(), THEN_US
        )
        assert misfits(made.lines[0]) == expected
