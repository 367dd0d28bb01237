"""Folding text so that spellings of one word become one string.

Case, accents, hyphens, apostrophes and dots go; letters that are no accented letter (ø, ß, ł) are
written out; the digraphs that stand for umlauts (ue, oe, ae) become the plain vowel, on both sides
of every comparison. What is left is ``a-z0-9`` or, for scripts without case, their letters.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

_LETTERS: Final = str.maketrans(
    {
        "ø": "o",
        "œ": "o",
        "æ": "a",
        "ß": "ss",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
        "ħ": "h",
        "ŋ": "n",
    }
)
_JOINED: Final = dict.fromkeys(map(ord, "'`´’‘ʻʼ\"*"), None)
_SPLIT: Final = dict.fromkeys(map(ord, "-‐‑‒–—.,;:/\\()_+&|~^\t\r\n\u00a0"), " ")
_MARKS: Final = str.maketrans({**_JOINED, **_SPLIT})
#: Longest text that is looked at; what comes after says nothing about who somebody is.
TEXT_MAX: Final = 200


@lru_cache(maxsize=50_000)
def fold(text: str) -> str:
    """Lower case words without accents and marks, separated by one space."""
    text = text[:TEXT_MAX]
    if not text.isascii():
        text = _repaired(text)
        text = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
        text = "".join(c for c in text if not unicodedata.combining(c))
    return " ".join(text.lower().translate(_MARKS).split())


def _repaired(text: str) -> str:
    """UTF-8 that somebody read as Latin-1 (MÃ¼ller), read right. JOÃO is not that, and stays."""
    if not any(c in text for c in "ÂÃÄÅ"):
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


@lru_cache(maxsize=50_000)
def squeeze(word: str) -> str:
    """One folded word as names are compared: umlauts as plain vowels, doubled letters single."""
    for pair, single in (("ue", "u"), ("oe", "o"), ("ae", "a"), ("aa", "a")):
        if pair in word and len(word) > 3:
            word = word.replace(pair, single)
    last = ""
    kept = []
    for c in word:
        if c != last:
            kept.append(c)
        last = c
    return "".join(kept)


_DIGRAPHS: Final = (
    ("sch", "s"),
    ("tch", "s"),
    ("ph", "f"),
    ("ck", "k"),
    ("ch", "s"),
    ("sh", "s"),
    ("cz", "s"),
    ("sz", "s"),
    ("gh", "g"),
    ("th", "t"),
    ("wh", "v"),
    ("qu", "k"),
    ("kn", "n"),
    ("wr", "r"),
    ("ts", "s"),
    ("tz", "s"),
)
_SOUND: Final = str.maketrans("czqxjywdbg", "kskkgivtpk")
_VOWELS: Final = frozenset("aeiouhv")


@lru_cache(maxsize=50_000)
def sound(word: str) -> str:
    """A rough sound of one word: its first letter's sound, then consonants, at most four.

    Coarser than the phonetic codes of one language, for names come from all of them. Only a filter:
    what sounds alike is then compared.
    """
    for pair, single in _DIGRAPHS:
        if pair in word:
            word = word.replace(pair, single)
    word = word.translate(_SOUND)
    if not word:
        return ""
    head = "a" if word[0] in "aeiou" else word[0]
    kept = [head]
    for c in word[1:]:
        if c not in _VOWELS and c != kept[-1]:
            kept.append(c)
            if len(kept) == 4:
                break
    return "".join(kept)


def digits(text: str) -> str:
    """The ASCII digits of a text."""
    if text.isascii() and text.isdigit():
        return text
    return "".join(c for c in text if c in "0123456789")
