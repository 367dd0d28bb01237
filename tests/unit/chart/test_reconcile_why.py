"""Every code that a list may show has a sentence for clinicians, and no sentence is left over."""

from __future__ import annotations

from typing import get_args

import pytest

from chartloom.chart.reconcile import pieces, verdict
from chartloom.chart.reconcile.decided import CHANGED, DECIDED
from chartloom.chart.reconcile.lines import ListKind
from chartloom.chart.reconcile.rules import builtin_rules
from chartloom.chart.reconcile.rules_medications import Status
from chartloom.chart.reconcile.why import Role, sentences, why

_MEDICATIONS = builtin_rules().medications
_SAID = {s for words in pieces.SAYS.values() for s in words.values()} | set(
    pieces.SAYS_UNKNOWN.values()
)
_CODES = {
    Role.REASON: {*_MEDICATIONS.reasons, DECIDED},
    Role.BECAUSE: {*_MEDICATIONS.because, "facts-gone"},
    Role.DISCREPANCY: set(_MEDICATIONS.discrepancies),
    Role.SAYS: {*_SAID, "copy", "not-to-do", "noted", "noted-stopped"},
}


@pytest.mark.parametrize("role", Role)
def test_codes_of_medications_and_sentences_are_the_same_set(role: Role) -> None:
    told = {code for r, code in sentences(ListKind.MEDICATIONS) if r is role}
    assert told == _CODES[role]


def test_every_reason_that_is_concluded_stands_in_the_rules() -> None:
    assert set(verdict.REASON_OF.values()) <= set(_MEDICATIONS.reasons)
    assert CHANGED in _MEDICATIONS.discrepancies
    assert {r.status for r in _MEDICATIONS.reasons.values()} == set(get_args(Status))


def test_nothing_is_active_from_fills_alone_by_any_rule() -> None:
    alone = ("fill-without-order", "filled-after-stop")
    assert {_MEDICATIONS.reasons[r].status for r in alone} == {"unknown"}


def test_an_unknown_code_is_shown_as_it_is() -> None:
    assert why(ListKind.MEDICATIONS, Role.REASON, "of-a-later-version") == "of-a-later-version"
    assert why(ListKind.ALLERGIES, Role.REASON, DECIDED) == "A clinician decided so."
