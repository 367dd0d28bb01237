"""What a registration desk writes down, and how it looks as a FHIR Patient."""

from __future__ import annotations

from typing import Any

import msgspec

#: Assigning authorities of the record numbers of the simulated systems.
SYSTEMS = (
    "urn:sim:north-hospital",
    "urn:sim:valley-clinic",
    "urn:sim:lakeside",
    "urn:sim:childrens",
)
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_MAIDEN = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
_MOTHERS = "urn:sim:extension:mothers-identifier"


class Registration(msgspec.Struct):
    """The fields of a form; "" is an empty one. birth: ``YYYY-MM-DD``."""

    system: str
    number: str
    family: str = ""
    given: str = ""
    middle: str = ""
    suffix: str = ""
    former: str = ""
    sex: str = ""
    birth: str = ""
    street: str = ""
    flat: str = ""
    city: str = ""
    state: str = ""
    postal: str = ""
    phones: list[str] = []
    email: str = ""
    ssn: str = ""
    mother: str = ""
    mother_number: str = ""
    order: int = 0
    whole_name: str = ""  #: one text instead of fields, for systems that keep it so


def to_fhir(r: Registration) -> dict[str, Any]:
    """The Patient that a feed would carry."""
    patient: dict[str, Any] = {"resourceType": "Patient", "identifier": _identifiers(r)}
    names = _names(r)
    if names:
        patient["name"] = names
    if r.sex:
        patient["gender"] = {"F": "female", "M": "male"}.get(r.sex, "unknown")
    if r.birth:
        patient["birthDate"] = r.birth
    if r.street or r.city or r.postal:
        line = [x for x in (r.street, r.flat) if x]
        known = {"line": line, "city": r.city, "state": r.state, "postalCode": r.postal}
        patient["address"] = [{k: v for k, v in known.items() if v}]
    telecom = [{"system": "phone", "value": p} for p in r.phones if p]
    if r.email:
        telecom.append({"system": "email", "value": r.email})
    if telecom:
        patient["telecom"] = telecom
    extension: list[dict[str, Any]] = []
    if r.mother:
        extension.append({"url": _MAIDEN, "valueString": r.mother})
    if r.mother_number:
        extension.append({"url": _MOTHERS, "valueIdentifier": {"value": r.mother_number}})
    if extension:
        patient["extension"] = extension
    if r.order:
        patient["multipleBirthInteger"] = r.order
    return patient


def _identifiers(r: Registration) -> list[dict[str, Any]]:
    found = [_identifier("MR", r.system, r.number)]
    if r.ssn:
        found.append(_identifier("SS", "http://hl7.org/fhir/sid/us-ssn", r.ssn))
    return found


def _identifier(code: str, system: str, value: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _TYPES, "code": code}]},
        "system": system,
        "value": value,
    }


def _names(r: Registration) -> list[dict[str, Any]]:
    if r.whole_name:
        return [{"text": r.whole_name}]
    name: dict[str, Any] = {"use": "official"}
    if r.family:
        name["family"] = r.family
    given = [x for x in (r.given, r.middle) if x]
    if given:
        name["given"] = given
    if r.suffix:
        name["suffix"] = [r.suffix]
    names = [name] if len(name) > 1 else []
    if r.former:
        names.append({"use": "old", "family": r.former, **({"given": given} if given else {})})
    return names
