"""A FHIR Consent by which a patient withholds everything."""

WITHHELD = {
    "resourceType": "Consent",
    "id": "c",
    "status": "active",
    "scope": {"text": "privacy"},
    "category": [{"text": "privacy"}],
    "patient": {"reference": "Patient/p"},
    "policyRule": {"text": "opt out"},
    "provision": {"type": "deny"},
}
