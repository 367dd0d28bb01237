"""Code patterns of the sensitivity rules, as regular expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable

_RANGE = re.compile(r"([A-Z]?)(\d+)\.\.([A-Z]?)(\d+)")
#: A word of a text, without what stands around it.
WORD = re.compile(r"[^\W_]+")
_ALLOWED = re.compile(r"[A-Za-z0-9.*?\[\]_/+-]+")


class BadPattern(ValueError):
    """A pattern of a rule cannot be read; the text says why."""


def code_regex(pattern: str, *, dotless: bool) -> str:
    """A regular expression that a whole (upper-case) code must match.

    dotless: dots are taken out of the pattern, as ``canonical``
    (:mod:`chartloom.formats.fhir.codings`) takes them out of codes.
    """
    if ".." in pattern:
        return _range_regex(pattern)
    if not _ALLOWED.fullmatch(pattern):
        raise BadPattern("it holds characters that no code has")
    if dotless:
        pattern = pattern.replace(".", "")
    regex = ""
    for part in re.findall(r"\[[^\[\]]*\]|.", pattern.upper()):
        if part == "*":
            regex += ".*"
        elif part == "?":
            regex += "."
        elif len(part) > 1:
            if not re.fullmatch(r"\[[A-Z0-9-]+\]", part):
                raise BadPattern(f"{part} is no set of characters")
            regex += part
        elif part in "[]":
            raise BadPattern("a bracket is not closed")
        else:
            regex += re.escape(part)
    return _compiles(regex)


def _range_regex(pattern: str) -> str:
    found = _RANGE.fullmatch(pattern.upper())
    if not found or found[1] != found[3] or len(found[2]) != len(found[4]):
        raise BadPattern("a range looks like F10..F19")
    letter, width = found[1], len(found[2])
    numbers = range(int(found[2]), int(found[4]) + 1)
    if not numbers:
        raise BadPattern("the range is empty")
    return f"{letter}(?:{'|'.join(str(n).zfill(width) for n in numbers)}).*"


def _compiles(regex: str) -> str:
    try:
        re.compile(regex)
    except re.error as error:
        raise BadPattern("a set of characters is not in order") from error
    return regex


def words_regex(phrase: str) -> str:
    """A regular expression that finds a phrase as whole words in case-folded text."""
    words = phrase.casefold().split()
    if not words:
        raise BadPattern("it is empty")
    return r"(?<![^\W_])" + r"[\s_]+".join(re.escape(w) for w in words) + r"(?![^\W_])"


def first_word(phrase: str) -> str:
    """The first word (``WORD``) of a phrase: a case-folded text without it holds no such phrase.
    "" if there is none to go by."""
    return next(iter(WORD.findall(phrase.casefold().split()[0])), "")


def one_of(regexes: Iterable[str]) -> re.Pattern[str] | None:
    """All of them as one; ``None`` if there are none."""
    joined = "|".join(f"(?:{r})" for r in regexes)
    return re.compile(joined) if joined else None
