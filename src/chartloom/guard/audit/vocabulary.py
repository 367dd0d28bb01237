"""Codes of our AuditEvents: DICOM, FHIR and ISO 21089 codes as IHE BALP uses them, and ours."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

BALP: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
RESTFUL: Final = "http://hl7.org/fhir/restful-interaction"
LIFECYCLE: Final = "http://terminology.hl7.org/CodeSystem/iso-21089-lifecycle"
ENTITY_TYPE: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
ENTITY_ROLE: Final = "http://terminology.hl7.org/CodeSystem/object-role"
BALP_ENTITY: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
PARTICIPATION: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
LABEL: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
IHE_TRANSACTION: Final = "urn:ihe:event-type-code"
KIND: Final = "urn:chartloom:audit-kind"
ROLE: Final = "urn:chartloom:role"
ACTOR: Final = "urn:chartloom:actor"


class Kind(StrEnum):
    """What an event records; the second ``subtype`` of every event of ours."""

    READ = "read"
    SEARCH = "search"
    EXPORT = "export"
    DISCLOSURE = "disclosure"
    TRANSFORM = "transform"
    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    SESSION_ENDED = "session-ended"
    GLASS_BROKEN = "glass-broken"
    GLASS_ENDED = "glass-ended"
    GLASS_REVIEWED = "glass-reviewed"
    POLICY_CHANGED = "policy-changed"
    ROLE_CHANGED = "role-changed"
    KEY_CREATED = "key-created"
    KEY_ROTATED = "key-rotated"
    KEY_RETIRED = "key-retired"
    KEY_SHREDDED = "key-shredded"
    SHRED_REQUESTED = "shredding-requested"
    SHRED_DECIDED = "shredding-decided"
    USE_REQUESTED = "data-use-requested"
    USE_DECIDED = "data-use-decided"
    IDENTITY_SAID = "identity-said"
    RECONCILED = "reconciled"
    DIRECTORY_SAID = "directory-said"
    LABEL_SAID = "label-said"
    STARTED = "started"
    STOPPED = "stopped"


#: Type and first subtype by kind.
CODES: Final[dict[Kind, tuple[str, str, str, str]]] = {
    Kind.READ: (TYPE, "rest", RESTFUL, "read"),
    Kind.SEARCH: (TYPE, "rest", RESTFUL, "search-type"),
    Kind.EXPORT: (DCM, "110106", LIFECYCLE, "extract"),
    Kind.DISCLOSURE: (DCM, "110106", LIFECYCLE, "disclose"),
    Kind.TRANSFORM: (LIFECYCLE, "transform", LIFECYCLE, "transform"),
    Kind.SIGN_IN: (DCM, "110114", DCM, "110122"),
    Kind.SIGN_OUT: (DCM, "110114", DCM, "110123"),
    Kind.SESSION_ENDED: (DCM, "110114", DCM, "110123"),
    Kind.GLASS_BROKEN: (DCM, "110113", DCM, "110127"),
    Kind.GLASS_ENDED: (DCM, "110113", DCM, "110138"),
    Kind.GLASS_REVIEWED: (DCM, "110113", LIFECYCLE, "verify"),
    Kind.POLICY_CHANGED: (DCM, "110113", DCM, "110129"),
    Kind.ROLE_CHANGED: (DCM, "110113", DCM, "110136"),
    Kind.KEY_CREATED: (DCM, "110113", DCM, "110129"),
    Kind.KEY_ROTATED: (DCM, "110113", DCM, "110129"),
    Kind.KEY_RETIRED: (DCM, "110113", DCM, "110129"),
    Kind.KEY_SHREDDED: (DCM, "110113", LIFECYCLE, "destroy"),
    Kind.SHRED_REQUESTED: (DCM, "110113", DCM, "110135"),
    Kind.SHRED_DECIDED: (DCM, "110113", DCM, "110135"),
    Kind.USE_REQUESTED: (DCM, "110113", DCM, "110135"),
    Kind.USE_DECIDED: (DCM, "110113", DCM, "110135"),
    Kind.IDENTITY_SAID: (TYPE, "rest", RESTFUL, "update"),
    Kind.RECONCILED: (TYPE, "rest", RESTFUL, "update"),
    Kind.DIRECTORY_SAID: (TYPE, "rest", RESTFUL, "update"),
    Kind.LABEL_SAID: (TYPE, "rest", RESTFUL, "update"),
    Kind.STARTED: (DCM, "110100", DCM, "110120"),
    Kind.STOPPED: (DCM, "110100", DCM, "110121"),
}

#: FHIR ``action`` by kind; ``E`` (execute) for all others.
ACTIONS: Final[dict[Kind, str]] = {
    Kind.READ: "R",
    Kind.EXPORT: "R",
    Kind.DISCLOSURE: "R",
    Kind.TRANSFORM: "C",
    Kind.POLICY_CHANGED: "U",
    Kind.ROLE_CHANGED: "U",
    Kind.KEY_CREATED: "C",
    Kind.KEY_ROTATED: "U",
    Kind.KEY_RETIRED: "D",
    Kind.KEY_SHREDDED: "D",
    Kind.SHRED_REQUESTED: "C",
    Kind.SHRED_DECIDED: "U",
    Kind.USE_REQUESTED: "C",
    Kind.USE_DECIDED: "U",
    Kind.IDENTITY_SAID: "U",
    Kind.RECONCILED: "U",
    Kind.DIRECTORY_SAID: "U",
    Kind.LABEL_SAID: "U",
}

#: BALP profile by kind, where there is one.
PROFILES: Final[dict[Kind, str]] = {
    Kind.READ: "PatientRead",
    Kind.SEARCH: "Query",
    Kind.DISCLOSURE: "PrivacyDisclosure.Source",
    Kind.IDENTITY_SAID: "Update",
    Kind.RECONCILED: "Update",
    Kind.DIRECTORY_SAID: "Update",
    Kind.LABEL_SAID: "Update",
}
#: BALP profile of a search within one patient's record.
PATIENT_QUERY: Final = "PatientQuery"
#: BALP profile of a read that is about no patient.
PLAIN_READ: Final = "Read"
