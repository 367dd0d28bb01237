"""Sensitivity labels by rule: which contributions reveal what. Start with :func:`load_rules`."""

from chartloom.normalize.sensitivity.explain import Reason, explain
from chartloom.normalize.sensitivity.labeller import (
    Labeller,
    builtin,
    labels_of,
    load_files,
    load_rules,
    with_labels,
)

__all__ = [
    "Labeller",
    "Reason",
    "builtin",
    "explain",
    "labels_of",
    "load_files",
    "load_rules",
    "with_labels",
]
