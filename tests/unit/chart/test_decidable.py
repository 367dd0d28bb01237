"""Every line can be decided about: what lists are made from, a decision may name."""

from __future__ import annotations

from chartloom.chart.shape import ENTRIES, POINTS
from chartloom.domain.decisions import EVIDENCE

#: What no line of a list is made from: who somebody is, appointments, money, decisions themselves.
_NEVER = {"Patient", "RelatedPerson", "Appointment", "Coverage", "Account", "List"}


def test_whatever_a_chart_shows_may_stand_behind_a_decision() -> None:
    assert {*ENTRIES, *POINTS} - _NEVER <= EVIDENCE
