"""Levels of what ties two records to one place, line or number. All are symmetric."""

from __future__ import annotations

from typing import Final

from rapidfuzz.distance import OSA, JaroWinkler

from chartloom.registry.persons.record import Home, Kind, MatchRecord, Number
from chartloom.registry.persons.spelling import close

_osa = OSA.distance
_winkler = JaroWinkler.similarity


def home_level(a: tuple[Home, ...], b: tuple[Home, ...]) -> str:
    """Of the homes the pair that agrees best."""
    if not a or not b:
        return "missing"
    if a[0] == b[0] and a[0].house:
        return "same"
    best = 5
    for one in a:
        for other in b:
            rank = _homes(one, other)
            if rank < best:
                best = rank
    return _HOMES[best]


_HOMES: Final = ("same", "building", "street", "postal", "city", "different")


def _homes(a: Home, b: Home) -> int:
    postal = bool(a.postal) and a.postal == b.postal
    city = bool(a.city) and (a.city == b.city or close(a.city, b.city))
    if a.street and b.street and (postal or city or not (a.postal and b.postal)):
        same_street = a.street == b.street or _same_street(a.street, b.street)
        if (
            a.house
            and a.house == b.house
            and (same_street or (postal and a.street[0] == b.street[0]))
        ):
            return 1 if a.unit and b.unit and a.unit != b.unit else 0
        if same_street:
            return 2
    return 3 if postal else 4 if city else 5


def _same_street(a: str, b: str) -> bool:
    return bool(_winkler(a, b, score_cutoff=0.9) >= 0.9) or a.startswith(b) or b.startswith(a)


def phone_level(a: tuple[str, ...], b: tuple[str, ...]) -> str:
    """``same``, or ``close``: mistyped, or without its area code."""
    if not a or not b:
        return "missing"
    for one in a:
        if one in b:
            return "same"
    for one in a:
        for other in b:
            if one[-7:] == other[-7:] or _osa(one, other, score_cutoff=1) <= 1:
                return "close"
    return "different"


def email_level(a: tuple[str, ...], b: tuple[str, ...]) -> str:
    """``close``: one letter of what stands before the @ differs, or only what comes after."""
    if not a or not b:
        return "missing"
    for one in a:
        if one in b:
            return "same"
    for one in a:
        local = one.partition("@")[0]
        for other in b:
            mine = other.partition("@")[0]
            if len(local) > 5 and (local == mine or _osa(one, other, score_cutoff=1) <= 1):
                return "close"
    return "different"


def national_level(a: tuple[Number, ...], b: tuple[Number, ...]) -> str:
    """Of numbers of one kind that a state gave out."""
    found = "missing"
    for one in a:
        if one.kind != "national":
            continue
        for other in b:
            if other.kind == "national" and other.issuer == one.issuer:
                if one.value == other.value:
                    return "same"
                if _osa(one.value, other.value, score_cutoff=1) <= 1:
                    found = "close"
                elif found == "missing":
                    found = "different"
    return found


def record_level(a: tuple[Number, ...], b: tuple[Number, ...]) -> str:
    """Of numbers that one system gave to its patients."""
    found = "missing"
    for one in a:
        if one.kind == "national":
            continue
        for other in b:
            if other.issuer == one.issuer and other.kind != "national":
                if one.value == other.value:
                    return "same"
                found = "different"
    return found


def mother_level(a: MatchRecord, b: MatchRecord) -> str:
    """Of the mothers' maiden names. A child that has no name yet goes by its mother's family
    name, which may be her maiden name or a married one."""
    if _is_mothers(a, b) or _is_mothers(b, a):
        return "same"
    if not a.mother or not b.mother:
        return "missing"
    if a.mother == b.mother:
        return "same"
    return "close" if close(a.mother, b.mother) else "different"


def _is_mothers(newborn: MatchRecord, other: MatchRecord) -> bool:
    return (
        newborn.kind is Kind.NEWBORN
        and other.kind is Kind.PERSON
        and other.mother in (*newborn.families, *newborn.parts)
    )


def mothers_number(a: MatchRecord, b: MatchRecord) -> bool:
    """Whether a number of the one is given as the other's mother's."""
    return any(n.value in b.mother_numbers for n in a.numbers) or any(
        n.value in a.mother_numbers for n in b.numbers
    )
