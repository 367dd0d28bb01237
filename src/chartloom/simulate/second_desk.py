"""How another desk writes the same person down: what it mistypes, shortens, or never learned."""

from __future__ import annotations

from random import Random
from typing import Final

from msgspec.structs import replace

from chartloom.simulate import names
from chartloom.simulate.facts import Demographics
from chartloom.simulate.identity.nicknames import NICKNAMES

#: Change -> how often it is one of the changes.
_CHANGES: Final = {
    "nickname": 3,
    "typing error": 3,
    "other address": 4,
    "other phone": 4,
    "day and month": 2,
    "other day": 2,
    "no second name": 3,
}


def elsewhere(rng: Random, known: Demographics) -> Demographics:
    """The same person at a desk that never saw the house's record: one to six differences."""
    count = rng.choice((1, 2, 3, 4, 5, 6))
    drawn = rng.choices(list(_CHANGES), list(_CHANGES.values()), k=count)
    for change in dict.fromkeys(drawn):
        known = _changed(rng, known, change)
    return replace(known, email="")


def somebody_else(rng: Random, known: Demographics) -> Demographics:
    """What a record says after somebody else was typed over it."""
    sex = rng.choice("FM")
    home = names.address(rng)
    return replace(
        known,
        family=names.family_name(rng),
        given=names.given_name(rng, sex),
        second="",
        sex=sex,
        birth_date=_date(rng.randint(1940, 2015), rng.randint(1, 12), rng.randint(1, 28)),
        street=home.street,
        city=home.city,
        state=home.state,
        postal_code=home.postal_code,
        phones=(names.phone(rng),),
        email="",
        maiden_name="",
    )


def _changed(rng: Random, known: Demographics, change: str) -> Demographics:
    if change == "nickname":
        called = NICKNAMES.get(known.given.casefold())
        return replace(known, given=rng.choice(called).title()) if called else known
    if change == "typing error":
        return replace(known, family=_mistyped(rng, known.family))
    if change == "other address":
        home = names.address(rng)
        return replace(
            known, street=home.street, city=home.city, state=home.state,
            postal_code=home.postal_code,
        )  # fmt: skip
    if change == "other phone":
        return replace(known, phones=(names.phone(rng),))
    if change == "no second name":
        return replace(known, second="")
    return replace(known, birth_date=_other_date(rng, known.birth_date, change))


def _mistyped(rng: Random, word: str) -> str:
    """Two neighbours in the wrong order, or one letter left out; short names are typed well."""
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    if rng.random() < 0.5:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :]


def _other_date(rng: Random, date: str, change: str) -> str:
    if len(date) < 8:
        return date
    year, month, day = int(date[:4]), int(date[4:6]), int(date[6:8])
    if change == "day and month" and day <= 12:
        return _date(year, day, month)
    return _date(year, month, day % 28 + 1 if rng.random() < 0.5 else max(1, day - 1))


def _date(year: int, month: int, day: int) -> str:
    return f"{year:04}{month:02}{day:02}"
