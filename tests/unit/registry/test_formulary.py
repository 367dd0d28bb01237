"""Drugs by code and by name; tables of a site; NDC; RxNorm's files."""

from __future__ import annotations

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.registry.formulary import (
    NDC,
    RXNORM,
    Known,
    builtin_formulary,
    load_formulary,
    ndc_candidates,
)
from chartloom.registry.formulary.rxnorm import as_tables, read_rxnorm

_F = builtin_formulary()


@pytest.mark.parametrize(
    ("text", "parts", "form", "route", "release"),
    [
        ("Metformin 500 mg ER tablet", [("metformin", "", "500 mg")], "tablet", "oral", "er"),
        ("24 HR Metformin hydrochloride 500 MG Extended Release Oral Tablet",
         [("metformin", "hydrochloride", "500 mg")], "tablet", "oral", "er"),
        ("albuterol HFA 90 mcg/actuation inhaler", [("albuterol", "", "90 mcg/actuation")],
         "inhaler", "inhaled", ""),
        ("albuterol 0.09 MG/ACTUAT metered dose inhaler [Proventil]",
         [("albuterol", "", "90 mcg/actuation")], "inhaler", "inhaled", ""),
        ("Toprol-XL 100 mg", [("metoprolol", "", "100 mg")], "tablet", "oral", "er"),
        ("Augmentin 875-125 mg tab", [("amoxicillin", "", "875 mg"), ("clavulanate", "", "125 mg")],
         "tablet", "oral", ""),
        ("Lisinopril/HCTZ 20-12.5 mg",
         [("hydrochlorothiazide", "", "12.5 mg"), ("lisinopril", "", "20 mg")], "", "", ""),
        ("Buprenorphine 8 mg / naloxone 2 mg sublingual tablet",
         [("buprenorphine", "", "8 mg"), ("naloxone", "", "2 mg")],
         "sublingual", "sublingual", ""),
        ("nitroglycerin 0.4 mg SL tab prn", [("nitroglycerin", "", "400 mcg")], "tablet",
         "sublingual", ""),
        ("Amoxicillin 250 mg/5 mL suspension", [("amoxicillin", "", "50 mg/mL")], "solution",
         "", ""),
        ("Metformin 1,000 mg", [("metformin", "", "1000 mg")], "", "", ""),
        ("Aspirin EC 81mg", [("aspirin", "", "81 mg")], "", "", "dr"),
        ("Insulin glargine 100 unit/mL pen", [("insulin glargine", "", "100 unit/mL")],
         "injection", "injected", ""),
    ],
)  # fmt: skip
def test_names_are_read(
    text: str, parts: list[tuple[str, str, str]], form: str, route: str, release: str
) -> None:
    drug = _F.resolve(text=text)
    assert [(c.ingredient, c.salt, c.strength) for c in drug.components] == parts
    assert (drug.form, drug.route, drug.release) == (form, route, release)
    assert drug.known is Known.NAME


def test_unknown_words_stand_for_themselves() -> None:
    one, other = _F.resolve(text="Frobnicol 20 mg tab"), _F.resolve(text="FROBNICOL 40 mg tablet")
    assert one.known is Known.WORDS
    assert one.ingredients == other.ingredients == ("frobnicol",)
    combined = _F.resolve(text="Xyzin 5 mg / metformin 500 mg / qu zorb 1 mg")
    assert combined.known is Known.PART
    assert combined.ingredients == ("metformin", "qu zorb", "xyzin")
    assert _F.resolve(text="Acme metformin 500 mg").ingredients == ("metformin",)
    assert _F.resolve(text="5 mg").known is Known.NOTHING


def test_form_and_route_given_apart_fill_what_the_name_leaves_open() -> None:
    drug = _F.resolve(text="Ceftriaxone 1 g", form="Vial", route="IV")
    assert (drug.form, drug.route) == ("injection", "intravenous")
    swallowed = _F.resolve(text="Buprenorphine 8 mg sublingual tablet", route="Oral")
    assert swallowed.route == "sublingual"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("0002-8215-01", ("00002821501",)),
        ("50580-449-05", ("50580044905",)),
        ("12345-6789-1", ("12345678901",)),
        ("50580044905", ("50580044905",)),
        ("050580044905", ("50580044905",)),
        ("0002821501", ("00002821501", "00028021501", "00028215001")),
        ("5058-04490-5", ()),
        ("12345", ()),
        ("١٢٣٤٥٦٧٨٩٠١", ()),
        ("ABCDEFGHIJK", ()),
    ],
)
def test_ndc(code: str, found: tuple[str, ...]) -> None:
    assert set(ndc_candidates(code)) == set(found)


_SITE = {
    "products-house.csv": b"system,code,name,ingredients,strengths,form\n"
    b"SGH,D1,House metformin,metformin,500 mg,tablet ER\n"
    b"SGH,D2,Lisinopril 10 mg tablet,,,\n"
    b"RXNORM,77,Zorblax 5 mg tablet,zorblax,5 mg,tablet\n",
    "ndc-house.csv": b"ndc,code,name\n50580-449-05,77,\n0002-8215-01,88,Warfarin 5 mg tablet\n",
}


def test_a_site_names_its_own_drugs() -> None:
    formulary, issues = load_formulary(_SITE)
    assert not issues
    drug = formulary.resolve(["urn:id:SGH|D1"], "Tablet of ours")
    assert (drug.known, drug.ingredients, drug.release) == (Known.CODE, ("metformin",), "er")
    assert drug.strength == "500 mg"
    assert formulary.resolve(["urn:id:SGH|D2"]).ingredients == ("lisinopril",)
    assert formulary.resolve([f"{NDC}|50580044905"]).ingredients == ("zorblax",)
    assert formulary.resolve([f"{NDC}|0002821501"]).ingredients == ("warfarin",)
    assert formulary.resolve(text="zorblax tabs").known is Known.NAME
    assert formulary.fingerprint != _F.fingerprint


def test_codes_that_should_be_known() -> None:
    formulary, _ = load_formulary(_SITE)
    asked = ["urn:id:SGH|D1", "urn:id:SGH|D9", "urn:other|1", f"{RXNORM}|99", f"{NDC}|11111111111"]
    assert formulary.unresolved(asked) == ["urn:id:SGH|D9", f"{RXNORM}|99", f"{NDC}|11111111111"]
    assert _F.unresolved(asked) == []


def test_codes_and_names_that_disagree() -> None:
    formulary, _ = load_formulary(_SITE)
    drug = formulary.resolve(["urn:id:SGH|D1"], "Lisinopril 10 mg tablet")
    assert drug.ingredients == ("metformin",)
    assert drug.doubts == ("text-disagrees",)
    drug = formulary.resolve(["urn:id:SGH|D1", "urn:id:SGH|D2"])
    assert drug.doubts == ("codes-disagree",)


@pytest.mark.parametrize(
    ("file", "content", "where"),
    [
        ("drugs.csv", b"name\nx\n", "drugs.csv"),
        ("products-a.csv", b"system,code\nSGH,D1\n", "products-a.csv:1"),
        ("products-a.csv", b"system,code,name\nSGH,,x\n", "products-a.csv:2"),
        ("products-a.csv", b"system,code,name,ingredients,strengths\nS,1,x,a / b,5 mg\n",
         "products-a.csv:2"),
        ("ndc-a.csv", b"ndc,code\n0002821501,1\n", "ndc-a.csv:2"),
        ("brands-a.csv", b"brand,ingredients\nX,\n", "brands-a.csv:2"),
        ("ingredients-a.csv", b"name,rxcui\n,1\n", "ingredients-a.csv:2"),
    ],
)  # fmt: skip
def test_mistakes_have_file_and_line(file: str, content: bytes, where: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_formulary({file: content})
    assert error.value.where == where


def test_rows_that_refer_to_nothing_are_issues() -> None:
    site = {
        "products-a.csv": b"system,code,name,rxnorm\nSGH,D1,Qqq,1\nSGH,D2,Qqq,\n",
        "ndc-a.csv": b"ndc,code\n0002-8215-01,1\n",
    }
    _, issues = load_formulary(site)
    assert {(i.code, i.location) for i in issues} == {
        ("formulary-reference-unresolved", "products-a.csv:2"),
        ("formulary-name-unread", "products-a.csv:3"),
        ("formulary-reference-unresolved", "ndc-a.csv:2"),
    }


def _conso(code: str, kind: str, name: str, source: str = "RXNORM", suppress: str = "N") -> str:
    atom = f"{code}|ENG||||||{code}|{code}|{code}||{source}|{kind}|{code}"
    return f"{atom}|{name}||{suppress}|4096|\n"


def _rel(one: str, other: str, what: str) -> str:
    return f"{one}||CUI|RO|{other}||CUI|{what}|1||RXNORM|RXNORM||||4096|\n"


def _sat(code: str, name: str, value: str) -> str:
    return f"{code}||||CUI|{code}|AT1||{name}|RXNORM|{value}|N|4096|\n"


_CONSO = "".join(
    (
        _conso("1", "IN", "zorblax"),
        _conso("2", "IN", "quentin"),
        _conso("3", "PIN", "zorblax sodium"),
        _conso("4", "BN", "Zorbo"),
        _conso("5", "DF", "Oral Tablet"),
        _conso("6", "SCDC", "zorblax sodium 5 MG"),
        _conso("7", "SCDC", "quentin 10 MG"),
        _conso("8", "SCD", "quentin 10 MG / zorblax sodium 5 MG Oral Tablet"),
        _conso("9", "SBD", "zorblax sodium 5 MG Oral Tablet [Zorbo]"),
        _conso("10", "SCD", "old", suppress="O"),
        _conso("11", "IN", "elsewhere", source="MTHSPL"),
    )
)
_REL = "".join(
    (
        _rel("1", "6", "has_ingredient"), _rel("6", "3", "precise_ingredient_of"),
        _rel("7", "2", "ingredient_of"), _rel("8", "6", "constitutes"),
        _rel("7", "8", "consists_of"), _rel("5", "8", "has_dose_form"),
        _rel("9", "6", "constitutes"), _rel("9", "5", "dose_form_of"),
        _rel("4", "9", "has_ingredient"), _rel("1", "4", "tradename_of"),
    )
)  # fmt: skip
_SAT = "".join(
    (
        _sat("6", "RXN_STRENGTH", "5 MG"), _sat("7", "RXN_STRENGTH", "10 MG"),
        _sat("8", "NDC", "50580044905"), _sat("9", "NDC", "00002821501"),
        _sat("8", "NDC", "00002821501"),
    )
)  # fmt: skip


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def test_rxnorm_files_become_tables_of_a_site() -> None:
    release = read_rxnorm(lambda: _lines(_CONSO), lambda: _lines(_REL), lambda: _lines(_SAT))
    tables = as_tables(release)
    formulary, issues = load_formulary(tables)
    assert not issues
    both = formulary.resolve([f"{RXNORM}|8"])
    assert [(c.ingredient, c.salt, c.strength) for c in both.components] == [
        ("quentin", "", "10 mg"),
        ("zorblax", "sodium", "5 mg"),
    ]
    assert (both.form, both.route) == ("tablet", "oral")
    branded = formulary.resolve([f"{RXNORM}|9"])
    assert (branded.brand, branded.ingredients) == ("Zorbo", ("zorblax",))
    assert formulary.resolve([f"{RXNORM}|1"]).ingredients == ("zorblax",)
    assert formulary.resolve(text="Zorbo 5 mg").ingredients == ("zorblax",)
    assert formulary.resolve([f"{NDC}|50580-0449-05"]).code.endswith("|50580-0449-05")
    assert formulary.unresolved([f"{NDC}|00002821501"])  # two products claim it: neither has it
    assert formulary.unresolved([f"{RXNORM}|10", f"{RXNORM}|11"])


def test_other_files_are_no_release() -> None:
    with pytest.raises(ConfigurationError) as error:
        read_rxnorm(lambda: ["a|b\n"], list, list)
    assert error.value.where == "RXNCONSO.RRF:1"
