"""Allergies by brand, ingredient or class, and medications that cross them."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.lists import NOW_US, RXNORM, allergy, chart, doses, line, misfits, order

from chartloom.chart.reconcile import (
    Line,
    ReconciledList,
    builtin_rules,
    cross,
    reconcile_allergies,
    reconcile_medications,
)
from chartloom.registry.formulary import builtin_formulary

RULES, FORMULARY = builtin_rules(), builtin_formulary()
_ON_LIST = {"on-list-despite-allergy"}


def both(*entries: dict[str, Any]) -> tuple[ReconciledList, ReconciledList]:
    """(medications, allergies) of a chart, with what crosses."""
    told = chart(*entries)
    drugs = reconcile_medications(told, FORMULARY, RULES, NOW_US)
    allergies = reconcile_allergies(told, RULES, NOW_US, formulary=FORMULARY)
    return cross(drugs, allergies, FORMULARY, RULES)


def only(made: ReconciledList) -> Line:
    (one,) = made.lines
    return one


@pytest.mark.parametrize("texts", [
    ("Omnicef", "Allergy to cefdinir", "CEFDINIR"),
    ("Lopressor", "metoprolol tartrate", "Metoprolol allergy"),
    ("Allergic to beta blockers", "Beta-blocker", "beta blockers"),
])  # fmt: skip
def test_brand_and_ingredient_and_spellings_of_a_class_are_one_line(texts: tuple[str, ...]) -> None:
    _, found = both(*(allergy(f"a{n}", t, owner=f"s{n}") for n, t in enumerate(texts)))
    assert len(only(found).facts) == len(texts)
    assert "substance-unresolved" not in only(found).because


def test_a_code_that_only_the_formulary_knows_joins_its_name() -> None:
    amlodipine = allergy("a", "", code=f"{RXNORM}|17767")
    _, found = both(amlodipine, allergy("b", "Norvasc", owner="clinic"))
    assert len(only(found).facts) == 2
    assert only(found).text == "Amlodipine"


def test_what_nobody_knows_stays_as_it_was_said() -> None:
    _, found = both(allergy("a", "Glarbenol"), allergy("b", "perfume"))
    assert {x.key for x in found.lines} == {"substance:text:glarbenol", "substance:text:perfume"}


@pytest.mark.parametrize(("stated", "drug", "code"), [
    ("Omnicef", "Cefdinir 300 mg capsule", "allergy-to-ingredient"),
    ("Penicillins", "Amoxicillin 500 mg capsule", "allergy-to-class"),
    ("penicillin", "Amoxicillin 500 mg capsule", "allergy-in-class"),
    ("Amoxicillin", "Augmentin 875-125 mg tab", "allergy-to-ingredient"),
    ("Augmentin", "Amoxicillin 500 mg capsule", "allergy-to-ingredient"),
    ("beta blockers", "Metoprolol 50 mg tablet", "allergy-to-class"),
    ("Sulfa", "Bactrim DS tablet", "allergy-to-class"),
    ("Aspirin", "Ibuprofen 400 mg tablet", "allergy-in-class"),
    ("Lisinopril", "Enalapril 5 mg tablet", "allergy-in-class"),
    ("Cephalexin", "Amoxicillin 500 mg capsule", ""),
    ("Metoprolol", "Atenolol 50 mg tablet", ""),  # no class across which the table warns
    ("Peanut", "Amoxicillin 500 mg capsule", ""),
    ("No known allergies", "Amoxicillin 500 mg capsule", ""),
])  # fmt: skip
def test_a_medication_that_crosses_an_allergy_is_named_on_both_lists(
    stated: str, drug: str, code: str
) -> None:
    drugs, allergies = both(allergy("a", stated), order("o", drug, "2026-05-30"))
    assert only(drugs).status == "active"
    found = misfits(only(drugs)) & {"allergy-to-ingredient", "allergy-to-class", "allergy-in-class"}
    assert found == ({code} if code else set())
    told = {"allergy-in-class": {"related-on-list"}, "": set()}.get(code, _ON_LIST)
    assert misfits(only(allergies)) == told
    for one in (*drugs.lines, *allergies.lines):
        for d in one.discrepancies:
            assert set(d.facts) == {"a", "o"}


@pytest.mark.parametrize("more", [{"verification": "refuted"}, {"status": "resolved"}])
def test_an_allergy_that_does_not_stand_crosses_nothing(more: dict[str, Any]) -> None:
    drugs, allergies = both(
        allergy("a", "Amoxicillin", **more), order("o", "Amoxil 500 mg cap", "2026-05-30")
    )
    assert not misfits(only(drugs))
    assert "on-list-despite-allergy" not in misfits(only(allergies))


def test_what_is_only_likely_taken_crosses_too_and_what_has_ended_does_not() -> None:
    old = order("o", "Amoxicillin 500 mg capsule", "2026-04-01")
    drugs, _ = both(allergy("a", "penicillins"), old)
    assert only(drugs).status == "unknown"
    assert "allergy-to-class" in misfits(only(drugs))
    drugs, _ = both(allergy("a", "penicillins"), old | {"status": "stopped"})
    assert only(drugs).status == "stopped"
    assert not misfits(only(drugs))


def test_a_brand_that_was_given_was_taken_despite_the_allergy() -> None:
    _, found = both(allergy("a", "Cefdinir"), doses("d", "Omnicef 300 mg capsule", "2026-02-01"))
    assert "taken-despite-allergy" in misfits(only(found))


def test_a_site_decides_what_is_named() -> None:
    table = RULES.medications
    quiet = replace(RULES, medications=replace(table, discrepancies=()))
    told = chart(allergy("a", "Amoxicillin"), order("o", "Amoxil 500 mg cap", "2026-05-30"))
    drugs = reconcile_medications(told, FORMULARY, quiet, NOW_US)
    allergies = reconcile_allergies(told, quiet, NOW_US, formulary=FORMULARY)
    drugs, allergies = cross(drugs, allergies, FORMULARY, quiet)
    assert not misfits(only(drugs))
    assert misfits(line(allergies, "Amoxicillin")) == _ON_LIST
