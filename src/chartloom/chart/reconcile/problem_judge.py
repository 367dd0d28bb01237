"""Is a problem there? What was said about it, weighed by the table of rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from chartloom.chart.reconcile.conditions import Condition
from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.reconcile.lines import Discrepancy, Fact
from chartloom.chart.reconcile.problem_evidence import Evidence
from chartloom.chart.reconcile.rules_problems import ProblemRules

#: Reasons that rest on bills alone.
BILLED: Final = frozenset(("billed-only", "billed-repeatedly", "billed-and-supported"))

#: For so long bills still come for what ended.
_BILLS_FOLLOW_US: Final = 42 * DAY_US

_Judged = tuple[str, list[Discrepancy]]


class Said(msgspec.Struct, frozen=True):
    """The facts about one problem by what they say, newest first."""

    listed: tuple[Fact, ...]
    registered: tuple[Fact, ...]
    inpatient: tuple[Fact, ...]
    outpatient: tuple[Fact, ...]
    suspected: tuple[Fact, ...]
    noted: tuple[Fact, ...]
    billed: tuple[Fact, ...]
    over: tuple[Fact, ...]
    refuted: tuple[Fact, ...]
    ended: tuple[Fact, ...] = ()

    @classmethod
    def of(cls, facts: Sequence[Fact]) -> Said:
        """The facts of a line, sorted."""

        def those(*says: str) -> tuple[Fact, ...]:
            return tuple(f for f in facts if f.says in says)

        return cls(
            those("listed"),
            those("registered"),
            those("diagnosed-inpatient"),
            those("diagnosed"),
            those("suspected"),
            those("noted"),
            those("billed", "billed-inpatient"),
            those("resolved", "inactive"),
            those("refuted"),
            those("ended"),
        )

    @property
    def lists(self) -> tuple[Fact, ...]:
        """Where somebody keeps it as a problem."""
        return (*self.listed, *self.registered)

    def after(self, at_us: int) -> Said:
        """What was said later: of another episode, where one ended then."""
        names = self.__struct_fields__
        return Said(*(tuple(f for f in getattr(self, n) if f.at_us > at_us) for n in names))

    @property
    def informed(self) -> bool:
        """Whether somebody who knows the person says so."""
        return bool(self.lists or self.diagnosed)

    @property
    def diagnosed(self) -> tuple[Fact, ...]:
        """Where somebody made the diagnosis."""
        return (*self.inpatient, *self.outpatient)


def judge(
    condition: Condition, said: Said, evidence: Evidence, rules: ProblemRules, now_us: int
) -> _Judged:
    """The reason for a problem's status, and what does not fit."""
    if condition.course == "event":
        return "happened", []
    ended_us = _last(said.ended)
    if ended_us > _last((*said.lists, *said.diagnosed, *said.suspected)):
        said = said.after(ended_us + _BILLS_FOLLOW_US)
        if not said.billed and not said.noted:
            return "ended-since", []
    negative = _negative(said)
    if negative is not None:
        past = negative[0] not in ("refuted", "refuted-later")
        kept = past and condition.key in rules.kept_as_history
        return ("past-event", negative[1]) if kept else negative
    found = _elsewhere(said)
    if condition.course in ("visit", "history") and not said.listed:
        return "reason-for-visit" if condition.course == "visit" else "history-of", found
    if condition.course == "acute" or (condition.course == "episode" and not said.lists):
        return _passing(condition, said, found, rules, now_us)
    return _lasting(said, evidence, rules, found)


def _last(facts: Iterable[Fact]) -> int:
    return max((f.at_us for f in facts), default=0)


def _disc(code: str, facts: Iterable[Fact]) -> list[Discrepancy]:
    ids = tuple(dict.fromkeys(f.resource_id for f in facts))
    return [Discrepancy(code, ids)] if ids else []


def _negative(said: Said) -> _Judged | None:
    """If the last informed word is that it is over, or was never there.

    What a bill or a suspicion says later is no informed word.
    """
    against = max((*said.over, *said.refuted), key=lambda f: (f.at_us, f.says), default=None)
    if against is None or against.at_us < _last((*said.lists, *said.diagnosed)):
        return None
    refuted = against.says == "refuted"
    others = said.lists
    still = _disc("still-listed-elsewhere", others)
    if refuted:
        return ("refuted-later" if others else "refuted"), still
    if others:
        return "resolved-later", still
    return against.says, still


def _elsewhere(said: Said) -> list[Discrepancy]:
    """It stands, though somebody said earlier that it does not."""
    return [
        *_disc("resolved-elsewhere", said.over),
        *_disc("refuted-elsewhere", said.refuted),
    ]


def _passing(
    condition: Condition,
    said: Said,
    found: list[Discrepancy],
    rules: ProblemRules,
    now_us: int,
) -> _Judged:
    """What ends by itself after its days."""
    informed = (*said.lists, *said.diagnosed)
    last = _last(informed or (*said.suspected, *said.billed, *said.noted))
    if now_us - last > condition.days * DAY_US:
        if informed and condition.key in rules.kept_as_history:
            return "past-event", found
        return ("acute-course-over" if informed else "never-confirmed"), found
    if informed:
        return "acute-recent", found
    if said.suspected:
        return "suspected-only", [*found, *_disc("suspected-only", said.suspected)]
    if said.noted and not said.billed:
        return "noted-only", found
    return "billed-only", [*found, *_disc("billed-only", said.billed)]


def _lasting(
    said: Said, evidence: Evidence, rules: ProblemRules, found: list[Discrepancy]
) -> _Judged:
    """What stays until somebody says otherwise."""
    if said.listed:
        return ("listed-again" if found else "listed"), found
    if said.registered:
        return "registered", found
    supported = bool(evidence.results or evidence.drugs)
    if len(said.inpatient) >= rules.inpatient_count:
        return "diagnosed-in-hospital", found
    if _apart(said.diagnosed, rules.outpatient_count, rules.outpatient_days_apart):
        return "diagnosed-repeatedly", found
    if said.diagnosed:
        return ("diagnosed-and-supported" if supported else "diagnosed-once"), found
    if said.billed:
        code = _disc("billed-only", said.billed)
        if supported:
            return "billed-and-supported", [*found, *code]
        if _apart(said.billed, rules.billed_count, rules.billed_days_apart):
            return "billed-repeatedly", [*found, *code]
        return "billed-only", [*found, *code]
    if said.suspected:
        return "suspected-only", [*found, *_disc("suspected-only", said.suspected)]
    if said.noted and not evidence.results:
        return "noted-only", found
    return "suggested-by-results", [*found, *_disc("suggested-not-listed", evidence.results)]


def _apart(facts: Sequence[Fact], count: int, days: int) -> bool:
    """On so many different days, the first and the last so many days apart."""
    on = {f.at_us // DAY_US for f in facts if f.at_us}
    return len(on) >= count and max(on) - min(on) >= days if on else False
