"""National Provider Identifiers: ten digits, the last of them a check digit (45 CFR 162.406)."""

from __future__ import annotations

from typing import Final

#: How FHIR names the system of NPIs.
NPI_SYSTEM: Final = "http://hl7.org/fhir/sid/us-npi"
#: How it comes from HL7 v2.
NPI_OID: Final = "urn:oid:2.16.840.1.113883.4.6"

#: What the prefix 80840 (health, United States) adds to the sum of an NPI's digits.
_PREFIX_SUM: Final = 24


def is_npi(text: str) -> bool:
    """Whether ``text`` is an NPI: ten digits that begin with 1 or 2 and fit their check digit."""
    if len(text) != 10 or not text.isascii() or not text.isdigit() or text[0] not in "12":
        return False
    total = _PREFIX_SUM
    for place, digit in enumerate(reversed(text)):
        value = int(digit)
        if place % 2:
            value *= 2
            value -= 9 if value > 9 else 0
        total += value
    return total % 10 == 0
