"""Whether two words may be one: mistyped, misread by a scanner, misheard, or written as one.

Words are squeezed (``folding``). Everything here is symmetric.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rapidfuzz.distance import OSA, JaroWinkler

_osa = OSA.distance
_winkler = JaroWinkler.similarity


def close(a: str, b: str) -> bool:
    """Whether two words may be one, mistyped: one edit (two in long words), or nearly so."""
    if a == b:
        return True
    longest = max(len(a), len(b))
    if longest < 4:
        return (
            longest == 3 and len(a) == len(b) and a[0] == b[0] and _osa(a, b, score_cutoff=1) <= 1
        )
    if _osa(a, b, score_cutoff=2) <= (2 if longest >= 8 else 1):
        return True
    return bool(_winkler(a, b, score_cutoff=0.93) >= 0.93)


#: What scanners and tired eyes take for one another; strokes first, then letters.
_STROKES: Final = (("rn", "m"), ("cl", "d"))
_SHAPES: Final = str.maketrans("lj1vwec0qb685", "iiiuuooogh" + "hhs")


@lru_cache(maxsize=50_000)
def _shape(word: str) -> str:
    for strokes, letter in _STROKES:
        if strokes in word:
            word = word.replace(strokes, letter)
    return word.translate(_SHAPES)


def misread(a: str, b: str) -> bool:
    """Whether two words look alike in bad print: ``Kim`` and ``Kirn``, ``Ye`` and ``Yc``."""
    return abs(len(a) - len(b)) <= 2 and _shape(a) == _shape(b)


#: Spellings of one sound, the longest first. Vowels stay, unlike in ``folding.sound``.
_SPELLINGS: Final = (
    ("tsch", "ch"),
    ("dj", "j"),
    ("sch", "sh"),
    ("tch", "ch"),
    ("kh", "k"),
    ("ph", "f"),
    ("gh", "g"),
    ("th", "t"),
    ("ck", "k"),
    ("qu", "k"),
    ("cz", "ch"),
    ("sz", "sh"),
    ("ts", "s"),
    ("tz", "s"),
    ("ks", "x"),
    ("ie", "i"),
    ("ei", "ai"),
    ("ey", "i"),
    ("ea", "i"),
    ("ou", "u"),
    ("o", "u"),
    ("aw", "ao"),
    ("au", "ao"),
    ("uw", "au"),
)
_SPOKEN: Final = str.maketrans("cqzwyj", "kksvig")


@lru_cache(maxsize=50_000)
def _heard(word: str) -> str:
    for pair, single in _SPELLINGS:
        if pair in word:
            word = word.replace(pair, single)
    word = word.translate(_SPOKEN)
    return "".join(c for i, c in enumerate(word) if i == 0 or c != word[i - 1])


def misheard(a: str, b: str) -> bool:
    """Whether two words sound the same, vowels included: ``Pieter`` and ``Pyter``."""
    return _heard(a) == _heard(b)


#: Letters whose names sound alike when somebody spells on the telephone.
_SPELT_ALIKE: Final = ("bcdegptvz", "mn", "fsx", "ahjk", "iy", "quw")


def misspelt_first(a: str, b: str) -> bool:
    """Whether two words differ in their first letter only, and the two letters are called alike:
    ``Natthew`` for ``Matthew``."""
    if a[1:] != b[1:] or len(a) < 3:
        return False
    return any(a[0] in letters and b[0] in letters for letters in _SPELT_ALIKE)


def lost_first(a: str, b: str) -> bool:
    """Whether one is the other without its first letter: ``onald``."""
    short, long = (a, b) if len(a) < len(b) else (b, a)
    return len(short) >= 3 and len(long) == len(short) + 1 and long[1:] == short


#: Small words before names that some write onto them; squeezed.
_BEFORE: Final = frozenset(
    {"d", "da", "dal", "de", "del", "dela", "delos", "den", "der", "des", "di", "do", "dos", "du"}
    | {"el", "ibn", "la", "las", "le", "los", "o", "st", "ten", "ter"}
    | {"van", "vande", "vanden", "vander", "von"}
)


def glued(a: str, b: str) -> str:
    """The shorter of two names when the longer is it and another as one word: ``lopez`` of
    ``lopezcastilo``, ``vries`` of ``devries``; "" when it is not so."""
    short, long = (a, b) if len(a) < len(b) else (b, a)
    if len(short) < 4:
        return ""
    if len(long) - len(short) < 4:
        return short if long.endswith(short) and long[: -len(short)] in _BEFORE else ""
    return short if long.startswith(short) or long.endswith(short) else ""
