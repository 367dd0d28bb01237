"""What the table of problems says, typed."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

Days: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=36_500)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=1000)]
Level: TypeAlias = Literal["high", "moderate", "low"]
Status: TypeAlias = Literal["active", "inactive", "resolved", "refuted", "unknown"]
Step: TypeAlias = Annotated[int, msgspec.Meta(ge=-2, le=2)]


class ProblemReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule concludes, and how sure it is before anything else is looked at."""

    status: Status
    confidence: Level


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A result that supports a problem. unit: UCUM; values in other units are converted.

    suggests: several of them name a problem that nobody has named.
    """

    loinc: str
    unit: str
    at_least: float | None = None
    at_most: float | None = None
    suggests: bool = False


class Support(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What supports a problem: results, and drugs by the names of their ingredients."""

    results: tuple[Limit, ...] = ()
    drugs: tuple[str, ...] = ()


class ProblemRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``problems.toml``; the comments there say what each value decides."""

    version: str
    outpatient_count: Count
    outpatient_days_apart: Days
    inpatient_count: Count
    billed_count: Count
    billed_days_apart: Days
    acute_days: Days
    acute_codes: tuple[str, ...]
    visit_codes: tuple[str, ...]
    history_codes: tuple[str, ...]
    results_days: Days
    suggest_count: Count
    discrepancies: tuple[str, ...]
    reasons: dict[str, ProblemReason]
    because: dict[str, Step]
    evidence: dict[str, Support]
    rivals: tuple[tuple[str, ...], ...] = ()
    ended_by: dict[str, tuple[str, ...]] = {}
    kept_as_history: tuple[str, ...] = ()
