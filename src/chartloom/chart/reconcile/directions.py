"""Plain directions read: ``14 units at bedtime`` is 14 units a day.

Only what says one amount and one frequency is read; ``1-2 tablets as directed`` says neither.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_NUMBER: Final = r"\d+(?:\.\d+)?"
_WEIGHT: Final = re.compile(
    rf"(?<![\w.\-/])({_NUMBER})\s*(mg|g|mcg|ug|µg|units?|iu)\b(?!\s*/)", re.IGNORECASE
)
_PIECES: Final = re.compile(
    rf"(?<![\w.\-/])({_NUMBER})\s*(tablets?|tabs?|capsules?|caps?|puffs?)\b", re.IGNORECASE
)
#: What leaves the dose open, or says several.
_OPEN: Final = re.compile(
    rf"\b(?:prn|as (?:needed|directed)|if|then|or|up to|max\w*|taper\w*|sliding|per|hold"
    rf"|alternat\w+|except)\b|(?<![\d.]){_NUMBER}\s*(?:-|–|to)\s*{_NUMBER}\s*[a-z]",
    re.IGNORECASE,
)
_OFTEN: Final[tuple[tuple[re.Pattern[str], float], ...]] = tuple(
    (re.compile(rf"\b(?:{words})\b", re.IGNORECASE), times)
    for words, times in (
        (r"(?:once |one time )?(?:weekly|(?:a|per|every|each) week)|q1?w(?:eek)?", 1 / 7),
        (r"every other day|every (?:2|second) days?|qod", 0.5),
        (r"every (?:72 hours|3(?:rd)? days?)|q72h", 1 / 3),
        (r"twice (?:daily|a day|per day)|(?:two|2) times (?:daily|a day|per day)|bid|every 12 hours"
         r"|q12h", 2),
        (r"(?:three|3) times (?:daily|a day|per day)|tid|every 8 hours|q8h", 3),
        (r"(?:four|4) times (?:daily|a day|per day)|qid|every 6 hours|q6h", 4),
        (r"every 4 hours|q4h", 6),
        (r"(?:once )?daily|once a day|(?:every|each) (?:day|morning|evening|night)|qd|qhs|qam|qpm"
         r"|nightly|at (?:bedtime|night)|in the (?:morning|evening)|every 24 hours|q24h", 1),
    )
)  # fmt: skip


@lru_cache(maxsize=4096)
def amount_said(text: str) -> str:
    """The one amount that is taken at a time, ``14 units``; "" if there is none, or are several."""
    if _OPEN.search(text):
        return ""
    for pattern in (_WEIGHT, _PIECES):
        found = {f"{number} {unit}".casefold() for number, unit in pattern.findall(text)}
        if found:
            return found.pop() if len(found) == 1 else ""
    return ""


@lru_cache(maxsize=4096)
def times_a_day(text: str) -> float:
    """How often a day; 0 if it does not say it, or says it in two ways."""
    if _OPEN.search(text):
        return 0.0
    found: set[float] = set()
    rest = text
    for pattern, times in _OFTEN:
        rest, count = pattern.subn(" ", rest)
        if count:
            found.add(times)
    return found.pop() if len(found) == 1 else 0.0
