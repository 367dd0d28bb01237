"""What a clinician can decide about a line of a reconciled list, and how it is written down.

A decision is a FHIR R4 ``List`` (as in IHE RECON): what kind of list in ``code``, by whom in
``source``, when in ``date``, the resources that it is about in ``entry.item``, what is said of them
in ``entry.flag``, and the line in an extension.
"""

from __future__ import annotations

from typing import Final

#: System of the actor ids of signed-in people (``user:ada``), as in the record of access.
ACTOR: Final = "urn:chartloom:actor"
#: System of the codes of decisions.
FLAG: Final = "urn:chartloom:decision"
#: Extension of a List: the key of the line.
LINE: Final = "urn:chartloom:extension:line"
#: Extension of an entry: digest of what its resource said when it was decided about.
CONTENT: Final = "urn:chartloom:extension:content"

#: Kind of list -> LOINC code of its ``List.code``.
CODES: Final[dict[str, str]] = {
    "medications": "10160-0",
    "allergies": "48765-2",
    "problems": "11450-4",
}
#: Kind of list -> what can be said of a line -> the status that the line then has.
STATUSES: Final[dict[str, dict[str, str]]] = {
    "medications": {
        "taking": "active",
        "on-hold": "on-hold",
        "stopped": "stopped",
        "not-taking": "stopped",
        "completed": "completed",
        "entered-in-error": "entered-in-error",
    },
    "allergies": {
        "confirmed": "active",
        "inactive": "inactive",
        "refuted": "refuted",
        "entered-in-error": "entered-in-error",
    },
    "problems": {
        "confirmed": "active",
        "resolved": "resolved",
        "inactive": "inactive",
        "refuted": "refuted",
        "entered-in-error": "entered-in-error",
    },
}
#: Types of the resources that may stand behind a line of any list: whatever lists are made from.
EVIDENCE: Final = frozenset(
    (
        "AllergyIntolerance",
        "ChargeItem",
        "Composition",
        "Condition",
        "DiagnosticReport",
        "DocumentReference",
        "Encounter",
        "Immunization",
        "MedicationAdministration",
        "MedicationDispense",
        "MedicationRequest",
        "MedicationStatement",
        "Observation",
        "Procedure",
        "ServiceRequest",
    )
)
#: Takes the last decision about a line back.
WITHDRAWN: Final = "withdrawn"
