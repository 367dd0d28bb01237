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


#: Pieces and what they weigh: "2 tablets (500 mg each)", "2 x 500 mg".
_EACH: Final = re.compile(r"\beach\b|\bapiece\b", re.IGNORECASE)
_MANY: Final = re.compile(rf"(?<![\w.]){_NUMBER}\s*[x×*]\s*\d", re.IGNORECASE)
#: Times of a day; said in two ways they are still one: "nightly at bedtime".
_TIMES: Final[tuple[re.Pattern[str], ...]] = tuple(
    re.compile(rf"\b(?:{words})\b", re.IGNORECASE)
    for words in (
        r"(?:every|each|in the) morning|qam",
        r"(?:every|each|in the) evening|qpm",
        r"(?:every|each) night|at (?:bedtime|night)|nightly|qhs",
    )
)


@lru_cache(maxsize=4096)
def amount_said(text: str) -> str:
    """The one amount that is taken at a time, ``14 units``; "" if there is none, are several, or
    it is not said whether a weight is of one piece or of all."""
    if _OPEN.search(text) or _MANY.search(text):
        return ""
    said = [list(pattern.finditer(text)) for pattern in (_WEIGHT, _PIECES)]
    if any(len({f"{m[1]} {m[2]}".casefold() for m in found}) > 1 for found in said):
        return ""
    weight, pieces = (found[0] if found else None for found in said)
    if weight is None or pieces is None:
        one = weight or pieces
        return f"{one[1]} {one[2]}".casefold() if one else ""
    if float(pieces[1]) == 1 or weight.start() < pieces.start():
        return f"{weight[1]} {weight[2]}".casefold()  # "500 mg (2 tablets)": in two tablets
    if _EACH.search(text):
        return f"{float(weight[1]) * float(pieces[1]):.10g} {weight[2]}".casefold()
    return ""


@lru_cache(maxsize=4096)
def times_a_day(text: str) -> float:
    """How often a day; 0 if it does not say it, or says it in two ways."""
    if _OPEN.search(text):
        return 0.0
    found: set[float] = set()
    rest = text
    times = [pattern for pattern in _TIMES if pattern.search(text)]
    if len(times) > 1:  # in the morning and at bedtime
        found.add(len(times))
        for pattern in times:
            rest = pattern.sub(" ", rest)
    for pattern, often in _OFTEN:
        rest, count = pattern.subn(" ", rest)
        if count:
            found.add(often)
    return found.pop() if len(found) == 1 else 0.0
