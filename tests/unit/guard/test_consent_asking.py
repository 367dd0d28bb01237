"""Who is meant by a Consent's actors, and what it says of all that its provisions leave out."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.chart.times import to_us
from chartloom.domain.grant import Purpose
from chartloom.formats.fhir.consents import doubts_of
from chartloom.guard.consent import Asking, consent_facts
from chartloom.guard.named import asking_of
from chartloom.guard.staff import Principal, Role

NOW_US = to_us("2024-06-15T12:00:00Z")
NPI = "http://hl7.org/fhir/sid/us-npi"


def practitioner(id: str, **numbers: str) -> dict[str, Any]:
    systems = {"npi": NPI, "local": "urn:id:SGH"}
    identifiers = [{"system": systems[k], "value": v} for k, v in numbers.items()]
    return {"resourceType": "Practitioner", "id": id, "identifier": identifiers}


def place(kind: str, id: str, above: str = "", by: str = "partOf") -> dict[str, Any]:
    return {"resourceType": kind, "id": id, **({by: {"reference": above}} if above else {})}


DIRECTORY = [
    practitioner("p-npi", npi="1234567893"),
    practitioner("p-local", npi="1234567893", local="7"),
    practitioner("p-older", local="7"),
    practitioner("p-other", local="8"),
    practitioner("p-empty"),
    place("Location", "ward", "Location/house"),
    place("Location", "house", "Organization/hospital", by="managingOrganization"),
    place("Organization", "hospital", "Organization/trust"),
    place("Organization", "trust", "Organization/hospital"),  # a ring
    place("Organization", "elsewhere"),
]


def principal(practitioners: str = "", departments: str = "") -> Principal:
    return Principal(
        "ada",
        roles=frozenset({Role.CLINICIAN}),
        practitioners=frozenset(practitioners.split()),
        departments=frozenset(departments.split()),
    )


def denied(kind: str, reference: str, who: Asking) -> bool:
    provision = {"type": kind, "actor": [{"reference": {"reference": reference}}]}
    rule = "OPTOUT" if kind == "permit" else "OPTIN"
    consent = {
        "resourceType": "Consent",
        "status": "active",
        "policyRule": {"coding": [{"code": rule}]},
        "provision": provision,
    }
    return consent_facts([consent], who, Purpose.TREATMENT, NOW_US).denied == {"*"}


@pytest.mark.parametrize(
    ("reference", "withheld", "opened"),
    [
        ("Practitioner/p-npi", True, True),
        ("Practitioner/p-local", True, False),  # one number in common: perhaps the same
        ("Practitioner/p-older", True, False),
        ("Practitioner/p-other", False, False),
        ("Practitioner/nobody-knows", True, False),
        ("PractitionerRole/any", True, False),
        ("Location/ward", True, True),
        ("Location/house", True, True),
        ("Organization/hospital", True, True),
        ("Organization/trust", True, True),
        ("Organization/elsewhere", False, False),
        ("Organization/nobody-knows", True, False),
        ("https://elsewhere.example/Practitioner/p-other", True, False),
        ("Patient/p-npi", False, False),
    ],
)
def test_who_is_meant(reference: str, withheld: bool, opened: bool) -> None:
    who = asking_of(principal("p-npi", "ward"), DIRECTORY)
    assert denied("deny", reference, who) is withheld
    assert denied("permit", reference, who) is not opened


@pytest.mark.parametrize(
    ("practitioners", "departments", "practitioner_closed", "house_closed"),
    [("p-npi", "", False, True), ("", "ward", True, False), ("", "", True, True)],
)
def test_of_whom_nobody_knows_who_they_are_nobody_says_that_they_are_not_meant(
    practitioners: str, departments: str, practitioner_closed: bool, house_closed: bool
) -> None:
    who = asking_of(principal(practitioners, departments), DIRECTORY)
    assert denied("deny", "Practitioner/p-other", who) is practitioner_closed
    assert denied("deny", "Organization/elsewhere", who) is house_closed


@pytest.mark.parametrize(
    "number",
    [{"value": "7"}, {"system": "", "value": "7"}, {"system": NPI}, {"system": NPI, "value": ""}],
    ids=str,
)
def test_half_a_number_makes_two_records_no_one_person(number: dict[str, str]) -> None:
    doctors = [{"resourceType": "Practitioner", "id": id, "identifier": [number]} for id in "ab"]
    who = asking_of(principal("a"), doctors)
    assert denied("deny", "Practitioner/a", who)
    assert not denied("deny", "Practitioner/b", who)


def test_a_house_that_carries_a_doctors_number_is_not_the_doctor() -> None:
    clinic = {**practitioner("clinic", npi="1234567893"), "resourceType": "Organization"}
    who = asking_of(principal("p-npi", "ward"), [*DIRECTORY, clinic])
    assert not denied("deny", "Organization/clinic", who)


@pytest.mark.parametrize(
    ("rule", "closed", "doubted"),
    [
        ({"coding": [{"code": "OPTOUT"}]}, True, False),
        ({"coding": [{"code": "optout"}]}, True, False),
        ({"coding": [{"system": "urn:x", "code": "opt-out"}]}, True, True),
        ({"text": "Opt out"}, True, True),
        ({"coding": [{"code": "X1", "display": "Patient opted out of sharing"}]}, True, True),
        ({"coding": [{"code": "OPTIN"}], "text": "opts out of research"}, True, True),
        ({"coding": [{"code": "OPTIN"}]}, False, False),
        ({"coding": [{"code": "cric"}]}, False, False),
        ({"coding": [{"system": "urn:x", "code": "H17"}]}, False, True),
        ({"text": "What a patient may decide"}, False, False),
        ({"extension": [{"url": "urn:absent", "valueCode": "unknown"}]}, False, False),
    ],
)
def test_what_holds_of_the_rest(rule: dict[str, Any], closed: bool, doubted: bool) -> None:
    consent = {"resourceType": "Consent", "status": "active", "policyRule": rule}
    found = consent_facts([consent], Asking(), Purpose.TREATMENT, NOW_US)
    assert (found.denied == {"*"}) is closed
    assert ("/policyRule" in doubts_of(consent)) is doubted
