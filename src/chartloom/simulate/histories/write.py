"""What the sources of simulated histories send."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from chartloom.domain.codec import encode

_Json = dict[str, Any]
_HL7 = "http://terminology.hl7.org/CodeSystem"
_SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(at_us: int) -> str:
    """A FHIR instant."""
    return (_EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="seconds")


def day(at_us: int) -> str:
    """A FHIR date."""
    return iso(at_us)[:10]


def hl7_time(at_us: int) -> str:
    """An HL7 v2 time."""
    return (_EPOCH + timedelta(microseconds=at_us)).strftime("%Y%m%d%H%M%S")


def v2(person: int, kind: str, at_us: int, number: int, *segments: str, visit: str = "") -> bytes:
    """A message of the house. visit: ``class^number``."""
    patient_class, _, visit_number = visit.partition("^")
    rows = [
        f"MSH|^~\\&|SIM|SGH|CL|CL|{hl7_time(at_us)}||{kind}|{person}-{number}|P|2.5",
        f"EVN|{kind[4:7]}|{hl7_time(at_us)}",
        f"PID|1||SIM{person:06d}^^^SGH^MR||Sim^Person{person}||19600101|F",
    ]
    if visit:
        rows.append(f"PV1|1|{patient_class}" + "|" * 17 + visit_number)
    return "\r".join([*rows, *segments, ""]).encode()


def dg1(code: str, words: str, kind: str, at_us: int = 0) -> str:
    """A diagnosis. kind: ``A``, ``W`` or ``F``."""
    return f"DG1|1||{code}^{words}^I10||{hl7_time(at_us) if at_us else ''}|{kind}"


def ft1(number: str, at_us: int, code: str, words: str) -> str:
    """A charge with its diagnosis."""
    when = hl7_time(at_us)
    blank = "|" * 12
    return f"FT1|1|{number}||{when}|{when}|CG|99213^Visit^C4{blank}{code}^{words}^I10"


def result(number: str, name: str, value: str, at_us: int) -> tuple[str, str]:
    """A result of the house in words: OBR and OBX."""
    when, blank = hl7_time(at_us), "|" * 14
    return (
        f"OBR|1||{number}|^{name}|||{when}{blank}|{when}|||F",
        f"OBX|1|ST|^{name}||{value}||||||F|||{when}",
    )


def iam(person: int, written: tuple[str, str, str], kind: str, status: str, at_us: int) -> str:
    """An allergy of the house. kind: table 0127; status: table 0438, which has "erroneous" (E) for
    an entry that should not have been made, and no word for an allergy that was refuted."""
    system, code, words = written
    what = f"{code}^{words}^{system}" if code else f"^{words}"
    key = f"{person}-{code or words.replace(' ', '')}"
    fields = {
        1: "1", 2: kind, 3: what, 6: "A", 7: key, 13: hl7_time(at_us), 17: status,
    }  # fmt: skip
    return "|".join(["IAM", *(fields.get(n, "") for n in range(1, 18))])


def bundle(source: str, person: int, at_us: int, *resources: _Json) -> bytes:
    """A transaction of the clinic or the practice."""
    subject = f"{source}-p{person}"
    patient: _Json = {
        "resourceType": "Patient",
        "id": subject,
        "identifier": [{"system": f"urn:sim:{source}", "value": f"{person}"}],
    }
    entries = []
    for resource in (patient, *resources):
        owner = "patient" if resource["resourceType"] == "AllergyIntolerance" else "subject"
        if resource is not patient:
            resource[owner] = {"reference": f"Patient/{subject}"}
        url = f"{resource['resourceType']}/{resource['id']}"
        entries.append({"resource": resource, "request": {"method": "PUT", "url": url}})
    return encode(
        {
            "resourceType": "Bundle",
            "id": str(uuid5(NAMESPACE_URL, f"{source}/{person}/{at_us}/{len(entries)}")),
            "type": "transaction",
            "timestamp": iso(at_us),
            "entry": entries,
        }
    )


def coded(system: str, code: str) -> _Json:
    """One of FHIR's own codes."""
    return {"coding": [{"system": f"{_HL7}/{system}", "code": code}]}


def condition(
    id: str, code: str, words: str, status: str, at_us: int, *, listed: bool = True
) -> _Json:
    """A Condition. status: ``active``, ``resolved`` or ``refuted``."""
    found: _Json = {
        "resourceType": "Condition",
        "id": id,
        "category": [
            coded("condition-category", "problem-list-item" if listed else "encounter-diagnosis")
        ],
        "code": {
            "coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}],
            "text": words,
        },
        "recordedDate": day(at_us),
    }
    if status == "refuted":
        found["verificationStatus"] = coded("condition-ver-status", "refuted")
    else:
        found["clinicalStatus"] = coded("condition-clinical", status)
    return found


def allergy(id: str, written: tuple[str, str, str], kind: str, status: str, at_us: int) -> _Json:
    """An AllergyIntolerance. status: ``active``, ``resolved`` or ``refuted``."""
    system, code, words = written
    found: _Json = {
        "resourceType": "AllergyIntolerance",
        "id": id,
        "category": [kind],
        "code": {"text": words},
        "recordedDate": day(at_us),
    }
    if code:
        found["code"]["coding"] = [{"system": _SYSTEMS[system], "code": code}]
    if status == "refuted":
        found["verificationStatus"] = coded("allergyintolerance-verification", "refuted")
        found["clinicalStatus"] = coded("allergyintolerance-clinical", "inactive")
    else:
        found["clinicalStatus"] = coded("allergyintolerance-clinical", status)
    return found


def observation(
    id: str, loinc: str, unit: str, value: float | str, at_us: int, words: str
) -> _Json:
    """A result; LOINC may be empty."""
    code: _Json = {"text": words}
    if loinc:
        code["coding"] = [{"system": "http://loinc.org", "code": loinc, "display": words}]
    found: _Json = {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": code,
        "effectiveDateTime": iso(at_us),
    }
    if isinstance(value, str):
        found["valueString"] = value
    else:
        system = "http://unitsofmeasure.org"
        found["valueQuantity"] = {"value": value, "unit": unit, "system": system, "code": unit}
    return found


def prescription(id: str, words: str, at_us: int) -> _Json:
    """A MedicationRequest."""
    return {
        "resourceType": "MedicationRequest",
        "id": id,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": words},
        "authoredOn": iso(at_us),
    }
