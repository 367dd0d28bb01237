""" "No known allergies" in whatever words: a denial only if it says nothing else.

A word that is not understood may be the allergy, as in "no known allergies except penicillin".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

#: How the statement begins that there is no allergy.
_BEGINS: Final = re.compile(
    r"none known|no known|nk[dfe]?a$|(no|denies|denied)( any)?"
    r"( known| recorded| reported| documented)?"
    r"( drug| medication| medicine| food| environmental| latex)? (allerg|hypersens|intoler|sensit)"
)
_NO: Final = frozenset(("no", "none", "denies", "denied"))
_ABOUT: Final = re.compile(r"allerg|hypersensitiv|intoleran|sensitivit")
_SCOPES: Final = {
    "none-known-drug": "drug drugs medication medications medicine medicines medicinal nkda",
    "none-known-food": "food foods nkfa",
    "none-known-environment": "environment environmental nkea",
    "none-known-latex": "latex",
}
_SCOPE_OF: Final = {word: key for key, words in _SCOPES.items() for word in words.split()}
#: Words that say how, when and by whom it was said, never of what.
_FILLS: Final = (
    "known recorded reported documented noted found identified any asked confirmed verified "
    "reviewed stated at this time currently today present patient pt parent family per by to or "
    "and of on in file record chart the substance substances history hx nka nkda nkfa nkea"
)
_FILLING: Final = frozenset(_FILLS.split())
#: "No allergies on file", "no allergies confirmed": nobody says that there are none, unless it says
#: who knows.
_UNASKED: Final = re.compile(
    r"recorded|documented|noted|found|file|record|chart|asked|confirmed|verified|reviewed"
)
_KNOWN: Final = re.compile(r"known|identified|den(?:ies|ied)|nk[dfe]?a")
_FIRST_WORDS: Final = re.compile(r"[^,;:.(\n]*")
#: Where one statement ends and the next begins; that a comma does so shows only in what follows it.
_STOPS: Final = re.compile(r"[;:.\n]|\s[-\u2013\u2014]+\s|,(?=\s*no\b)")
_WORD: Final = re.compile(r"[^\W_]+")
_EXCEPT: Final = re.compile(
    r"\b(?:except(?:ing|ion|ions)?(?:\s+(?:for|of|to))?|besides|other\s+than|apart\s+from"
    r"|aside\s+from|excluding|excludes|but|save\s+for)\b[\s:,]*"
)


@lru_cache(maxsize=8192)
def denied_scope(text: str) -> str:
    """The key of the substance of kind ``none`` that a text is; empty if it may be anything else.

    Several scopes together are those of the first, which is said at least.
    """
    statements = [words for part in _STOPS.split(text.casefold()) if (words := _WORD.findall(part))]
    if not statements or not _BEGINS.match(" ".join(statements[0])) or _open_question(text):
        return ""
    if not all(_understood(words) for words in statements):
        return ""
    scopes = [_SCOPE_OF[w] for words in statements for w in words if w in _SCOPE_OF]
    wider = [scope for scope in scopes if scope != "none-known-latex"]
    return next(iter(wider or scopes), "none-known")


def _open_question(text: str) -> bool:
    """Whether it says only that nothing was written down or asked, or asks itself."""
    found = _FIRST_WORDS.match(text.casefold())
    first = found[0] if found else ""
    return "?" in text or bool(_UNASKED.search(first) and not _KNOWN.search(first))


def denies(text: str) -> bool:
    """Whether a text begins as a denial, whatever follows."""
    return text.partition(" ")[0] in _NO


def _understood(words: list[str]) -> bool:
    """Whether a statement denies, or only fills."""
    if words[0] not in _NO:
        return all(w in _FILLING or w.isdecimal() for w in words)
    about = [n for n, w in enumerate(words) if _ABOUT.match(w)]
    for n, word in enumerate(words):
        if word == "latex" and about and n > about[-1] and "to" not in words[about[-1] : n]:
            return False  # "no known allergies, latex"
        known = word in _SCOPE_OF or word in _FILLING or word in _NO
        if not (known or word.isdecimal() or _ABOUT.match(word)):
            return False
    return True


@lru_cache(maxsize=8192)
def exception(text: str) -> str:
    """What a denial leaves out, in its words: "penicillin" of "none known except penicillin"."""
    told = text.casefold()
    found = _EXCEPT.search(told)
    if found is None or not denied_scope(told[: found.start()].removesuffix("with the ")):
        return ""
    return told[found.end() :].strip(" .,;")
