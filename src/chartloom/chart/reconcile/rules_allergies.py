"""What the table of allergies says, typed."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

Days: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=36_500)]
Level: TypeAlias = Literal["high", "moderate", "low"]
Status: TypeAlias = Literal["active", "inactive", "resolved", "refuted", "unknown"]
Step: TypeAlias = Annotated[int, msgspec.Meta(ge=-2, le=2)]


class AllergyReason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule concludes, and how sure it is before anything else is looked at."""

    status: Status
    confidence: Level


class AllergyRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``allergies.toml``; the comments there say what each value decides."""

    version: str
    tolerated_after_days: Days
    overtaken_days: Days
    challenges: tuple[str, ...]
    tests: tuple[str, ...]
    negative: tuple[str, ...]
    positive: tuple[str, ...]
    class_of_drugs: dict[str, str]
    discrepancies: tuple[str, ...]
    reasons: dict[str, AllergyReason]
    because: dict[str, Step]
