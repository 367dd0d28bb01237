"""What else persons are looked up by, besides whole names and numbers: how a name begins,
telephones, e-mail, the mother's identifier. Kept as blind fingerprints only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from chartloom.domain.resource import FhirJson
from chartloom.guard import Guard
from chartloom.registry.persons.lookup import PHONE_DIGITS, START_CHARS, digits_of, looked_up

_NAMES: Final = frozenset({"family", "given"})
_MOTHERS_NUMBER: Final = "mothers-identifier"


def starts(guard: Guard, kind: str, value: str) -> list[bytes]:
    """The fingerprint of the first letters; none if there are fewer, or if it is no name."""
    start = looked_up(value)[:START_CHARS]
    if kind not in _NAMES or len(start) < START_CHARS:
        return []
    return [guard.blind(f"{kind}^", start)]


def told_by(patient: FhirJson) -> Any:
    """The elements that :func:`traits` reads: while they stay the same, so do the traits."""
    return patient.get("telecom"), patient.get("extension")


def traits(patient: FhirJson) -> Iterator[tuple[str, str]]:
    """(kind, value) of what else a Patient is found by: ``phone``, ``email``, ``mother``."""
    for telecom in patient.get("telecom", ()):
        value = telecom.get("value", "")
        if "@" in value:
            yield "email", value
        elif len(digits := digits_of(value)) >= PHONE_DIGITS:
            yield "phone", digits[-PHONE_DIGITS:]
    for extension in patient.get("extension", ()):
        if extension.get("url", "").endswith(_MOTHERS_NUMBER):
            value = extension.get("valueIdentifier", {}).get("value", "")
            if value:
                yield "mother", value
