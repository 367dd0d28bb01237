"""The community clinic: FHIR R4 transaction bundles with its own ids, UUIDs made from its numbers.

Most of its patients carry the house's record number as a second identifier.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from chartloom.domain.codec import encode
from chartloom.simulate.catalog import FORMULARY, VITALS
from chartloom.simulate.dialects.common import Scene
from chartloom.simulate.facts import Allergy, Consent, Demographics, Medication, Problem, Result
from chartloom.simulate.house import AUTHORITY_OID, CLINIC_NAME
from chartloom.simulate.stories.clinic import AUTHORITY
from chartloom.simulate.times import iso, iso_date

Json = dict[str, Any]

_HL7 = "http://terminology.hl7.org/CodeSystem"
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "L": "https://alder-street.example.org/codes",
}
_CATEGORY = {"DA": "medication", "FA": "food", "EA": "environment", "MA": "environment"}
_SEVERITY = {"SV": "severe", "MO": "moderate", "MI": "mild"}


def render(scene: Scene) -> bytes:
    """A transaction Bundle: the Patient always, then whatever changed."""
    resources = [_patient(scene)]
    for fact in scene.event.facts:
        if isinstance(fact, Problem):
            resources.append(_condition(scene, fact))
        elif isinstance(fact, Allergy):
            resources.append(_allergy(scene, fact))
        elif isinstance(fact, Medication):
            resources.append(_medication(scene, fact))
        elif isinstance(fact, Result):
            resources.append(_vital(scene, fact))
        elif isinstance(fact, Consent):
            resources.append(_consent(scene, fact))
    stamp = iso(scene.event.at_us)
    for resource in resources:
        resource["meta"] = {"lastUpdated": stamp}
    bundle: Json = {
        "resourceType": "Bundle",
        "id": _id("Bundle", scene.control_id),
        "type": "transaction",
        "timestamp": stamp,
        "entry": [_entry(r) for r in resources],
    }
    return encode(bundle)


def _entry(resource: Json) -> Json:
    path = f"{resource['resourceType']}/{resource['id']}"
    return {
        "fullUrl": f"https://alder-street.example.org/fhir/{path}",
        "resource": resource,
        "request": {"method": "PUT", "url": path},
    }


def _id(kind: str, key: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"https://alder-street.example.org/{kind}/{key}"))


def _subject(scene: Scene) -> Json:
    return {"reference": f"Patient/{_id('Patient', scene.patient.person.clinic_id)}"}


def _patient(scene: Scene) -> Json:
    person = scene.patient.person
    d = person.clinic_knows or scene.patient.demographics
    identifiers: list[Json] = [
        {"use": "usual", "type": _mr(), "system": AUTHORITY, "value": person.clinic_id}
    ]
    if person.clinic_has_mrn:
        house = f"urn:oid:{AUTHORITY_OID}"
        identifiers.append(
            {"type": _mr(), "system": house, "value": person.mrn, "assigner": {"display": "SGH"}}
        )
    given = [g for g in (d.given, d.second) if g]
    patient: Json = {
        "resourceType": "Patient",
        "id": _id("Patient", person.clinic_id),
        "identifier": identifiers,
        "name": [{"use": "official", "family": d.family, "given": given}],
        "gender": "female" if d.sex == "F" else "male",
        "birthDate": birth_date(d),
        "address": [
            {"line": [d.street], "city": d.city, "state": d.state, "postalCode": d.postal_code}
        ],
        "managingOrganization": {"display": CLINIC_NAME},
    }
    if d.phones:
        patient["telecom"] = [{"system": "phone", "value": p, "use": "home"} for p in d.phones]
    return patient


def _consent(scene: Scene, consent: Consent) -> Json:
    reason = {"system": f"{_HL7}/v3-ActReason", "code": consent.purpose}
    scope = {"system": f"{_HL7}/consentscope", "code": "patient-privacy"}
    category = {"system": f"{_HL7}/v3-ActCode", "code": "INFA"}
    return {
        "resourceType": "Consent",
        "id": _id("Consent", consent.number),
        "status": "active",
        "scope": {"coding": [scope]},
        "category": [{"coding": [category]}],
        "patient": _subject(scene),
        "dateTime": iso(consent.since_us),
        "policyRule": {"text": "What a patient of the clinic may decide"},
        "provision": {"type": consent.type, "purpose": [reason]},
    }


def _mr() -> Json:
    return {"coding": [{"system": f"{_HL7}/v2-0203", "code": "MR"}]}


def birth_date(d: Demographics) -> str:
    """FHIR date of the same precision."""
    b = d.birth_date
    return "-".join(p for p in (b[:4], b[4:6], b[6:8]) if p)


def _condition(scene: Scene, p: Problem) -> Json:
    verification = "refuted" if p.status == "refuted" else "confirmed"
    condition: Json = {
        "resourceType": "Condition",
        "id": _id("Condition", f"{scene.patient.person.clinic_id}/{p.code}"),
        "verificationStatus": _coded("condition-ver-status", verification),
        "category": [_coded("condition-category", "problem-list-item")],
        "code": {
            "coding": [
                {"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": p.code, "display": p.text}
            ],
            "text": p.text,
        },
        "subject": _subject(scene),
        "onsetDateTime": "-".join(x for x in (p.onset[:4], p.onset[4:6], p.onset[6:8]) if x),
        "recordedDate": iso_date(p.since_us),
    }
    if p.status != "refuted":
        condition["clinicalStatus"] = _coded("condition-clinical", p.status)
    if p.ended_us:
        condition["abatementDateTime"] = iso_date(p.ended_us)
    return condition


def _coded(system: str, code: str) -> Json:
    return {"coding": [{"system": f"{_HL7}/{system}", "code": code}]}


def _allergy(scene: Scene, a: Allergy) -> Json:
    allergy: Json = {
        "resourceType": "AllergyIntolerance",
        "id": _id("AllergyIntolerance", f"{scene.patient.person.clinic_id}/{a.code}"),
        "verificationStatus": _coded(
            "allergyintolerance-verification", "refuted" if a.status == "refuted" else "confirmed"
        ),
        "type": "allergy",
        "category": [_CATEGORY[a.type]],
        "criticality": "high" if a.severity == "SV" else "low",
        "code": {
            "coding": [{"system": _SYSTEMS[a.system], "code": a.code, "display": a.text}],
            "text": a.text,
        },
        "patient": _subject(scene),
        "recordedDate": iso_date(a.since_us),
        "reaction": [{"manifestation": [{"text": a.reaction}], "severity": _SEVERITY[a.severity]}],
    }
    allergy["clinicalStatus"] = _coded(
        "allergyintolerance-clinical", "active" if a.status == "active" else "resolved"
    )
    return allergy


def _medication(scene: Scene, m: Medication) -> Json:
    drug = FORMULARY[m.drug]
    coding: list[Json] = [{"system": _SYSTEMS["L"], "code": drug.key, "display": drug.text}]
    if drug.rxnorm:
        coding.append({"system": _SYSTEMS["RXNORM"], "code": drug.rxnorm, "display": drug.text})
    return {
        "resourceType": "MedicationRequest",
        "id": _id("MedicationRequest", m.order),
        "identifier": [{"system": "https://alder-street.example.org/orders", "value": m.order}],
        "status": m.status,
        "intent": "order",
        "medicationCodeableConcept": {"coding": coding, "text": drug.text},
        "subject": _subject(scene),
        "authoredOn": iso(m.start_us),
        "dosageInstruction": [{"text": f"{m.dose} {m.dose_unit} {m.frequency}"}],
    }


def _vital(scene: Scene, r: Result) -> Json:
    test = VITALS[r.test]
    return {
        "resourceType": "Observation",
        "id": _id("Observation", r.key),
        "status": "final",
        "category": [_coded("observation-category", "vital-signs")],
        "code": {
            "coding": [{"system": "http://loinc.org", "code": test.loinc, "display": test.text}]
        },
        "subject": _subject(scene),
        "effectiveDateTime": iso(r.observed_us),
        "valueQuantity": {
            "value": Decimal(r.value),
            "unit": r.unit,
            "system": "http://unitsofmeasure.org",
            "code": r.unit,
        },
    }
