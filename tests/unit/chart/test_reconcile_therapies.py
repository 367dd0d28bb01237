"""What is one therapy, what is another, and what does not fit between them."""

from __future__ import annotations

from tests.support.medication_lists import (
    NOW_US,
    ended,
    fill,
    listed,
    misfits,
    only,
    order,
    reconciled,
)

from chartloom.chart.reconcile import Confidence, Decision, ListKind
from chartloom.registry.formulary import load_formulary

_DAY_US = 86_400_000_000


def test_salts_brands_and_words_are_one_therapy() -> None:
    found = reconciled(
        order("o", "Metoprolol succinate 100 mg ER tablet", 100, who="house"),
        order("p", "TOPROL-XL 100 MG", 90, who="clinic"),
        fill("f", "METOPROLOL SUCC ER TAB 100MG", 20),
        listed("l", "metoprolol extended release tablet", 10),
    )
    line = only(found)
    assert line.key == "metoprolol|oral-er"
    assert line.sources == {
        "clinic": "order-active",
        "house": "order-active",
        "portal": "listed",
        "retail": "filled",
    }
    assert "several-sources-agree" in line.because


def test_a_combination_is_not_its_component_and_both_are_too_much() -> None:
    found = reconciled(
        order("o", "Losartan 50 mg tablet", 100), fill("f", "Losartan 50 mg tablet", 5),
        order("p", "Hyzaar 50-12.5 mg", 90), fill("g", "Hyzaar 50-12.5 mg", 5),
    )  # fmt: skip
    assert {x.key for x in found.lines} == {"losartan|oral", "hydrochlorothiazide+losartan|oral"}
    assert all(misfits(x) == {"duplicate-therapy"} for x in found.lines)
    assert all(set(x.discrepancies[0].facts) == {"o", "p"} for x in found.lines)


def test_two_of_a_class_that_people_take_one_of() -> None:
    found = reconciled(
        order("o", "Atorvastatin 20 mg tablet", 100), order("p", "Simvastatin 20 mg tablet", 90)
    )
    assert [misfits(x) for x in found.lines] == [{"duplicate-therapy"}] * 2


def test_immediate_and_extended_release_are_two_lines_that_do_not_fit() -> None:
    found = reconciled(
        order("o", "Metformin 500 mg ER tablet", 100), order("p", "Metformin 500 mg tablet", 90)
    )
    assert {x.key for x in found.lines} == {"metformin|oral", "metformin|oral-er"}
    assert all(misfits(x) == {"route-or-form-conflict"} for x in found.lines)


def test_two_forms_are_usual_for_some() -> None:
    found = reconciled(
        order("o", "Albuterol 90 mcg/actuation inhaler", 100),
        order("p", "Albuterol nebulizer solution 2.5 mg/3 mL", 90),
    )
    assert len(found.lines) == 2
    assert not any(map(misfits, found.lines))


def test_what_does_not_say_its_form_joins_the_only_therapy_of_its_ingredient() -> None:
    vague = listed("l", "metformin", 10)
    one = reconciled(order("o", "Metformin 500 mg ER tablet", 100), vague)
    assert only(one).key == "metformin|oral-er"
    two = reconciled(
        order("o", "Metformin 500 mg ER tablet", 100), order("p", "Metformin 500 mg tablet", 90),
        vague,
    )  # fmt: skip
    assert {x.key for x in two.lines} == {
        "metformin|oral", "metformin|oral-er", "metformin|unspecified",
    }  # fmt: skip


def test_doses_that_differ_between_sources() -> None:
    ours = order("o", "Lisinopril 10 mg tablet", 100, who="house", dose=(10, "mg", 1))
    same = order("p", "Lisinopril 5 mg tablet", 90, who="clinic", dose=(2, "tablet", 1))
    other = order("p", "Lisinopril 20 mg tablet", 90, who="clinic", dose=(20, "mg", 1))
    assert misfits(only(reconciled(ours, same))) == set()
    assert misfits(only(reconciled(ours, other))) == {"dose-conflict"}


def test_two_orders_that_are_both_filled_now() -> None:
    found = reconciled(
        order("o", "Lisinopril 10 mg tablet", 100, who="house"),
        order("p", "Zestril 10 mg tablet", 90, who="clinic"),
        fill("f", "Lisinopril 10 mg tablet", 20, of="o"),
        fill("g", "Zestril 10 mg tablet", 10, of="p"),
    )
    assert misfits(only(found)) == {"duplicate-therapy"}


def test_a_fill_of_an_unknown_name_belongs_to_its_order() -> None:
    line = only(
        reconciled(order("o", "Lisinopril 10 mg tablet", 100), fill("f", "LSP-10 xq", 5, of="o"))
    )
    assert line.key == "lisinopril|oral"
    assert "drug-unresolved" in line.because
    assert line.confidence is not Confidence.HIGH


def test_drugs_without_a_name_stay_apart() -> None:
    found = reconciled(order("o", "", 10), order("p", "", 10), listed("l", "Frobnicol", 10))
    assert len(found.lines) == 3


def test_a_code_of_the_site_wins_and_contradictions_are_named() -> None:
    table = b"system,code,name,ingredients,form\nSGH,D1,House pill,lisinopril,tablet\n"
    formulary, issues = load_formulary({"products-house.csv": table})
    assert not issues
    codes = [("urn:id:SGH", "D1")]
    line = only(reconciled(order("o", "House pill", 10, codes=codes), formulary=formulary))
    assert line.key == "lisinopril|oral"
    assert "drug-by-name" not in line.because
    line = only(reconciled(order("o", "Warfarin 5 mg", 10, codes=codes), formulary=formulary))
    assert "codes-disagree" in line.because
    found = reconciled(order("o", "X", 1, codes=[("urn:id:SGH", "D9")]), formulary=formulary)
    assert [(i.code, i.detail) for i in found.issues] == [("drug-code-unresolved", "urn:id:SGH|D9")]


def _said(what: str, ago: int, key: str = "lisinopril|oral") -> Decision:
    at_us = NOW_US - ago * _DAY_US
    return Decision("d", ListKind.MEDICATIONS, key, what, "user:ada", at_us, "house", ("o",), "")


def test_a_clinician_overrides_until_something_newer_contradicts() -> None:
    told = [order("o", "Lisinopril 10 mg tablet", 100), fill("f", "Lisinopril 10 mg tablet", 40)]
    line = only(reconciled(*told, decisions=[_said("stopped", 20)]))
    assert (line.status, line.reason) == ("stopped", "clinician-decided")
    assert line.decided is not None
    assert not line.decided.stale
    later = fill("g", "Lisinopril 10 mg tablet", 5)
    line = only(reconciled(*told, later, decisions=[_said("stopped", 20)]))
    assert line.reason == "order-active-and-filled"
    assert "changed-since-reconciled" in misfits(line)
    assert line.decided is not None
    assert line.decided.stale


def test_a_later_stop_contradicts_a_clinician_who_said_it_is_taken() -> None:
    stopped = ended(order("o", "Lisinopril 10 mg tablet", 100), "stopped", 5)
    assert only(reconciled(stopped, decisions=[_said("taking", 2)])).status == "active"
    line = only(reconciled(stopped, decisions=[_said("taking", 20)]))
    assert (line.status, misfits(line)) == ("stopped", {"changed-since-reconciled"})


def test_nobody_s_word_that_it_is_taken_holds_for_ever() -> None:
    line = only(
        reconciled(listed("l", "Lisinopril 10 mg tablet", 900), decisions=[_said("taking", 800)])
    )
    assert line.status == "unknown"
    assert "decided-long-ago" in line.because
