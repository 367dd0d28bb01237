"""Reconciliation: one list of medications, allergies, problems and results, and why it is so."""

from chartloom.chart.reconcile.allergies import reconcile_allergies
from chartloom.chart.reconcile.allergy_crossings import cross
from chartloom.chart.reconcile.decided import Decision, contents_of, decisions_of
from chartloom.chart.reconcile.lines import (
    Confidence,
    Decided,
    Discrepancy,
    Fact,
    Line,
    ListKind,
    ReconciledList,
)
from chartloom.chart.reconcile.medications import reconcile_medications
from chartloom.chart.reconcile.problems import reconcile_problems
from chartloom.chart.reconcile.results import reconcile_results
from chartloom.chart.reconcile.rules import Rules, builtin_rules, load_rules
from chartloom.chart.reconcile.why import Role, sentences, why

__all__ = [
    "Confidence",
    "Decided",
    "Decision",
    "Discrepancy",
    "Fact",
    "Line",
    "ListKind",
    "ReconciledList",
    "Role",
    "Rules",
    "builtin_rules",
    "contents_of",
    "cross",
    "decisions_of",
    "load_rules",
    "reconcile_allergies",
    "reconcile_medications",
    "reconcile_problems",
    "reconcile_results",
    "sentences",
    "why",
]
