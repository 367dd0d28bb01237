"""Issues: coded, located findings in data. They never carry values, so they can be logged."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec


class Severity(StrEnum):
    """How much an Issue matters; the values of FHIR ``OperationOutcome.issue.severity``."""

    FATAL = "fatal"  #: the message could not be applied and is in quarantine
    ERROR = "error"  #: something was not carried over or not believed
    WARNING = "warning"  #: carried over, but somebody should look
    INFORMATION = "information"


class IssueCode(msgspec.Struct, frozen=True):
    """One entry of the catalogue of everything that can be found wrong with data."""

    code: str  #: kebab-case, stable for ever
    severity: Severity
    title: str  #: what happened, one sentence, no values
    cure: str  #: what the person who reads it should do


class Issue(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding. ``location`` says where; ``detail`` may hold codes or names of things, never PHI.

    location: an HL7 v2 path such as ``PID-3[1].4`` or ``OBX[2]-5``, a JSON pointer, or
    ``file:line``. span: byte offsets ``(start, end)`` in the verbatim message, where known.
    """

    code: str
    location: str = ""
    detail: str = ""
    span: tuple[int, int] | None = None

    @property
    def severity(self) -> Severity:
        """The catalogue's severity for this code."""
        return CATALOGUE[self.code].severity


#: Every code that may stand in an Issue. Rooms add theirs with :func:`register_codes` at import.
CATALOGUE: Final[dict[str, IssueCode]] = {}


def register_codes(*codes: IssueCode) -> None:
    """Adds codes to the catalogue. A code registered twice with another meaning is an error."""
    for code in codes:
        known = CATALOGUE.setdefault(code.code, code)
        if known != code:
            raise ValueError(f"issue code {code.code!r} is already registered with another meaning")
