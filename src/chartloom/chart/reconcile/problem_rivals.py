"""What other problems say about one: kinds of the same disease, and what ended it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from chartloom.chart.reconcile.lines import Discrepancy, Fact
from chartloom.chart.reconcile.problem_evidence import Evidence
from chartloom.chart.reconcile.problem_judge import Said
from chartloom.chart.reconcile.rules_problems import ProblemRules

_CLOSED: Final = ("refuted", "resolved", "inactive")


class Rivals:
    """The problems of a chart beside each other. facts: key of a problem -> what was said of it."""

    def __init__(self, facts: Mapping[str, Sequence[Fact]], rules: ProblemRules) -> None:
        self._facts, self._rules = facts, rules

    def of(self, key: str) -> list[str]:
        """The other kinds of the same disease that somebody names, and that nobody closed."""
        kinds = [k for kinds in self._rules.rivals if key in kinds for k in kinds if k != key]
        return [k for k in kinds if self._open(k)]

    def shared(self, key: str, evidence: Evidence) -> Evidence:
        """The evidence for a problem, without what may as well be of another kind of it.

        Insulin says that there is diabetes, not which: it supports the kind that somebody
        diagnosed, and of kinds that only bills name neither.
        """
        return evidence if not self.of(key) or self._informed(key) else Evidence()

    def beside(self, key: str) -> list[Discrepancy]:
        """That another kind is named: who reads one line shall know of the other. What only bills
        name is no news to who reads a diagnosis."""
        mine, informed = self._facts.get(key, ()), self._informed(key)
        theirs = [
            f for k in self.of(key) if self._informed(k) or not informed for f in self._open(k)
        ]
        if not theirs:
            return []
        ids = dict.fromkeys(f.resource_id for f in (*mine, *theirs))
        return [Discrepancy("another-kind", tuple(ids))]

    def ended(self, key: str) -> list[Fact]:
        """What ended it, as evidence of this problem."""
        events = self._rules.ended_by.get(key, ())
        return [
            msgspec.structs.replace(f, says="ended")
            for k in events
            for f in self._facts.get(k, ())
            if f.says not in ("refuted", "suspected", "noted")
        ]

    def _open(self, key: str) -> list[Fact]:
        return [f for f in self._facts.get(key, ()) if f.says not in _CLOSED]

    def _informed(self, key: str) -> bool:
        return Said.of(self._facts.get(key, ())).informed
