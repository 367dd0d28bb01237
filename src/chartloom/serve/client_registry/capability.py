"""What the FHIR door says of itself: CapabilityStatement and OperationDefinitions. Pure."""

from __future__ import annotations

from typing import Any, Final

from chartloom.domain.resource import FhirJson
from chartloom.serve.client_registry.fhir_params import PARAMETERS

BASE: Final = "/fhir/R4"
#: When what is said here last changed.
_DATE: Final = "2026-11-22"
_SEARCH: Final = "http://hl7.org/fhir/SearchParameter/"
_DEFINITIONS: Final = {
    "_id": _SEARCH + "Resource-id",
    "active": _SEARCH + "Patient-active",
    "identifier": _SEARCH + "Patient-identifier",
    "family": _SEARCH + "individual-family",
    "given": _SEARCH + "individual-given",
    "mothersMaidenName": _SEARCH + "patient-extensions-Patient-mothersMaidenName",
    "birthdate": _SEARCH + "individual-birthdate",
    "gender": _SEARCH + "individual-gender",
    "telecom": _SEARCH + "individual-telecom",
}
_INDEXED: Final = {
    "_id": "Answered by index.",
    "identifier": "Answered by index. system|value, value, or system| for the wanted domains.",
    "family": "Answered by index from three letters on; regardless of case.",
    "given": "Answered by index from three letters on; regardless of case.",
    "telecom": "Answered by index: an e-mail address, or seven digits or more of a telephone.",
    "birthdate": "Answered by index where all that is asked for lies within 400 days.",
}
_ONLY_COMPARED: Final = "Compared with those who were found by others; alone it is refused."
_TYPE: Final = "http://hl7.org/fhir/OperationDefinition/Patient-match"
_PIX: Final = "https://profiles.ihe.net/ITI/PIXm/OperationDefinition/IHE.PIXm.pix"


def capability(base: str, version: str) -> FhirJson:
    """The CapabilityStatement. base: address of the door; version: of the project."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "Chartloom", "version": version},
        "implementation": {"description": "Who a patient is", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "instantiates": [
            "https://profiles.ihe.net/ITI/PDQm/CapabilityStatement/IHE.PDQm.Supplier",
            "https://profiles.ihe.net/ITI/PIXm/CapabilityStatement/IHE.PIXm.Manager",
        ],
        "rest": [
            {
                "mode": "server",
                "documentation": "Searches are exact about what they leave out: a parameter that "
                "is not known is an error, and nobody is found without one that an index answers.",
                "security": {
                    "service": [
                        {
                            "coding": [
                                {
                                    "system": "http://terminology.hl7.org/CodeSystem/"
                                    "restful-security-service",
                                    "code": "SMART-on-FHIR",
                                }
                            ]
                        }
                    ],
                    "description": "SMART Backend Services, scope system/Patient.rs; see "
                    ".well-known/smart-configuration.",
                },
                "resource": [_patient(base)],
            }
        ],
    }


def _patient(base: str) -> FhirJson:
    return {
        "type": "Patient",
        "supportedProfile": ["https://profiles.ihe.net/ITI/PDQm/StructureDefinition/"
                             "IHE.PDQm.Patient"],
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [_parameter(name, kind) for name, kind in PARAMETERS.items()],
        "operation": [
            {"name": "match", "definition": f"{base}/OperationDefinition/match"},
            {"name": "ihe-pix", "definition": f"{base}/OperationDefinition/ihe-pix"},
        ],
    }  # fmt: skip


def _parameter(name: str, kind: str) -> FhirJson:
    found: FhirJson = {"name": name, "type": kind}
    if name in _DEFINITIONS:
        found["definition"] = _DEFINITIONS[name]
    elif name.startswith("address"):
        found["definition"] = f"{_SEARCH}individual-{name}"
    found["documentation"] = _INDEXED.get(name, _ONLY_COMPARED)
    return found


def operation(id: str, base: str) -> FhirJson | None:
    """An OperationDefinition of ours by its id; ``None`` if there is none."""
    made = _OPERATIONS.get(id)
    if made is None:
        return None
    code, title, derived, idempotent, parameters = made
    return {
        "resourceType": "OperationDefinition",
        "id": id,
        "url": f"{base}/OperationDefinition/{id}",
        "name": title.replace(" ", ""),
        "title": title,
        "status": "active",
        "kind": "operation",
        "date": _DATE,
        "affectsState": not idempotent,
        "code": code,
        "base": derived,
        "resource": ["Patient"],
        "system": False,
        "type": True,
        "instance": False,
        "parameter": parameters,
    }


def _in(name: str, kind: str, least: int, most: str, text: str, search: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": name, "use": "in", "min": least, "max": most, "documentation": text, "type": kind,
    }  # fmt: skip
    if search:
        found["searchType"] = search
    return found


def _out(name: str, kind: str, most: str, text: str) -> dict[str, Any]:
    return {"name": name, "use": "out", "min": 0, "max": most, "documentation": text, "type": kind}


_OPERATIONS: Final[dict[str, tuple[str, str, str, bool, list[dict[str, Any]]]]] = {
    "match": (
        "match",
        "Who a described patient may be",
        _TYPE,
        True,
        [
            _in("resource", "Resource", 1, "1", "The Patient, as far as it is known."),
            _in("onlyCertainMatches", "boolean", 0, "1", "Nobody unless it is certain who it is."),
            _in("count", "integer", 0, "1", "At most so many persons (50)."),
            _out("return", "Bundle", "1", "Persons, the likeliest first, with score and grade."),
        ],
    ),
    "ihe-pix": (
        "ihe-pix",
        "Other identifiers of a patient",
        _PIX,
        True,
        [
            _in("sourceIdentifier", "string", 1, "1", "system|value of the patient.", "token"),
            _in("targetSystem", "uri", 0, "*", "Only identifiers of these domains."),
            _out("targetIdentifier", "Identifier", "*", "One identifier per domain."),
            _out("targetId", "Reference", "1", "The person at this door."),
        ],
    ),
}
