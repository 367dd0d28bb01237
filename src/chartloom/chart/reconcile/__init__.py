"""Reconciliation: one list of medications, allergies, problems and results, and why it is so."""

from chartloom.chart.reconcile.lines import (
    Confidence,
    Decided,
    Discrepancy,
    Fact,
    Line,
    ListKind,
    ReconciledList,
    Said,
)

__all__ = [
    "Confidence",
    "Decided",
    "Discrepancy",
    "Fact",
    "Line",
    "ListKind",
    "ReconciledList",
    "Said",
]
