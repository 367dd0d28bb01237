"""What the table of medications says, typed."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

Days: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=36_500)]
Level: TypeAlias = Literal["high", "moderate", "low"]
Standing: TypeAlias = Literal["", "unconfirmed", "contradicted", "stale", "planned", "noted"]
Status: TypeAlias = Literal["active", "on-hold", "stopped", "completed", "unknown"]


class Grace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a therapy is still believed after its supply has run out.

    days: so long, or share: so much of the days' supply of the last fill, whichever is longer.
    as_needed_days: of what is taken when needed. course_days: none at all for what was filled once
    for no more days than these: a course. Where more than rhythm_fills fills are known:
    rhythm times the longest gap between them, rhythm_days to rhythm_days_max.
    """

    days: Days
    course_days: Days
    share: Annotated[float, msgspec.Meta(ge=0, le=10)]
    as_needed_days: Days
    rhythm: Annotated[float, msgspec.Meta(ge=0, le=10)]
    rhythm_days: Days
    rhythm_days_max: Days
    rhythm_fills: Annotated[int, msgspec.Meta(ge=1, le=20)]


class Belief(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When an open order is no longer shown as active without a newer sign that it is taken.

    given_up_per_year: share of therapies that people give up in a year without a word; what a
    person did counts beside it, as if this had been seen in given_up_years. doubt: above this
    probability it is unknown; doubt_named: likewise where no fill of it is seen, but a list, a
    dose or a renewal is. late_days: mean by which a next fill comes late, of people of
    whom nothing is known, which counts as much as late_fills fills. as_needed_days: from one fill
    to the next of what is taken when needed, likewise. skipped: how often a next fill is not seen
    at all although somebody goes on. late_gives_up: the power of
    how late a person comes, next to late_days, by which that person gives up more; 0: none.
    forgotten: how often a list of
    what is taken leaves out a drug that is. list_names, list_share: so many therapies, and this
    share of those heard of lately, must a list name to be one of everything.
    """

    given_up_per_year: Annotated[float, msgspec.Meta(ge=0, le=10)]
    given_up_years: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    doubt: Annotated[float, msgspec.Meta(ge=0, le=1)]
    doubt_named: Annotated[float, msgspec.Meta(ge=0, le=1)]
    late_days: Annotated[float, msgspec.Meta(gt=0, le=365)]
    as_needed_days: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    late_fills: Annotated[float, msgspec.Meta(gt=0, le=100)]
    skipped: Annotated[float, msgspec.Meta(ge=0, lt=1)]
    late_gives_up: Annotated[float, msgspec.Meta(ge=0, le=2)]
    forgotten: Annotated[float, msgspec.Meta(gt=0, le=1)]
    list_names: Annotated[int, msgspec.Meta(ge=1, le=100)]
    list_share: Annotated[float, msgspec.Meta(ge=0, le=1)]


class Reason(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule concludes, and how sure it is before anything else is looked at.

    standing: under which heading what is unknown is listed.
    """

    status: Status
    confidence: Level
    standing: Standing = ""


class MedicationRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``medications.toml``; the comments there say what each value decides."""

    version: str
    supply_days: Days
    supply_days_max: Days
    new_order_days: Days
    fill_expected_days: Days
    order_days: Days
    order_days_of_class: dict[str, Days]
    statement_days: Days
    decision_days: Days
    hold_days: Days
    given_hours: Annotated[int, msgspec.Meta(ge=0, le=24 * 365)]
    renewal_days: Days
    dose_tolerance: Annotated[float, msgspec.Meta(ge=0, le=10)]
    belief: Belief
    grace: Grace
    grace_of_class: dict[str, Days]
    without_fills: tuple[str, ...]
    exclusive_classes: tuple[str, ...]
    forms_together: tuple[str, ...]
    reasons: dict[str, Reason]
    because: dict[str, Annotated[int, msgspec.Meta(ge=-2, le=2)]]
    discrepancies: tuple[str, ...]
