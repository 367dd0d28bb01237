"""A denied code is withheld however a sender spells it, and when nobody can tell."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asking import asking

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose
from chartloom.formats.fhir.consents import PROVISIONS_MAX, doubts_of
from chartloom.guard.consent import consent_facts
from chartloom.guard.withholding import withholds

NOW_US = to_us("2026-06-01T00:00:00Z")
ICD, ICD_CM = "http://hl7.org/fhir/sid/icd-10", "http://hl7.org/fhir/sid/icd-10-cm"
SCT, LOINC = "http://snomed.info/sct", "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def _consent(provision: dict[str, Any], **more: Any) -> dict[str, Any]:
    rule = {"coding": [{"code": "OPTIN"}]}
    return {"resourceType": "Consent", "status": "active", "policyRule": rule,
            "provision": provision, **more}  # fmt: skip


def _deny(system: str, code: str) -> dict[str, Any]:
    return {"type": "deny", "code": [{"coding": [{"system": system, "code": code}]}]}


def _hidden(provision: dict[str, Any], kind: str, element: str, system: str, code: str) -> bool:
    said = consent_facts([_consent(provision)], asking("me"), Purpose.TREATMENT, NOW_US, ("p",))
    thing = {
        "resourceType": kind,
        "id": "1",
        element: {"coding": [{"system": system, "code": code}]},
    }
    return "*" in said.denied or withholds(said.withheld, "p", thing, 0)


@pytest.mark.parametrize(
    ("denied", "found"),
    [
        ((ICD, "F10"), (ICD_CM, "F10.20")),
        ((ICD_CM, "F10.20"), (ICD, "F10.20")),
        ((ICD_CM, "F10.20"), (ICD_CM, "F1020")),
        ((ICD_CM, "F1020"), (ICD_CM, "F10.20")),
        ((ICD_CM, "f10"), (ICD_CM, "F10.20")),
        ((ICD_CM, "F10.20"), (ICD_CM, "F10")),  # it may be that one
        ((ICD_CM, "F10"), ("urn:oid:2.16.840.1.113883.6.90", "F10.20")),
        ((ICD, "F10"), ("urn:oid:2.16.840.1.113883.6.3", "F10")),
        ((ICD, "F10"), ("I10", "F10.1")),
        (("", "F10"), (ICD_CM, "F10.20")),
        ((SCT, "66590003"), ("urn:oid:2.16.840.1.113883.6.96", "66590003")),
        ((SCT + " ", "66590003"), (SCT, " 66590003")),
        ((SCT, "86406008"), (ICD_CM, "B20")),  # nobody can tell
        (("urn:x", "77"), (ICD_CM, "B20")),
    ],
)
def test_a_denied_code_under_every_spelling(denied: Any, found: Any) -> None:
    assert _hidden(_deny(*denied), "Condition", "code", *found)


@pytest.mark.parametrize(
    ("denied", "kind", "element", "found"),
    [
        ((ICD, "F10"), "Condition", "code", (ICD_CM, "F11.20")),
        ((ICD, "F10"), "Condition", "code", (ICD_CM, "E10")),
        ((SCT, "86406008"), "Condition", "code", (SCT, "73211009")),
        ((ICD, "F10"), "Observation", "code", (LOINC, "718-7")),
        ((SCT, "86406008"), "Observation", "code", (LOINC, "718-7")),
        ((RXNORM, "1819"), "Condition", "code", (ICD, "F10")),
    ],
)
def test_what_is_surely_something_else_is_shown(
    denied: Any, kind: str, element: str, found: Any
) -> None:
    assert not _hidden(_deny(*denied), kind, element, *found)


def test_a_drug_in_another_systems_words() -> None:
    ndc = ("http://hl7.org/fhir/sid/ndc", "12496-1208-3")
    drug = "medicationCodeableConcept"
    assert _hidden(_deny(RXNORM, "1819"), "MedicationRequest", drug, *ndc)
    assert not _hidden(_deny(RXNORM, "1819"), "MedicationRequest", drug, RXNORM, "161")


def test_doubt_opens_nothing() -> None:
    root = {"type": "deny", "provision": [{**_deny(SCT, "86406008"), "type": "permit"}]}
    assert _hidden(root, "Condition", "code", ICD_CM, "B20")


def test_a_system_that_nobody_knows_is_said() -> None:
    assert doubts_of(_consent(_deny("urn:x", "77"))) == ["/provision/code"]
    assert doubts_of(_consent(_deny(SCT, "77"))) == []


def test_more_provisions_than_are_judged_close_all() -> None:
    def wide(count: int) -> dict[str, Any]:
        inner = {"type": "deny", "class": [{"code": "Observation"}]}
        return {"type": "permit", "provision": [inner] * count}

    for count, closed in ((PROVISIONS_MAX - 1, False), (PROVISIONS_MAX, True)):
        assert _hidden(wide(count), "Condition", "code", SCT, "1") is closed
        assert doubts_of(_consent(wide(count))) == ["/provision"] * closed
    within = {"type": "permit", "provision": [{"type": "permit"}]}
    within["provision"] *= PROVISIONS_MAX  # that deny nothing
    assert _hidden(within, "Condition", "code", SCT, "1")
    codes = {"type": "deny", "code": _deny(SCT, "1")["code"] * PROVISIONS_MAX}
    assert doubts_of(_consent(codes)) == ["/provision"]
