"""Sensitivity labels that were set wrongly, or are missing: seen and corrected by people."""

from chartloom.serve.labels.door import LabelDoor
from chartloom.serve.labels.reading import LABELS, REASON_WORDS, Thing, thing_of, things_of, waiting
from chartloom.serve.labels.saying import Outcome, Saying, said_of, speak

__all__ = [
    "LABELS",
    "REASON_WORDS",
    "LabelDoor",
    "Outcome",
    "Saying",
    "Thing",
    "said_of",
    "speak",
    "thing_of",
    "things_of",
    "waiting",
]
