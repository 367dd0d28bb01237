"""Comparing two records field by field."""

from __future__ import annotations

from calendar import monthrange
from typing import Final

from rapidfuzz.distance import OSA, JaroWinkler

from chartloom.registry.persons.comparison import Comparison
from chartloom.registry.persons.contacts import (
    email_level,
    home_level,
    mother_level,
    mothers_number,
    national_level,
    phone_level,
    record_level,
)
from chartloom.registry.persons.folding import sound, squeeze
from chartloom.registry.persons.lexicon import classes_of, forms_of
from chartloom.registry.persons.parameters import Parameters
from chartloom.registry.persons.record import MatchRecord
from chartloom.registry.persons.spelling import (
    close,
    glued,
    lost_first,
    misheard,
    misread,
    misspelt_first,
)

_osa = OSA.distance
_winkler = JaroWinkler.similarity


def compare(a: MatchRecord, b: MatchRecord, parameters: Parameters) -> Comparison:
    """The levels of two records. ``compare(a, b) == compare(b, a)``."""
    family, family_name = _family(a, b, parameters)
    given, given_name = _given(a, b, parameters)
    if family in _APART and given in _APART and _swapped(a, b):
        family = given = "swapped"
    years = abs(int(a.birth[:4]) - int(b.birth[:4])) if a.birth and b.birth else -1
    return Comparison(
        family,
        given,
        _middle(a.givens, b.givens) if given == "exact" or given == "nickname" else "missing",
        _birth(a, b),
        "missing" if not a.sex or not b.sex else "same" if a.sex == b.sex else "different",
        home_level(a.homes, b.homes),
        phone_level(a.phones, b.phones),
        email_level(a.emails, b.emails),
        national_level(a.numbers, b.numbers),
        record_level(a.numbers, b.numbers),
        "missing"
        if not a.suffix or not b.suffix
        else "same"
        if a.suffix == b.suffix
        else "different",
        mother_level(a, b),
        parameters.family_rarity(family_name) if family_name else 0.0,
        parameters.given_rarity(given_name) if given_name else 0.0,
        years,
        a.multiple > 0 and b.multiple > 0 and a.multiple != b.multiple,
        a.multiple != 0 or b.multiple != 0,
        one_name := given == "similar" and _one_name(a, b, parameters),
        one_name and a.givens[0][1:] == b.givens[0][1:],
        given in _TWO_NAMES and _is_name(a, parameters) and _is_name(b, parameters),
        _second_name(a, b) if given == "different" or given == "similar" else "",
        bool((a.mother_numbers or b.mother_numbers) and mothers_number(a, b)),
        family == "part" and _crossing(a.parts, b.parts),
    )


#: Letters that a system keeps of a given name, at least.
_CUT: Final = 6
#: Levels of given names that are not the same.
_TWO_NAMES: Final = frozenset({"different", "nickname", "middle", "close", "similar"})
_APART: Final = frozenset({"different", "renamed", "part", "middle", "initial", "similar", "sound"})


def _family(a: MatchRecord, b: MatchRecord, parameters: Parameters) -> tuple[str, str]:
    if not a.families or not b.families:
        return "missing", ""
    first, second = a.families[0], b.families[0]
    if first == second:
        return "exact", first
    if len(a.families) > 1 or len(b.families) > 1:
        common = min((f for f in a.families if f in b.families), default="")
        if common:
            return "former", common
    if len(a.parts) > 1 or len(b.parts) > 1:
        common = _part(a, b)
        if common:
            return "part", common
    if close(first, second):
        return "close", ""
    if common := glued(first, second):
        return "part", common
    named = parameters.knows_family(first) and parameters.knows_family(second)
    if not named and (misread(first, second) or misheard(first, second)):
        return "close", ""
    short = min(len(first), len(second)) <= 2
    if sound(first) == sound(second) and not (short and _osa(first, second, score_cutoff=1) > 1):
        return "sound", ""
    if len(a.families) > 1 or len(b.families) > 1:
        for one in a.families:
            for other in b.families:
                if close(one, other):
                    return "close", ""
    if _close_part(a, b) or _close_part(b, a):
        return "close", ""
    return "renamed" if a.sex == b.sex == "f" else "different", ""


def _close_part(a: MatchRecord, b: MatchRecord) -> bool:
    """Whether a word of a's compound name is close to b's name or to a word of it."""
    return len(a.parts) > 1 and any(
        close(one, other) for one in a.parts for other in (*b.parts, b.families[0])
    )


def _part(a: MatchRecord, b: MatchRecord) -> str:
    """A word in both family names, or in one and behind the other's first given name."""
    common = [p for p in a.parts if p in b.parts and len(p) > 1]
    if not common:
        common = [p for p in a.parts if p in b.givens[1:]] + [
            p for p in b.parts if p in a.givens[1:]
        ]
    return min(common, default="")


def _crossing(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    """Whether each of two compound names has a word that the other lacks."""
    return not (set(a) <= set(b) or set(b) <= set(a)) and len(a) > 1 and len(b) > 1


def _given(a: MatchRecord, b: MatchRecord, parameters: Parameters) -> tuple[str, str]:
    if not a.givens or not b.givens:
        return "missing", ""
    first, second = a.givens[0], b.givens[0]
    if first == second:
        return ("exact", first) if len(first) > 1 else ("initial", "")
    if len(a.givens) > 1 or len(b.givens) > 1:
        joined, other = "".join(a.givens[:2]), "".join(b.givens[:2])
        if joined == second or first == other or (joined == other and len(joined) > 3):
            return "exact", min(first, second)
    if a.roots and b.roots:
        for root in a.roots:
            if root in b.roots:
                return _forms(root, first, second), ""
    if len(first) == 1 or len(second) == 1:
        if first[0] == second[0] or any(r[0] == first for r in b.roots if len(first) == 1):
            return "initial", ""
        if any(r[0] == second for r in a.roots if len(second) == 1):
            return "initial", ""
    elif first[0] == second[0] and close(first, second):
        return "close", ""
    elif min(len(first), len(second)) >= 3 and (
        first.startswith(second) or second.startswith(first)
    ):
        # Jun and Junyi are two names; what is cut off longer ones seldom is another.
        cut = min(len(first), len(second)) >= _CUT or (
            _is_name(a, parameters) and _is_name(b, parameters)
        )
        return "nickname" if cut else "similar", ""
    if a.aliases or b.aliases:
        common = {first, *a.aliases} & {second, *b.aliases}
        if common:
            return "nickname", ""
    if first in b.givens[1:] or second in a.givens[1:]:
        return "middle", ""
    known = _is_name(a, parameters), _is_name(b, parameters)
    if not all(known):
        if _misspelt(first, second, *known):
            return "close", ""
        if _form_misspelt(a, second) or _form_misspelt(b, first):
            return "similar", ""
    return ("similar" if _similar(first, second) else "different"), ""


def _misspelt(a: str, b: str, known: bool, other_known: bool) -> bool:
    """Whether two given names, not both names that people have, are one: misread or misheard, or
    without its first letter (of a child's name parents change the first letter, not drop it)."""
    if min(len(a), len(b)) < 2 or not (known or other_known):
        return False
    if lost_first(a, b) and (known if len(a) > len(b) else other_known):
        return True
    if a[0] == b[0]:
        return misread(a, b) or misheard(a, b)
    return a[1:] != b[1:] and misheard(a, b)


def _form_misspelt(a: MatchRecord, other: str) -> bool:
    """Whether ``other`` is a misspelling of a form of a's given name: Bill and Wuliam."""
    return len(other) >= 4 and any(
        form[0] == other[0] and len(form) >= 4 and close(form, other)
        for root in a.roots
        for form in forms_of(root)
    )


def _forms(root: str, first: str, second: str) -> str:
    """Betty and Lisa are both Elizabeth, and may yet be sisters: two short forms say less."""
    if first[0] == second[0] or squeeze(root) in (first, second) or sound(first) == sound(second):
        return "nickname"
    return "similar"


def _similar(a: str, b: str) -> bool:
    """May be one name mistyped twice or in its first letter; twins' names are so alike, too."""
    if len(a) < 2 or len(b) < 2:
        return False
    top = 2 if max(len(a), len(b)) > 3 else 1
    return _osa(a, b, score_cutoff=top) <= top or sound(a) == sound(b)


def _one_name(a: MatchRecord, b: MatchRecord, parameters: Parameters) -> bool:
    """Whether similar given names are hardly those of two siblings: both are forms of one name, or
    one is a name that people have and the other is none, with the same first letter."""
    if any(root in b.roots for root in a.roots):
        return True
    first, second = a.givens[0], b.givens[0]
    if _is_name(a, parameters) is _is_name(b, parameters):
        return False
    if first[1:] == second[1:]:
        return misspelt_first(first, second) or misheard(first, second)
    if first.startswith(second) or second.startswith(first):
        return False
    return first[0] == second[0] or _form_misspelt(a, second) or _form_misspelt(b, first)


def _second_name(one: MatchRecord, other: MatchRecord) -> str:
    """Whether both have one second given name, or one may go by the other's second one.

    A word of a family's name, or of the mother's, that stands there is all her children's.
    """
    a, b = one.givens, other.givens
    if len(a) < 2 and len(b) < 2:
        return ""
    shared = {g for g in a[1:] if g in b[1:] and len(g) > 2}
    if shared.difference((one.mother, other.mother), one.parts, other.parts):
        return "same"
    fits = any(g[0] == b[0][0] for g in a[1:]) or any(g[0] == a[0][0] for g in b[1:])
    return "fits" if fits else "against"


def _is_name(record: MatchRecord, parameters: Parameters) -> bool:
    return bool(record.roots) or parameters.knows_given(record.givens[0])


def _swapped(a: MatchRecord, b: MatchRecord) -> bool:
    if not (a.families and b.families and a.givens and b.givens):
        return False
    if close("".join(a.givens), b.families[0]) and close(a.families[0], "".join(b.givens)):
        return True
    return _crossed(a, b) or _crossed(b, a)


def _crossed(a: MatchRecord, b: MatchRecord) -> bool:
    """Whether a's family name is b's given name, and a's given name in some form b's family."""
    if not close(a.families[0], b.givens[0]):
        return False
    family, given = b.families[0], a.givens[0]
    if close(given, family) or any(g in b.parts for g in a.givens):
        return True
    if any(root in a.roots for root in classes_of(family)):
        return True
    return min(len(family), len(given)) >= 3 and (
        family.startswith(given) or given.startswith(family)
    )


def _middle(a: tuple[str, ...], b: tuple[str, ...]) -> str:
    """Of further given names the pair that agrees best."""
    best = 3
    for first in a[1:]:
        for second in b[1:]:
            if len(first) == 1 or len(second) == 1:
                rank = 1 if first[0] == second[0] else 2
            else:
                rank = 0 if close(first, second) or misread(first, second) else 2
            if rank < best:
                best = rank
    return _MIDDLES[best]


_MIDDLES: Final = ("exact", "initial", "different", "missing")


def _birth(a: MatchRecord, b: MatchRecord) -> str:
    first, second = a.birth, b.birth
    if not first or not second or a.birth_doubt > 1 or b.birth_doubt > 1:
        return "missing"
    if first == second:
        if len(first) < 8:
            return "partial"
        return "default" if a.birth_doubt else "exact"
    length = min(len(first), len(second))
    if length < 8:
        if first[:length] == second[:length]:
            return "partial"
        return "missing" if abs(int(first[:4]) - int(second[:4])) <= 1 else "different"
    if a.birth_doubt or b.birth_doubt:
        years = abs(int(first[:4]) - int(second[:4]))
        return "partial" if years < 2 else "missing" if years <= _ESTIMATED else "different"
    if first[:4] == second[:4]:
        if first[4:6] == second[6:] and first[6:] == second[4:6]:
            return "swapped"
        if _osa(first, second, score_cutoff=1) <= 1 or _next_days(first, second):
            return "digit"
        return "year-and-month" if first[4:6] == second[4:6] else "year"
    if first[4:] == second[4:]:
        return "digit" if _osa(first, second, score_cutoff=1) <= 1 else "day-and-month"
    if _osa(first, second, score_cutoff=1) <= 1 or _next_days(first, second):
        return "digit"
    return "different"


def _next_days(a: str, b: str) -> bool:
    """Whether one is the last day of a month and the other the first of the next."""
    early, late = (a, b) if a < b else (b, a)
    if late[6:] != "01" or early[6:] < "28":
        return False
    year, month = int(early[:4]), int(early[4:6])
    if not 1 <= month <= 12 or year < 1 or int(early[6:]) != monthrange(year, month)[1]:
        return False
    return late[:6] == (f"{year}{month + 1:02d}" if month < 12 else f"{year + 1}01")


#: Years by which a year of birth that somebody estimated is usually off.
_ESTIMATED: Final = 2
