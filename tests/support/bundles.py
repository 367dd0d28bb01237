"""FHIR Bundles about one person and about several, with words that stand for each person."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from chartloom.domain.feed import Feed
from chartloom.domain.ids import source_patient_id
from chartloom.normalize.fhir_feed import whose

Json = dict[str, Any]

#: Who is in the Bundles, and the word that stands in everything about that person only.
WORDS = {"ana": "Anaverbum", "ben": "Benverbum", "cho": "Choverbum"}
DOCTOR = "urn:uuid:6f0e1c1e-0000-4000-8000-000000000001"


def person(name: str) -> Json:
    """A Patient."""
    return {
        "fullUrl": f"http://clinic.example/Patient/{name}",
        "resource": {
            "resourceType": "Patient",
            "id": name,
            "identifier": [_number(name)],
            "name": [{"family": WORDS[name]}],
            "generalPractitioner": [{"reference": DOCTOR}],
        },
        "request": {"method": "PUT", "url": f"Patient/{name}"},
    }


def result(name: str, value: str = "5.40") -> Json:
    """An Observation with a text about the person."""
    return {
        "resource": {
            "resourceType": "Observation",
            "id": f"o-{name}",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "2345-7"}]},
            "subject": {"reference": f"Patient/{name}"},
            "performer": [{"reference": DOCTOR}],
            "effectiveDateTime": "2026-05-01T08:00:00Z",
            "valueQuantity": {"value": json.loads(value), "unit": "mmol/L"},
            "note": [{"text": f"{WORDS[name]} came fasting"}],
        },
        "request": {"method": "PUT", "url": f"Observation/o-{name}"},
    }


def doctor() -> Json:
    """The Practitioner to whom all refer."""
    return {
        "fullUrl": DOCTOR,
        "resource": {
            "resourceType": "Practitioner",
            "identifier": [{"system": "urn:id:SGH", "value": "SIMDR005"}],
            "name": [{"family": "Kim"}],
        },
        "request": {"method": "POST", "url": "Practitioner"},
    }


def meeting(*names: str) -> Json:
    """An Appointment of several persons."""
    who = [{"actor": {"reference": f"Patient/{n}"}, "status": "accepted"} for n in names]
    return {
        "resource": {
            "resourceType": "Appointment",
            "id": "together",
            "status": "booked",
            "start": "2026-05-02T08:00:00Z",
            "end": "2026-05-02T09:00:00Z",
            "comment": " and ".join(WORDS[n] for n in names),
            "participant": who,
        },
        "request": {"method": "PUT", "url": "Appointment/together"},
    }


def bundle(*entries: Json, **more: Any) -> bytes:
    """A transaction, with blanks between, as people write it."""
    head = {"resourceType": "Bundle", "type": "transaction", "timestamp": "2026-05-01T09:00:00Z"}
    return json.dumps({**head, **more, "entry": list(entries)}, indent=1).encode()


def several(*names: str, extra: tuple[Json, ...] = ()) -> bytes:
    """Patients with a result each, and the doctor of all of them."""
    each = [entry for name in names for entry in (person(name), result(name))]
    return bundle(*each, doctor(), *extra)


def ids_of(feed: Feed, namespace: Any, names: tuple[str, ...]) -> dict[str, str]:
    """The source patients of these names."""
    found = {}
    for name in names:
        body = bundle(person(name))
        look = whose(body, json.loads(body), feed, namespace, hashlib.sha256(body).digest())
        assert look.source_patient == source_patient_id(
            namespace, feed.patient_namespace, "fhir:id", name
        )
        found[name] = look.source_patient
    return found


def _number(name: str) -> Json:
    kind = {"coding": [{"code": "MR"}]}
    return {"type": kind, "system": "urn:clinic", "value": f"number-{WORDS[name]}"}
