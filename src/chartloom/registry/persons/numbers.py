"""Identifiers and dates of birth: which of them say who somebody is, and which are fillers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from chartloom.registry.persons.folding import fold
from chartloom.registry.persons.record import Number

#: So many of a patient's numbers are compared and are keys,
NUMBERS_MAX: Final = 16
#: of so many identifiers that are looked at.
_IDENTIFIERS_MAX: Final = 512
#: Those of systems and states say more than others, and come first where there are too many.
_FIRST: Final = ("record", "national")
#: HL7 table 0203: a system's number for a patient.
RECORD: Final = frozenset({"MR", "PI", "PT", "MRT", "PE", "MRN"})
#: Given to one person by a state or its insurance.
NATIONAL: Final = frozenset(
    {
        "SS",
        "NI",
        "NNxxx",
        "NH",
        "HC",
        "PPN",
        "DL",
        "MC",
        "MA",
        "CZ",
        "SB",
        "TAX",
        "BCT",
        "NIIP",
        "SSN",
    }
)
#: Says nothing about who somebody is: accounts, visits, insured families, practitioners.
_OTHERS: Final = frozenset(
    {"AN", "VN", "VS", "FI", "MB", "SN", "PN", "NPI", "EI", "PRN", "ACSN", "FILL", "PLAC", "GN"}
)
_SSN_SYSTEMS: Final = frozenset(
    {
        "http://hl7.org/fhir/sid/us-ssn",
        "urn:oid:2.16.840.1.113883.4.1",
        "2.16.840.1.113883.4.1",
        "ssn",
    }
)
#: The number in a wallet sold in 1938, and another that was printed on advertising.
_PRINTED: Final = frozenset({"078051120", "219099999", "457555462"})


def read_numbers(identifiers: Any) -> tuple[Number, ...]:
    """What of a Patient's identifiers says who somebody is; of too many, those that say most."""
    found = _numbers(identifiers)
    if len(found) > NUMBERS_MAX:
        found.sort(key=lambda n: n.kind not in _FIRST)
    return tuple(found[:NUMBERS_MAX])


def has_more_numbers(identifiers: Any) -> bool:
    """Whether some of a Patient's numbers are left out, so that nobody is found by them."""
    if not isinstance(identifiers, list) or len(identifiers) <= NUMBERS_MAX:
        return False
    return len(identifiers) > _IDENTIFIERS_MAX or len(_numbers(identifiers)) > NUMBERS_MAX


def _numbers(identifiers: Any) -> list[Number]:
    if not isinstance(identifiers, list):
        return []
    found: dict[Number, None] = {}
    for identifier in identifiers[:_IDENTIFIERS_MAX]:
        if isinstance(identifier, dict):
            number = _number(identifier)
            if number is not None:
                found[number] = None
    return list(found)


def _number(identifier: dict[str, Any]) -> Number | None:
    value = identifier.get("value")
    if not isinstance(value, str) or not value or identifier.get("use") == "temp":
        return None
    code, system = _code(identifier.get("type")), identifier.get("system")
    if not isinstance(system, str) or not system:
        assigner = identifier.get("assigner")
        system = assigner.get("display") if isinstance(assigner, dict) else ""
        system = system if isinstance(system, str) else ""
    value = number_value(value)
    if not value or code in _OTHERS:
        return None
    if code in ("SS", "SSN") or system.casefold() in _SSN_SYSTEMS:
        return Number("national", "ssn", value) if _possible_ssn(value) else None
    if code in NATIONAL or code.startswith("NN"):
        return Number("national", f"{code}|{fold(system)}", value)
    if not system:
        return None
    return Number("record" if code in RECORD else "other", system.casefold(), value)


def _code(type_: Any) -> str:
    if isinstance(type_, dict) and isinstance(codings := type_.get("coding"), list):
        for coding in codings:
            if isinstance(coding, dict) and isinstance(code := coding.get("code"), str):
                return code
    return ""


@lru_cache(maxsize=50_000)
def number_value(text: str) -> str:
    """Letters and digits in capitals; "" for fillers: one repeated digit, a run, an "unknown"."""
    value = "".join(c for c in text.upper() if c.isalnum())
    core = value.lstrip("0")
    if len(core) < 2 or value in ("UNKNOWN", "NONE", "UNK", "NA", "NULL", "REFUSED", "PENDING"):
        return ""
    if len(value) >= 4 and len(set(value)) == 1:
        return ""
    if len(value) >= 6 and value in "01234567890123456789":
        return ""
    if len(value) >= 6 and value in "98765432109876543210":
        return ""
    return value


def _possible_ssn(value: str) -> bool:
    if len(value) != 9 or not value.isdigit():
        return False
    return (
        value[:3] not in ("000", "666")
        and value[3:5] != "00"
        and value[5:] != "0000"
        and value not in _PRINTED
    )


#: What systems keep where they do not know a date of birth: their first or last day.
_FILLERS: Final = frozenset(
    (
        *("19000101", "18991231", "18991230", "19010101", "1900", "1901"),  # spreadsheets, forms
        *("18000101", "17530101", "16010101", "15821015"),  # forms, databases, file times
        *("18401231", "18581117"),  # MUMPS, VMS
    )
)
#: The same of days on which people were born, too: it may be one.
_MAYBE_FILLERS: Final = frozenset(("19700101", "20000101"))
#: Before this nobody wrote down days of birth; such a year is a slip.
_YEAR_MIN: Final = 1500


@lru_cache(maxsize=50_000)
def read_birth(text: str) -> tuple[str, int]:
    """(digits of the date as far as it is known, doubt: see ``MatchRecord.birth_doubt``)."""
    day = text[:10]
    found = day[:4] + day[5:7] + day[8:10] if len(day) > 4 and not day.isdigit() else day[:8]
    if len(found) not in (4, 6, 8) or not (found.isascii() and found.isdigit()):
        return "", 0
    year, month, date = int(found[:4]), int(found[4:6] or 1), int(found[6:] or 1)
    if not _YEAR_MIN <= year <= 2200 or not 1 <= month <= 12 or not 1 <= date <= 31:
        return "", 0
    if found in _FILLERS:
        return found, 2
    if found in _MAYBE_FILLERS:
        return found, 1
    if found.endswith("0101") and len(found) == 8:
        return found, 1
    return found, 0
