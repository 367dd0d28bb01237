"""Names with hyphens: combinations are mostly written so, and none may lose an ingredient."""

from __future__ import annotations

import pytest

from chartloom.registry.formulary import Known, builtin_formulary


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [
        ("amoxicillin-pot clavulanate 875 mg-125 mg tablet", ("amoxicillin", "clavulanate")),
        ("Sulfamethoxazole-trimethoprim DS 800-160 mg tablet",
         ("sulfamethoxazole", "trimethoprim")),
        ("Hydrocodone-acetaminophen 5-325 mg", ("acetaminophen", "hydrocodone")),
        ("oxyCODONE-acetaminophen (PERCOCET) 5-325 MG per tablet", ("acetaminophen", "oxycodone")),
        ("Lisinopril-HCTZ 20-12.5 mg", ("hydrochlorothiazide", "lisinopril")),
        ("norethindrone-ethinyl estradiol 1-20 mg-mcg", ("ethinyl estradiol", "norethindrone")),
        ("ethinyl estradiol-norethindrone", ("ethinyl estradiol", "norethindrone")),
        ("TMP-SMX DS", ("sulfamethoxazole", "trimethoprim")),
        ("Tylenol-Codeine #3", ("acetaminophen", "codeine")),
    ],
)  # fmt: skip
def test_each_ingredient_of_a_combination_with_a_hyphen_is_found(
    text: str, ingredients: tuple[str, ...]
) -> None:
    drug = builtin_formulary().resolve((), text)
    assert drug.ingredients == ingredients
    assert drug.known is Known.NAME


def test_what_is_not_known_beside_a_hyphen_is_part_of_the_drug() -> None:
    drug = builtin_formulary().resolve((), "lisinopril-novelazide 10 mg")
    assert drug.ingredients == ("lisinopril", "novelazide")
    assert drug.known is Known.PART


@pytest.mark.parametrize("amount", [f"{'9' * 40} mg", f"{'9' * 30}-25 mg", f"1 g/0.{'0' * 40}1 ml",
                                    f"1{'0' * 30} units/ml"])  # fmt: skip
def test_a_number_that_no_drug_has_is_no_strength(amount: str) -> None:
    drug = builtin_formulary().resolve((), f"metoprolol {amount}")
    assert drug.ingredients == ("metoprolol",)
    assert "999" not in drug.strength


def test_strengths_of_a_combination_go_with_its_ingredients() -> None:
    drug = builtin_formulary().resolve((), "Hydrocodone-acetaminophen 5-325 mg tablet")
    assert {c.ingredient: c.strength for c in drug.components} == {
        "hydrocodone": "5 mg",
        "acetaminophen": "325 mg",
    }


@pytest.mark.parametrize(
    ("text", "ingredient"),
    [
        ("insulin glargine-yfgn 100 unit/mL", "insulin glargine"),
        ("5-fluorouracil cream", "fluorouracil"),
        ("L-levothyroxine", "levothyroxine"),
        ("beta-carotene", "beta-carotene"),
    ],
)
def test_a_hyphen_that_is_no_combination_makes_none(text: str, ingredient: str) -> None:
    assert builtin_formulary().resolve((), text).ingredients == (ingredient,)


def test_a_name_with_a_hyphen_that_is_known_stays_whole() -> None:
    drug = builtin_formulary().resolve((), "Co-trimoxazole 480 mg")
    assert drug.ingredients == ("sulfamethoxazole", "trimethoprim")


def test_a_ratio_is_no_ingredient() -> None:
    assert builtin_formulary().resolve((), "Insulin NPH-regular 70-30").ingredients == (
        "insulin human",
    )


def test_two_units_with_a_hyphen_belong_to_the_two_strengths() -> None:
    drug = builtin_formulary().resolve((), "norethindrone-ethinyl estradiol 1-20 mg-mcg tablet")
    assert {c.ingredient: c.strength for c in drug.components} == {
        "norethindrone": "1 mg",
        "ethinyl estradiol": "20 mcg",
    }
