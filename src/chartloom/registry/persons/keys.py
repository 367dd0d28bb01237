"""Keys under which a record is looked for: records that share one are compared.

Each key joins several traits, so that few carry it, and each trait may fail: a typing error, a
move, a marriage or a swapped field leaves other keys whole. Day and month are put in order (12
March is 3 December), family and given name too, so that swaps do not matter.
"""

from __future__ import annotations

from typing import Final

from chartloom.registry.persons.folding import sound
from chartloom.registry.persons.record import Kind, MatchRecord

#: No record has more keys.
KEYS_MAX: Final = 40


def keys(record: MatchRecord) -> tuple[str, ...]:
    """All keys of a record, in a fixed order; () for one that says nothing."""
    found: dict[str, None] = {}
    for number in record.numbers:
        found[f"i|{number.issuer}|{number.value}"] = None
    if record.kind is Kind.UNKNOWN:
        return tuple(found)
    birth = record.birth if record.birth_doubt < 2 else ""
    whole = _ordered(birth) if len(birth) == 8 else ""
    years = _years(birth, record.birth_doubt)
    givens = _given_sounds(record)
    families = _family_sounds(record)
    homes = [h for h in record.homes[:2] if h.postal or h.city]
    doors = [f"{h.postal or h.city}|{h.house}" for h in homes if h.house]
    phones = record.phones[:2]
    if whole:
        for name in givens[:3]:
            found[f"bg|{whole}|{name}"] = None
        for name in families[:4]:
            found[f"bf|{whole}|{name}"] = None
        for phone in phones:
            found[f"bt|{whole}|{phone}"] = None
        for home in homes[:1]:
            found[f"bp|{whole}|{home.postal or home.city}"] = None
        if record.mother:
            found[f"bm|{whole}|{sound(record.mother)}"] = None
        if record.kind is Kind.NEWBORN:  # it goes by its mother's name
            for name in families[:2]:
                found[f"bm|{whole}|{name}"] = None
    for family in families[:2]:
        for given in givens[:2]:
            both = f"{family}|{given}" if family < given else f"{given}|{family}"
            for year in years:
                found[f"ny|{both}|{year}"] = None
            if whole:
                found[f"nd|{both}|{whole[4:]}"] = None
            for home in homes:
                found[f"np|{both}|{home.postal or home.city}"] = None
    if families and givens:  # without a date of birth, and where the postal code is missing
        both = f"{families[0]}|{givens[0]}"
        if record.mother:
            found[f"nm|{both}|{sound(record.mother)}"] = None
        if homes and homes[0].city:
            found[f"nc|{both}|{homes[0].city}"] = None
    initial = record.givens[0][0] if record.givens else ""
    if whole and families:
        for given in givens[:1]:
            found[f"gm|{given}|{families[0][0]}|{whole[:6]}"] = None
            found[f"gd|{given}|{families[0][0]}|{whole[4:]}"] = None
    for family in families[:2] if initial else ():
        for door in doors:
            found[f"fh|{family}|{initial}|{door}"] = None
        for phone in phones:
            found[f"ft|{family}|{initial}|{phone}"] = None
    for given in givens[:2]:
        for door in doors:
            found[f"gh|{given}|{door}"] = None
        for phone in phones:
            found[f"gt|{given}|{phone}"] = None
    for email in record.emails[:2]:
        found[f"e|{email}"] = None
    for mother in record.mother_numbers:
        found[f"m|{mother}"] = None
    return tuple(found)[:KEYS_MAX]


def _family_sounds(record: MatchRecord) -> list[str]:
    """Of the present family name, its parts and former names."""
    found = dict.fromkeys([sound(f) for f in record.families[:3]])
    if len(record.parts) > 1:
        found.update(dict.fromkeys([sound(p) for p in record.parts[:4]]))
    return list(found)


def _years(birth: str, doubt: int) -> tuple[str, ...]:
    """The year of birth; with its neighbours where somebody may have guessed it."""
    if doubt and len(birth) == 8:
        return tuple(str(int(birth[:4]) + by) for by in (-1, 0, 1))
    return (birth[:4],) if birth else ()


def _ordered(birth: str) -> str:
    """A date with day and month in order of size, when both could be either."""
    month, day = birth[4:6], birth[6:]
    return birth if month <= day or day > "12" else birth[:4] + day + month


def _given_sounds(record: MatchRecord) -> list[str]:
    """Nickname classes of the first given name, or its sound; then the second's and aliases'."""
    found: dict[str, None] = {}
    if record.givens:
        first = record.givens[0]
        if len(first) > 1:
            for root in record.roots[:2] or (sound(first),):
                found[root] = None
            if record.roots:
                found[sound(first)] = None
            elif len(record.givens) > 1 and len(record.givens[1]) > 1:
                found[sound(first + record.givens[1])] = None
        if len(record.givens) > 1 and len(record.givens[1]) > 1:
            found[sound(record.givens[1])] = None
    for alias in record.aliases[:2]:
        found[sound(alias)] = None
    return list(found)
