"""Denied codes of drugs and findings, where a chart says the same by another code or in words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asking import asking

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose
from chartloom.guard.consent import consent_facts
from chartloom.guard.withholding import withholds

NOW_US = to_us("2026-06-01T00:00:00Z")
ICD, SCT, LOINC = "http://hl7.org/fhir/sid/icd-10-cm", "http://snomed.info/sct", "http://loinc.org"
RXNORM, NDC = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://hl7.org/fhir/sid/ndc"
ATC, CVX = "http://www.whocc.no/atc", "http://hl7.org/fhir/sid/cvx"
Json = dict[str, Any]


def _concept(system: str, code: str, text: str = "") -> Json:
    concept: Json = {"coding": [{"system": system, "code": code}]}
    return concept | ({"text": text} if text else {})


def _hidden(denied: Json, thing: Json, kind: str = "deny") -> bool:
    provision = {"type": kind, "code": [denied]}
    rule = {"coding": [{"code": "OPTIN" if kind == "deny" else "OPTOUT"}]}
    consent = {"resourceType": "Consent", "status": "active", "policyRule": rule,
               "provision": provision}  # fmt: skip
    said = consent_facts([consent], asking("me"), Purpose.TREATMENT, NOW_US, ("p",))
    return "*" in said.denied or withholds(said.withheld, "p", {"id": "1", **thing}, 0)


def _denies(*concepts: Json) -> Json:
    """One provision that names all of these."""
    return {"coding": [coding for concept in concepts for coding in concept["coding"]]}


def _order(concept: Json) -> Json:
    return {"resourceType": "MedicationRequest", "medicationCodeableConcept": concept}


@pytest.mark.parametrize(
    ("denied", "found", "hidden"),
    [
        ("00069046856", "0069-0468-56", True),
        ("0069-0468-56", "00069046856", True),
        ("00069046856", "0069-0468", True),  # the product
        ("00069046856", "000069046856", True),
        ("00069046856", "00069 046856", True),
        ("00069046856", "0069046856", True),  # three layouts; one of them
        ("0069046856", "00069046856", True),
        ("0069046856", "0069046856", True),
        ("00069046856", "00069046830", True),  # another package of it
    ],
)
def test_packages_of_a_drug_in_every_layout(denied: str, found: str, hidden: bool) -> None:
    known = "Lisinopril 10 mg"  # so that ingredients alone would show it
    assert (
        _hidden(_concept(NDC, denied, "Efavirenz"), _order(_concept(NDC, found, known))) is hidden
    )


def test_another_package_of_a_known_drug_is_shown_and_of_an_unknown_one_is_not() -> None:
    other = _order(_concept(NDC, "12496-1208-3", "Lisinopril 10 mg"))
    assert not _hidden(_concept(NDC, "00069046856", "Efavirenz"), other)
    assert _hidden(_concept(NDC, "00069046856"), other)  # nobody knows what was denied
    digits = _order(_concept(NDC, "00069046856", "Lisinopril 10 mg"))
    assert not _hidden(_concept(RXNORM, "000690468", "Efavirenz"), digits)  # by chance
    strange = _order(_concept(NDC, "12496-1208-3"))
    assert _hidden(_concept(NDC, "00069046856", "Efavirenz"), strange)


@pytest.mark.parametrize(
    ("denied", "found", "hidden"),
    [
        (_concept(RXNORM, "195085", "efavirenz"), _concept(RXNORM, "349477", "Sustiva"), True),
        (
            _concept(RXNORM, "1", "efavirenz"),
            _concept(RXNORM, "2", "efavirenz 600 MG Oral Tablet"),
            True,
        ),
        (_concept(RXNORM, "1", "efavirenz"), _concept(RXNORM, "2", "warfarin 5 mg"), False),
        (_concept(RXNORM, "11289"), _concept(RXNORM, "2", "Coumadin 5 mg"), True),
        (_concept(RXNORM, "11289"), _concept(RXNORM, "161"), False),
        (_concept(RXNORM, "11289"), _concept("urn:id:LOCAL", "7", "Aspirin 81 mg"), False),
        (_concept(RXNORM, "11289"), _concept("urn:id:LOCAL", "7", "house mixture"), True),
        (_concept(RXNORM, "999"), _concept(RXNORM, "161"), True),  # nobody knows what was denied
        (_concept(RXNORM, "11289"), {"text": "Coumadin"}, True),
        (_concept(RXNORM, "11289"), {"text": "Aspirin"}, False),
        (_concept(RXNORM, "11289"), {"text": "Aspirin and Nobodyknowsit"}, True),
        (_concept(RXNORM, "9", "Warfarin / Nobodyknowsit"), _concept(RXNORM, "161"), True),
        (_concept(ATC, "J05A"), _concept(ATC, "J05AG03"), True),
        (_concept(ATC, "J05AG03"), _concept(ATC, "J05A"), True),  # it may be that one
        (_concept(ATC, "J05A"), _concept(ATC, "C03AA01"), False),
    ],
)
def test_drugs_are_told_apart_by_ingredients(denied: Json, found: Json, hidden: bool) -> None:
    assert _hidden(denied, _order(found)) is hidden


def test_what_is_denied_besides_in_another_system_is_not_opened_by_ingredients() -> None:
    order = _order(_concept(RXNORM, "2", "efavirenz 600 mg"))
    warfarin = _concept(RXNORM, "11289")
    assert not _hidden(warfarin, order)
    for other in (_concept(ATC, "J05A"), _concept(SCT, "1"), _concept("urn:house", "7")):
        assert _hidden(_denies(warfarin, other), order)
    assert not _hidden(_denies(warfarin, _concept(ICD, "B20")), order)  # that names no drug


def test_an_allergy_is_withheld_only_for_what_it_names() -> None:
    def allergy(concept: Json) -> Json:
        return {"resourceType": "AllergyIntolerance", "code": concept}

    warfarin = _concept(RXNORM, "11289")
    assert _hidden(warfarin, allergy(_concept(RXNORM, "2", "Coumadin")))
    assert not _hidden(warfarin, allergy(_concept(RXNORM, "161")))
    assert not _hidden(warfarin, allergy(_concept(RXNORM, "888", "latex")))
    assert not _hidden(_concept(RXNORM, "999"), allergy(_concept(RXNORM, "161")))


def test_a_vaccine_is_no_drug_of_these() -> None:
    flu = {"resourceType": "Immunization", "vaccineCode": _concept(CVX, "140", "aspirin")}
    assert not _hidden(_concept(CVX, "141"), flu)
    medication = {"resourceType": "Medication", "code": {"text": "Aspirin"}}
    assert not _hidden(_concept(RXNORM, "11289"), medication)


@pytest.mark.parametrize("odd", [{"coding": ["?"]}, {"coding": [{"code": 5}]}, {"text": 5}])
def test_concepts_of_the_wrong_shape_are_withheld(odd: Json) -> None:
    assert _hidden(_concept(RXNORM, "11289"), _order(odd))


def test_ingredients_open_nothing() -> None:
    tablet = _order(_concept(RXNORM, "2", "warfarin 5 mg"))
    assert _hidden(_concept(RXNORM, "11289"), tablet, "permit")
    assert not _hidden(_concept(RXNORM, "2"), tablet, "permit")


@pytest.mark.parametrize(
    "thing",
    [
        {"resourceType": "Observation", "valueCodeableConcept": _concept(SCT, "86406008")},
        {"resourceType": "Encounter", "reasonCode": [_concept(SCT, "86406008")]},
        {"resourceType": "MedicationRequest", "reasonCode": [_concept(SCT, "86406008")]},
        {"resourceType": "DiagnosticReport", "conclusionCode": [_concept(SCT, "86406008")]},
    ],
)
def test_reasons_and_findings_in_another_system(thing: Json) -> None:
    code = {"medicationCodeableConcept" if "Medication" in thing["resourceType"] else "code":
            _concept(LOINC, "29308-4")}  # fmt: skip
    assert _hidden(_concept(ICD, "B20"), code | thing)
    assert not _hidden(_concept(LOINC, "718-7"), code | thing)
    element = next(name for name in thing if name != "resourceType")
    both = {"coding": [*_concept(SCT, "1")["coding"], *_concept(ICD, "E10")["coding"]]}
    held = [both] if isinstance(thing[element], list) else both
    assert not _hidden(_concept(ICD, "B20"), code | thing | {element: held})
    local = _concept("urn:id:LOCAL", "7")
    held = [local] if isinstance(thing[element], list) else local
    assert not _hidden(_concept(ICD, "B20"), code | thing | {element: held})


@pytest.mark.parametrize(
    ("thing", "hidden"),
    [
        ({"resourceType": "DocumentReference", "type": _concept(LOINC, "18842-5")}, True),
        (
            {"resourceType": "Observation", "code": _concept(LOINC, "11506-3"),
             "valueString": "Medications:\nWarfarin 5 mg"},
            True,
        ),
        (
            {"resourceType": "Observation", "code": _concept(LOINC, "11506-3"),
             "extension": [{"valueAttachment": {}}]},
            True,
        ),
        (
            {"resourceType": "Observation", "code": _concept(LOINC, "11506-3"),
             "valueString": "Comes for a refill of warfarin, which is taken as before. " * 3},
            True,
        ),
        (
            {"resourceType": "Observation", "code": _concept(LOINC, "5778-6"),
             "valueString": "yellow", "extension": [{"url": "urn:x"}]},
            False,
        ),
        (
            {"resourceType": "Observation", "code": _concept(LOINC, "6301-6"),
             "note": [{"text": "Comes for a refill of warfarin, which is taken as before. " * 3}]},
            True,
        ),
        (
            {"resourceType": "Observation", "code": _concept(LOINC, "6301-6"),
             "note": [{"text": "hemolyzed"}, {}]},
            False,
        ),
        ({"resourceType": "Composition", "type": _concept(LOINC, "18842-5")}, True),
        ({"resourceType": "DiagnosticReport", "code": _concept(LOINC, "58410-2")}, False),
        (
            {"resourceType": "DiagnosticReport", "code": _concept(LOINC, "58410-2"),
             "conclusion": "?"},
            True,
        ),
        (
            {"resourceType": "DiagnosticReport", "code": _concept(LOINC, "58410-2"),
             "presentedForm": [{}]},
            True,
        ),
        (
            {"resourceType": "DiagnosticReport", "code": _concept(LOINC, "58410-2"),
             "text": {"div": "?"}},
            True,
        ),
    ],
)  # fmt: skip
def test_what_tells_in_words_may_tell_what_is_denied(thing: Json, hidden: bool) -> None:
    for denied in (_concept(ICD, "B20"), _concept(RXNORM, "11289"), _concept(SCT, "86406008")):
        assert _hidden(denied, thing) is hidden
    assert not _hidden(_concept(LOINC, "718-7"), thing)  # a document by its kind is told by it
    assert not _hidden(_concept("http://www.ama-assn.org/go/cpt", "99213"), thing)
