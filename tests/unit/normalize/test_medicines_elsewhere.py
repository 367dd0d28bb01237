"""A prescription that points at a medicine is as sensitive as the medicine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.labels import Label, labels_of
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Derived, Traced
from chartloom.formats.fhir import validate
from chartloom.normalize.fhir_feed import FhirMapping

FEED = Feed("ehr", "it", "team", "http", Format.FHIR, mapping="fhir")
MAPPING = FhirMapping()
Json = dict[str, Any]
PATIENT: Json = {"resourceType": "Patient", "id": "1"}
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"


def _trace(*resources: Json) -> Traced:
    entries = [{"resource": r} for r in resources]
    raw = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    message = Message(1, "ehr", raw, 1_700_000_000_000_000, hashlib.sha256(raw).digest())
    traced = MAPPING.trace(message, FEED, EXAMPLE_NAMESPACE)
    assert MAPPING.derive(message, FEED, EXAMPLE_NAMESPACE) == traced.derived
    assert not traced.derived.quarantine
    assert all(validate(c.resource) == [] for c in traced.derived.contributions)
    return traced


def _derive(*resources: Json) -> Derived:
    return _trace(*resources).derived


def _drug(code: str, **more: Any) -> Json:
    concept = {"coding": [{"system": RXNORM, "code": code}]}
    return {"resourceType": "Medication", "id": "m", "code": concept, **more}


def _order(**reference: str) -> Json:
    about = {"status": "active", "intent": "order", "subject": {"reference": "Patient/1"}}
    return {"resourceType": "MedicationRequest", "id": "r", **about} | {
        "medicationReference": reference
    }


def _of(derived: Derived, kind: str) -> set[Label]:
    (said,) = (c for c in derived.contributions if c.type == kind)
    codes = {s["code"] for s in said.resource.get("meta", {}).get("security", ())}
    assert codes == {str(label) for label in labels_of(said.labels)}
    return set(labels_of(said.labels))


METHADONE, IBUPROFEN = "6813", "5640"


def test_the_labels_of_a_medicine_are_those_of_what_points_at_it() -> None:
    derived = _derive(PATIENT, _drug(METHADONE), _order(reference="Medication/m"))
    assert _of(derived, "MedicationRequest") == {Label.ETH}
    assert _of(derived, "Medication") == set(), "it is nobody's"
    assert labels_of(derived.labels) == {Label.ETH}
    plain = _derive(PATIENT, _drug(IBUPROFEN), _order(reference="Medication/m"))
    assert _of(plain, "MedicationRequest") == set()
    assert plain.labels == 0


def test_a_medicine_is_as_sensitive_as_what_it_is_made_of() -> None:
    part = {"itemReference": {"reference": "Medication/part"}}
    whole = _drug(IBUPROFEN, ingredient=[part])
    derived = _derive(
        PATIENT, whole, _drug(METHADONE) | {"id": "part"}, _order(reference="Medication/m")
    )
    assert _of(derived, "MedicationRequest") == {Label.ETH}


def test_a_medicine_beside_a_patient_is_judged_also_where_nothing_points_at_it() -> None:
    assert labels_of(_derive(PATIENT, _drug(METHADONE)).labels) == {Label.ETH}
    assert _derive(_drug(METHADONE)).labels == 0, "a list of medicines is about nobody"


@pytest.mark.parametrize("at", ["Medication/other", "http://elsewhere.example/Medication/9"])
def test_a_medicine_elsewhere_is_restricted_unless_it_is_named(at: str) -> None:
    assert _of(_derive(PATIENT, _order(reference=at)), "MedicationRequest") == {Label.R}
    named = _derive(PATIENT, _order(reference=at, display="Ibuprofen 400 mg"))
    assert _of(named, "MedicationRequest") == set()
    telling = _derive(PATIENT, _order(reference=at, display="for opioid dependence"))
    assert _of(telling, "MedicationRequest") == {Label.ETH}


def test_a_medicine_inside_the_order_is_judged_there() -> None:
    order = _order(reference="#m") | {"contained": [_drug(METHADONE)]}
    assert _of(_derive(PATIENT, order), "MedicationRequest") == {Label.ETH}


def _problem(name: str, code: str) -> Json:
    icd = {"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": code}]}
    subject = {"reference": "Patient/1"}
    return {"resourceType": "Condition", "id": name, "subject": subject, "code": icd}


def test_stays_and_orders_do_not_name_what_is_more_sensitive() -> None:
    listed = [
        {"condition": {"reference": "Condition/a", "display": "Dependence"}},
        {"condition": {"reference": "Condition/b", "display": "Hypertension"}},
    ]
    stay = {
        "resourceType": "Encounter",
        "id": "e",
        "status": "finished",
        "class": {"code": "AMB"},
        "subject": {"reference": "Patient/1"},
        "diagnosis": listed,
    }
    order = _order(reference="Medication/m", display="Ibuprofen") | {
        "reasonReference": [{"reference": "Condition/a", "display": "Dependence"}]
    }
    traced = _trace(PATIENT, _problem("a", "F10.20"), _problem("b", "I10"), stay, order)
    by_type = {c.type: c for c in traced.derived.contributions}
    encounter = by_type["Encounter"]
    assert [d["condition"]["display"] for d in encounter.resource["diagnosis"]] == ["Hypertension"]
    assert "display" not in by_type["MedicationRequest"].resource["reasonReference"][0]
    where = {e.element: e.location for e in traced.evidence if e.resource_id == encounter.id}
    assert (
        where["diagnosis[0].condition.display"] == "/entry/3/resource/diagnosis/1/condition/display"
    )
    assert not any(e.startswith("diagnosis[1]") for e in where)
