"""From a FHIR Patient to what is compared of it. Total: any JSON object gives a record."""

from __future__ import annotations

from typing import Any, Final

from chartloom.domain.resource import FhirJson
from chartloom.registry.persons.names import family_words, read_names
from chartloom.registry.persons.numbers import number_value, read_birth, read_numbers
from chartloom.registry.persons.places import read_contacts, read_homes
from chartloom.registry.persons.record import MatchRecord

_SEX: Final = {"female": "f", "male": "m", "other": "o"}
_MAIDEN: Final = "mothersMaidenName"
_MOTHERS: Final = "mothers-identifier"


def standardise(patient: FhirJson) -> MatchRecord:
    """What of a FHIR R4 Patient says who somebody is, folded.

    Anything of a wrong shape is passed over, as if it were absent. No clock, no state.
    """
    named = read_names(patient.get("name"))
    birth_date, gender = patient.get("birthDate"), patient.get("gender")
    birth, doubt = read_birth(birth_date) if isinstance(birth_date, str) else ("", 0)
    phones, emails = read_contacts(patient.get("telecom"))
    mother, mother_numbers = _mother(patient.get("extension"))
    return MatchRecord(
        kind=named.kind,
        families=named.families,
        parts=named.parts,
        givens=named.givens,
        aliases=named.aliases,
        roots=named.roots,
        suffix=named.suffix,
        sex=_SEX.get(gender, "") if isinstance(gender, str) else "",
        birth=birth,
        birth_doubt=doubt,
        homes=read_homes(patient.get("address")),
        phones=phones,
        emails=emails,
        numbers=read_numbers(patient.get("identifier")),
        mother=mother,
        mother_numbers=mother_numbers,
        multiple=named.order or _multiple(patient),
    )


def _multiple(patient: FhirJson) -> int:
    order = patient.get("multipleBirthInteger")
    if isinstance(order, int) and not isinstance(order, bool) and 0 < order < 12:
        return order
    return -1 if patient.get("multipleBirthBoolean") is True else 0


def _mother(extensions: Any) -> tuple[str, tuple[str, ...]]:
    if not isinstance(extensions, list):
        return "", ()
    name, numbers = "", []
    for extension in extensions:
        if not isinstance(extension, dict) or not isinstance(url := extension.get("url"), str):
            continue
        if url.endswith(_MAIDEN) and isinstance(text := extension.get("valueString"), str):
            read = family_words(text.split(",")[0] if "," in text else text.split(" ")[-1])
            name = read.parts[-1] if read.parts else ""
        elif (
            url.endswith(_MOTHERS)
            and isinstance(identifier := extension.get("valueIdentifier"), dict)
            and isinstance(value := identifier.get("value"), str)
            and (value := number_value(value))
        ):
            numbers.append(value)
    return name, tuple(numbers[:4])
