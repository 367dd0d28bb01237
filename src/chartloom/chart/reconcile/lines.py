"""What reconciliation yields: one list per kind, each line with its reasons and its sources."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from chartloom.domain.issues import Issue


class ListKind(StrEnum):
    """What is reconciled."""

    MEDICATIONS = "medications"
    ALLERGIES = "allergies"
    PROBLEMS = "problems"
    RESULTS = "results"


class Confidence(StrEnum):
    """How sure a status is."""

    HIGH = "high"
    MODERATE = "moderate"
    LOW = "low"


class Fact(msgspec.Struct, frozen=True):
    """One entry of the chart behind a line: nothing that was grouped is hidden.

    resource_id leads to the resource and from there to the bytes. says: code of what it says about
    the line (``order-active``, ``filled``, ``listed``, ``billed``, ``refuted``, ...). at_us: when
    that was so, 0 if unknown. text: as its source words it. detail: what matters of it, shaped for
    display (dose, days' supply, severity, ...).
    """

    resource_id: str
    resource_type: str
    source_patient: str
    source: str
    says: str
    at_us: int
    text: str
    detail: dict[str, str] = {}


class Discrepancy(msgspec.Struct, frozen=True):
    """Something that does not fit. code: of the rules' table; facts: resource ids it rests on."""

    code: str
    facts: tuple[str, ...]


class Decided(msgspec.Struct, frozen=True):
    """What a clinician decided about a line. by: actor id; said: the status given; note: a code.

    stale: newer facts contradict it.
    """

    by: str
    at_us: int
    said: str
    position: int
    stale: bool = False


class Line(msgspec.Struct, frozen=True):
    """One therapy, allergy, problem or comparable series of results of a person.

    key: stable name of the line, independent of sources and order. status: as the kind's FHIR value
    set has it, or ``unknown``. standing: what kind of unknown, under which it is listed apart
    (``unconfirmed``, ``contradicted``, ``stale``, ``noted``, ``planned``), or "". reason: code of
    the rule that gave the status. because: codes that raise or lower the confidence. sources:
    source -> what it says, in one word.
    """

    key: str
    text: str
    status: str
    reason: str
    confidence: Confidence
    because: tuple[str, ...]
    sources: dict[str, str]
    facts: tuple[Fact, ...]
    discrepancies: tuple[Discrepancy, ...] = ()
    decided: Decided | None = None
    detail: dict[str, str] = {}
    standing: str = ""


class ReconciledList(msgspec.Struct, frozen=True):
    """A reconciled list with the versions it was made by. rules, formulary: their fingerprints.

    issues: what in the chart refers to nothing (codes of drugs that the formulary does not know).
    """

    kind: ListKind
    lines: tuple[Line, ...]
    rules: str
    formulary: str
    made_at_us: int
    issues: tuple[Issue, ...] = ()
