"""Invariants of R4 that JSON Schema can say, by the type they belong to and FHIR's own key.

Each is a schema for the whole element; keys are those of the StructureDefinitions (``obs-6``).
"""

from __future__ import annotations

from typing import Any, Final

_Schema = dict[str, Any]

_OBSERVATION_VALUES: Final = [
    "Quantity",
    "CodeableConcept",
    "String",
    "Boolean",
    "Integer",
    "Range",
    "Ratio",
    "SampledData",
    "Time",
    "DateTime",
    "Period",
]


def _any_of(*names: str) -> _Schema:
    return {"anyOf": [{"required": [n]} for n in names]}


def _needs(name: str, *others: str) -> _Schema:
    return {"dependentRequired": {name: list(others)}}


def _excludes(name: str, *others: str) -> _Schema:
    return {"dependentSchemas": {name: {"properties": dict.fromkeys(others, False)}}}


def _if(condition: _Schema, then: _Schema) -> _Schema:
    return {"if": condition, "then": then}


def _is(name: str, *codes: str) -> _Schema:
    return {"required": [name], "properties": {name: {"enum": list(codes)}}}


def _coded(name: str, *codes: str) -> _Schema:
    """The CodeableConcept ``name`` has one of the codes."""
    coding = {"properties": {"code": {"enum": list(codes)}}, "required": ["code"]}
    return {
        "required": [name],
        "properties": {
            name: {"required": ["coding"], "properties": {"coding": {"contains": coding}}}
        },
    }


_OBSERVED = [f"value{v}" for v in _OBSERVATION_VALUES]
_ABATED = [f"abatement{t}" for t in ("DateTime", "Age", "Period", "Range", "String")]

INVARIANTS: Final[dict[str, dict[str, _Schema]]] = {
    "Attachment": {"att-1": _needs("data", "contentType")},
    "ContactPoint": {"cpt-2": _needs("value", "system")},
    "Quantity": {"qty-3": _needs("code", "system")},
    "Ratio": {
        "rat-1": {
            "anyOf": [
                {"required": ["numerator", "denominator"]},
                {"required": ["extension"], "properties": {"numerator": False}},
            ]
        }
    },
    "Timing.repeat": {
        "tim-1": _needs("duration", "durationUnit"),
        "tim-2": _needs("period", "periodUnit"),
        "tim-4": {"properties": {"duration": {"minimum": 0}}},
        "tim-5": {"properties": {"period": {"minimum": 0}}},
        "tim-6": _needs("periodMax", "period"),
        "tim-7": _needs("durationMax", "duration"),
        "tim-8": _needs("countMax", "count"),
        "tim-9": _needs("offset", "when"),
        "tim-10": _excludes("timeOfDay", "when"),
    },
    "Patient.contact": {"pat-1": _any_of("name", "telecom", "address", "organization")},
    "AllergyIntolerance": {
        "ait-1": {
            "anyOf": [
                {"required": ["clinicalStatus"]},
                _coded("verificationStatus", "entered-in-error"),
            ]
        },
        "ait-2": _if(
            _coded("verificationStatus", "entered-in-error"),
            {"properties": {"clinicalStatus": False}},
        ),
    },
    "Condition": {
        "con-4": _if(
            _any_of(*_ABATED),
            {
                "anyOf": [
                    {"properties": {"clinicalStatus": False}},
                    _coded("clinicalStatus", "resolved", "remission", "inactive"),
                ]
            },
        ),
        "con-5": _if(
            _coded("verificationStatus", "entered-in-error"),
            {"properties": {"clinicalStatus": False}},
        ),
    },
    "Condition.stage": {"con-1": _any_of("summary", "assessment")},
    "Condition.evidence": {"con-2": _any_of("code", "detail")},
    "Observation": {"obs-6": _excludes("dataAbsentReason", *_OBSERVED)},
    "Observation.referenceRange": {"obs-3": _any_of("low", "high", "text")},
    "MedicationAdministration.dosage": {"mad-1": _any_of("dose", "rateRatio", "rateQuantity")},
    "ServiceRequest": {"prr-1": _needs("orderDetail", "code")},
    "Immunization.education": {"imm-1": _any_of("documentType", "reference")},
    "Appointment": {
        "app-2": {"dependentRequired": {"start": ["end"], "end": ["start"]}},
        "app-3": {
            "anyOf": [
                {"required": ["start", "end"]},
                _is("status", "proposed", "cancelled", "waitlist"),
            ]
        },
        "app-4": _if({"required": ["cancelationReason"]}, _is("status", "cancelled", "noshow")),
    },
    "Appointment.participant": {"app-1": _any_of("type", "actor")},
    "Organization": {
        "org-1": _any_of("identifier", "name"),
        "org-2": {
            "properties": {
                "address": {"items": {"properties": {"use": {"not": {"const": "home"}}}}}
            }
        },
        "org-3": {
            "properties": {
                "telecom": {"items": {"properties": {"use": {"not": {"const": "home"}}}}}
            }
        },
    },
    "CarePlan.activity": {
        "cpl-3": {"not": {"required": ["detail", "reference"]}},
    },
    "Goal.target": {
        "gol-1": _if(
            _any_of(
                *(
                    f"detail{t}"
                    for t in [
                        "Quantity",
                        "Range",
                        "CodeableConcept",
                        "String",
                        "Boolean",
                        "Integer",
                        "Ratio",
                    ]
                )
            ),
            {"required": ["measure"]},
        )
    },
    "FamilyMemberHistory": {
        "fhs-1": {
            "not": {
                "allOf": [
                    _any_of("ageAge", "ageRange", "ageString"),
                    _any_of("bornPeriod", "bornDate", "bornString"),
                ]
            }
        },
    },
    "Bundle": {
        "bdl-1": _if({"required": ["total"]}, _is("type", "searchset", "history")),
        "bdl-9": _if(_is("type", "document"), {"required": ["identifier"]}),
        "bdl-10": _if(_is("type", "document"), {"required": ["timestamp"]}),
        "bdl-3": _if(
            _is("type", "transaction", "batch", "history"),
            {"properties": {"entry": {"items": {"required": ["request"]}}}},
        ),
    },
    "Bundle.entry": {"bdl-5": _any_of("resource", "request", "response")},
}
