"""Each class of broken resource is found, and named by code, place and rule."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from chartloom.domain.issues import CATALOGUE
from chartloom.formats.fhir import decode_json, validate

Json = dict[str, Any]

_STATUS = "http://terminology.hl7.org/CodeSystem/"
_TEXT = {"text": "x"}
_PATIENT = {"reference": "Patient/p1"}


def _concept(system: str, code: str) -> Json:
    return {"coding": [{"system": _STATUS + system, "code": code}]}


GOOD: dict[str, Json] = {
    "patient": {
        "resourceType": "Patient",
        "id": "p1",
        "identifier": [{"system": "urn:x", "value": "1"}],
        "name": [{"family": "Rivera", "given": ["Ana", None], "_given": [None, {"id": "g"}]}],
        "gender": "female",
        "birthDate": "2024-02-29",
        "extension": [{"url": "urn:e", "valueString": "v"}],
        "contact": [{"name": {"text": "M"}}],
    },
    "observation": {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]},
        "subject": _PATIENT,
        "effectiveDateTime": "2024-01-01T10:00:00.123+01:00",
        "valueQuantity": {"value": Decimal("1.50"), "system": "urn:u", "code": "g"},
        "referenceRange": [{"low": {"value": 1}, "text": "1-2"}],
    },
    "condition": {
        "resourceType": "Condition",
        "clinicalStatus": _concept("condition-clinical", "resolved"),
        "code": _TEXT,
        "subject": _PATIENT,
        "abatementDateTime": "2024",
    },
    "allergy": {
        "resourceType": "AllergyIntolerance",
        "clinicalStatus": _concept("allergyintolerance-clinical", "active"),
        "patient": _PATIENT,
        "reaction": [{"manifestation": [_TEXT], "severity": "mild"}],
    },
    "encounter": {
        "resourceType": "Encounter",
        "status": "finished",
        "class": {"code": "IMP"},
        "period": {"start": "2024-01-01", "end": "2024-01-02T00:00:00Z"},
    },
    "appointment": {
        "resourceType": "Appointment",
        "status": "booked",
        "start": "2024-01-01T10:00:00Z",
        "end": "2024-01-01T10:30:00Z",
        "participant": [{"actor": _PATIENT, "status": "accepted"}],
    },
    "order": {
        "resourceType": "ServiceRequest",
        "status": "active",
        "intent": "order",
        "code": _TEXT,
        "orderDetail": [_TEXT],
        "subject": _PATIENT,
        "requester": {"reference": "urn:uuid:0b8a7c6e-0000-4000-8000-000000000000"},
    },
    "medication": {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "#m"},
        "subject": _PATIENT,
        "contained": [{"resourceType": "Medication", "id": "m", "code": _TEXT}],
        "dosageInstruction": [
            {"timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "d"}}}
        ],
    },
    "dispense": {
        "resourceType": "MedicationDispense",
        "status": "completed",
        "medicationCodeableConcept": _TEXT,
        "whenPrepared": "2024-01-01",
        "whenHandedOver": "2024-01-02",
    },
    "organization": {"resourceType": "Organization", "name": "Ward"},
    "document": {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"contentType": "text/plain", "data": "YQ=="}}],
    },
    "bundle": {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": "urn:uuid:0b8a7c6e-0000-4000-8000-000000000001",
                "resource": {"resourceType": "Patient", "id": "p"},
                "request": {"method": "POST", "url": "Patient"},
            }
        ],
    },
}


def _set(resource: Json, path: str, value: Any) -> Json:
    """A copy with the value at a JSON pointer set, or removed when it is ``...``."""
    result = copy.deepcopy(resource)
    *parents, last = path.strip("/").split("/")
    at: Any = result
    for step in parents:
        at = at[int(step)] if isinstance(at, list) else at[step]
    key: Any = int(last) if isinstance(at, list) else last
    if value is ...:
        del at[key]
    else:
        at[key] = value
    return result


BAD = [
    ("patient", "/birthDate", "2023-02-30", "fhir-bad-value", "/birthDate"),
    ("patient", "/birthDate", "2023-02-29", "fhir-bad-value", "/birthDate"),
    ("patient", "/birthDate", "1900-02-29", "fhir-bad-value", "/birthDate"),
    ("patient", "/birthDate", "19800101", "fhir-bad-value", "/birthDate"),
    ("patient", "/gender", "X", "fhir-code-not-allowed", "/gender"),
    ("patient", "/foo", 1, "fhir-unknown-element", ""),
    ("patient", "/active", "true", "fhir-wrong-type", "/active"),
    ("patient", "/id", "a b", "fhir-bad-value", "/id"),
    ("patient", "/id", "x" * 65, "fhir-bad-value", "/id"),
    ("patient", "/name", [], "fhir-empty", "/name"),
    ("patient", "/name", [{}], "fhir-empty", "/name/0"),
    ("patient", "/name", {"family": "x"}, "fhir-wrong-type", "/name"),
    ("patient", "/name/0/family", "", "fhir-bad-value", "/name/0/family"),
    ("patient", "/name/0/family", "  ", "fhir-bad-value", "/name/0/family"),
    ("patient", "/name/0/family", "a\x00b", "fhir-bad-value", "/name/0/family"),
    ("patient", "/name/0/family", None, "fhir-wrong-type", "/name/0/family"),
    ("patient", "/name/0/_given", ..., "fhir-empty", "/name/0"),
    ("patient", "/extension/0/valueString", ..., "fhir-invariant", "/extension/0"),
    ("patient", "/extension/0/valueInteger", 1, "fhir-invariant", "/extension/0"),
    ("patient", "/extension/0/url", ..., "fhir-missing-element", "/extension/0"),
    ("patient", "/contact/0/name", ..., "fhir-empty", "/contact/0"),
    ("patient", "/contact/0", {"gender": "male"}, "fhir-invariant", "/contact/0"),
    ("patient", "/generalPractitioner", [_PATIENT], "fhir-reference-target", None),
    ("patient", "/telecom", [{"value": "555"}], "fhir-invariant", "/telecom/0"),
    ("patient", "/text", {"status": "generated", "div": "<p>x</p>"}, "fhir-bad-value", "/text/div"),
    (
        "patient",
        "/text",
        {"status": "generated", "div": "<div><script>x</script></div>"},
        "fhir-bad-value",
        "/text/div",
    ),
    ("observation", "/status", ..., "fhir-missing-element", ""),
    ("observation", "/code", ..., "fhir-missing-element", ""),
    ("observation", "/valueString", "x", "fhir-choice", "/valueString"),
    ("observation", "/dataAbsentReason", _TEXT, "fhir-invariant", None),
    ("observation", "/valueQuantity/system", ..., "fhir-invariant", "/valueQuantity"),
    ("observation", "/valueQuantity/value", "1.5", "fhir-wrong-type", "/valueQuantity/value"),
    ("observation", "/effectiveDateTime", "2024-01-01T10:00:00", "fhir-bad-value", None),
    ("observation", "/effectiveDateTime", "2024-01-01T25:00:00Z", "fhir-bad-value", None),
    ("observation", "/subject/reference", "Encounter/1", "fhir-reference-target", None),
    ("observation", "/subject/reference", "http://h/f/Encounter/1", "fhir-reference-target", None),
    ("observation", "/subject/reference", "Patent/1", "fhir-reference-target", None),
    ("observation", "/subject/reference", "#nowhere", "fhir-reference-target", None),
    ("observation", "/referenceRange/0", {"appliesTo": [_TEXT]}, "fhir-invariant", None),
    (
        "observation",
        "/component",
        [{"code": {"coding": [{"system": "http://loinc.org", "code": "718-7"}]}}],
        "fhir-invariant",
        "/component/0",
    ),
    ("condition", "/subject", ..., "fhir-missing-element", ""),
    ("condition", "/clinicalStatus/coding/0/code", "gone", "fhir-code-not-allowed", None),
    ("condition", "/clinicalStatus/coding/0/system", "urn:x", "fhir-code-not-allowed", None),
    ("condition", "/clinicalStatus/coding/0/code", "active", "fhir-invariant", ""),
    (
        "condition",
        "/verificationStatus",
        _concept("condition-ver-status", "entered-in-error"),
        "fhir-invariant",
        None,
    ),
    ("allergy", "/clinicalStatus", ..., "fhir-invariant", ""),
    (
        "allergy",
        "/verificationStatus",
        _concept("allergyintolerance-verification", "entered-in-error"),
        "fhir-invariant",
        None,
    ),
    ("allergy", "/reaction/0/manifestation", ..., "fhir-missing-element", "/reaction/0"),
    ("encounter", "/class", ..., "fhir-missing-element", ""),
    ("encounter", "/period/start", "2025-01-01", "fhir-invariant", "/period"),
    ("appointment", "/end", ..., "fhir-invariant", ""),
    ("appointment", "/cancelationReason", _TEXT, "fhir-invariant", "/status"),
    ("appointment", "/participant", ..., "fhir-missing-element", ""),
    ("appointment", "/participant/0/actor", ..., "fhir-invariant", "/participant/0"),
    ("appointment", "/end", "2024-01-01T09:00:00Z", "fhir-invariant", "/start"),
    ("order", "/code", ..., "fhir-invariant", ""),
    ("order", "/priority", "now", "fhir-code-not-allowed", "/priority"),
    ("medication", "/medicationReference", ..., "fhir-missing-element", ""),
    ("medication", "/medicationCodeableConcept", _TEXT, "fhir-choice", None),
    ("medication", "/medicationReference/reference", "#n", "fhir-reference-unresolved", None),
    ("medication", "/contained/0/status", "x", "fhir-code-not-allowed", "/contained/0/status"),
    ("medication", "/contained/0/meta", {"versionId": "1"}, "fhir-invariant", "/contained/0"),
    ("medication", "/dosageInstruction/0/timing/repeat/periodUnit", ..., "fhir-invariant", None),
    (
        "medication",
        "/dosageInstruction/0/timing/repeat/periodUnit",
        "day",
        "fhir-code-not-allowed",
        None,
    ),
    (
        "medication",
        "/dosageInstruction/0/timing/repeat/frequency",
        0,
        "fhir-bad-value",
        None,
    ),
    ("dispense", "/whenPrepared", "2024-01-03", "fhir-invariant", "/whenHandedOver"),
    ("organization", "/name", ..., "fhir-invariant", ""),
    ("document", "/content", ..., "fhir-missing-element", ""),
    ("document", "/content/0/attachment/contentType", ..., "fhir-invariant", None),
    ("document", "/content/0/attachment/data", "*", "fhir-bad-value", None),
    ("bundle", "/entry/0/request", ..., "fhir-invariant", "/entry/0"),
    (
        "bundle",
        "/entry/0/resource/gender",
        "X",
        "fhir-code-not-allowed",
        "/entry/0/resource/gender",
    ),
    ("bundle", "/entry/0/resource/resourceType", "Patent", "fhir-unknown-type", None),
    ("bundle", "/total", 1, "fhir-invariant", "/type"),
    ("bundle", "/type", "batch-response", "fhir-invariant", None),
]


@pytest.mark.parametrize("name", GOOD)
def test_good_resources_have_no_issue(name: str) -> None:
    assert validate(GOOD[name]) == []


@pytest.mark.parametrize(("name", "path", "value", "code", "where"), BAD)
def test_broken_resources_are_found(
    name: str, path: str, value: Any, code: str, where: str | None
) -> None:
    issues = validate(_set(GOOD[name], path, value))
    found = [i for i in issues if i.code == code and where in (None, i.location)]
    assert found, issues
    assert all(i.code in CATALOGUE for i in issues)


@pytest.mark.parametrize("thing", [None, 1, "x", [], {}, {"resourceType": 3}, {"id": "x"}])
def test_what_is_no_resource_is_said_to_be_none(thing: Any) -> None:
    assert validate(thing)[0].code in ("fhir-not-a-resource", "fhir-unknown-type")


def test_a_problem_without_clinical_status_is_a_warning() -> None:
    resource = _set(GOOD["condition"], "/clinicalStatus", ...)
    del resource["abatementDateTime"]
    resource["category"] = [_concept("condition-category", "problem-list-item")]
    assert [(i.code, i.detail) for i in validate(resource)] == [("fhir-invariant-warning", "con-3")]


def test_issues_never_tell_values() -> None:
    secret = "Ramirez-Zzyzx"
    resource = {
        "resourceType": "Patient",
        "gender": secret,
        "birthDate": secret,
        "name": secret,
        secret: secret,
        "managingOrganization": {"reference": secret},
    }
    issues = validate(resource)
    assert len(issues) >= 5
    assert secret not in repr(issues)


def test_a_required_primitive_may_be_absent_with_a_reason() -> None:
    value, _ = decode_json(
        b'{"resourceType":"Observation","code":{"text":"x"},"_status":{"extension":'
        b'[{"url":"http://hl7.org/fhir/StructureDefinition/data-absent-reason",'
        b'"valueCode":"unknown"}]}}'
    )
    assert validate(value) == []
