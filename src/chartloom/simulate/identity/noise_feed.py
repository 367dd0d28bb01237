"""Noise family C, *feed*: what exports, interfaces and other countries' habits do to records.

Written after the rules and never looked at while they were changed: its rows are the ones to
believe.
"""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta
from random import Random
from typing import Final

import msgspec

from chartloom.simulate.identity.nicknames import NICKNAMES
from chartloom.simulate.identity.people import Human
from chartloom.simulate.identity.registration import Registration

_TITLES: Final = ("Mr", "Mrs", "Ms", "Dr")
_NO_PHONE: Final = ("000-000-0000", "9999999999", "none", "")
_NO_MAIL: Final = ("none@none.com", "noemail@example.com", "")


class Rates(msgspec.Struct, frozen=True):
    """Chances per registration."""

    unaccented: float = 0.5  #: what can only write ASCII
    garbled: float = 0.0  #: UTF-8 read as Latin-1
    title_in_name: float = 0.02
    suffix_in_family: float = 0.5
    middle_in_given: float = 0.3
    no_middle: float = 0.4
    goes_by: float = 0.07  #: a pet name where the given name belongs
    family_first: float = 0.004  #: the two exchanged
    letter: float = 0.02  #: one letter wrong, lost or doubled, in either name
    spaces_lost: float = 0.3
    day_shifted: float = 0.006  #: midnight in another time zone
    day_and_month: float = 0.005
    century: float = 0.001
    month_only: float = 0.004
    no_birth: float = 0.003
    one_line: float = 0.2  #: the address as one line
    city_only: float = 0.06
    no_home: float = 0.08
    last_four: float = 0.25  #: of the national number
    no_number: float = 0.35
    number_wrong: float = 0.006
    no_phone: float = 0.15
    filler_phone: float = 0.03
    family_mail: float = 0.03  #: of somebody else of the family
    no_mail: float = 0.5
    filler_mail: float = 0.03
    no_mother: float = 0.8
    no_sex: float = 0.02
    wrong_sex: float = 0.002


EXPORT: Final = Rates()
GARBLED: Final = Rates(unaccented=0.2, garbled=0.3, letter=0.035, middle_in_given=0.5)
ABROAD: Final = Rates(
    day_and_month=0.012, last_four=0.0, no_number=0.75, spaces_lost=0.5, no_middle=0.6,
    family_first=0.01, goes_by=0.1, one_line=0.4,
)  # fmt: skip


class FeedNoise:
    """``FeedNoise(GARBLED)``: one of family C."""

    def __init__(self, rates: Rates = EXPORT) -> None:
        self.rates = rates

    def spoil(self, rng: Random, r: Registration, who: Human, people: list[Human]) -> set[str]:
        """Changes a registration in place."""
        done: set[str] = set()
        self._names(rng, r, done)
        self._birth(rng, r, done)
        self._home(rng, r)
        self._numbers(rng, r, who, people)
        if rng.random() < self.rates.no_sex:
            r.sex = ""
        elif rng.random() < self.rates.wrong_sex:
            r.sex = "M" if r.sex == "F" else "F"
            done.add("sex")
        return done

    def _names(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates = self.rates
        known = NICKNAMES.get(r.given.lower(), ())
        if known and rng.random() < rates.goes_by:
            pet = rng.choice(known).capitalize()
            r.given = f"{r.given} ({pet})" if rng.random() < 0.3 else pet
            done.add("nickname")
        if rng.random() < rates.letter:
            r.given = _letter(rng, r.given)
            done.add("typo")
        if rng.random() < rates.letter:
            r.family = _letter(rng, r.family)
            done.add("typo")
        if (" " in r.family or "-" in r.family) and rng.random() < rates.spaces_lost:
            r.family = r.family.replace(" ", rng.choice(("", "-", "_"))).replace("-", " ")
            done.add("compound")
        if rng.random() < rates.no_middle:
            r.middle = ""
        elif rng.random() < rates.middle_in_given:
            r.given, r.middle = f"{r.given} {r.middle}".strip(), ""
        if r.suffix and rng.random() < rates.suffix_in_family:
            r.family, r.suffix = f"{r.family} {r.suffix}", ""
        if rng.random() < rates.title_in_name:
            r.given = f"{rng.choice(_TITLES)} {r.given}"
        if rng.random() < rates.family_first:
            r.family, r.given = r.given, r.family
            done.add("swapped")
        if rng.random() < rates.unaccented:
            r.family, r.given = (_ascii(x).upper() for x in (r.family, r.given))
        elif rng.random() < rates.garbled:
            r.family, r.given = (_garbled(x) for x in (r.family, r.given))

    def _birth(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates = self.rates
        born = date.fromisoformat(r.birth)
        if rng.random() < rates.no_birth:
            r.birth = ""
        elif rng.random() < rates.month_only:
            r.birth = r.birth[:7]
        elif rng.random() < rates.day_shifted:
            r.birth = (born + timedelta(days=rng.choice((-1, 1)))).isoformat()
        elif rng.random() < rates.day_and_month and born.day <= 12:
            r.birth = f"{born.year}-{born.day:02d}-{born.month:02d}"
        elif rng.random() < rates.century and born.year < 1925:
            r.birth = f"{born.year + 100}{r.birth[4:]}"
        else:
            return
        done.add("birth")

    def _home(self, rng: Random, r: Registration) -> None:
        rates = self.rates
        if rng.random() < rates.no_home:
            r.street = r.flat = r.city = r.state = r.postal = ""
        elif rng.random() < rates.city_only:
            r.street = r.flat = ""
        elif rng.random() < rates.one_line:
            r.street = ", ".join(x for x in (r.street, r.flat, r.city) if x)
            r.flat = ""
        elif r.postal and rng.random() < 0.3:
            r.postal = f"{r.postal}-{rng.randrange(1000, 9999)}"

    def _numbers(self, rng: Random, r: Registration, who: Human, people: list[Human]) -> None:
        rates = self.rates
        if rng.random() < rates.no_number:
            r.ssn = ""
        elif r.ssn and rng.random() < rates.last_four:
            r.ssn = f"XXX-XX-{r.ssn[-4:]}" if rng.random() < 0.5 else r.ssn[-4:]
        elif r.ssn and rng.random() < rates.number_wrong:
            at = rng.randrange(9)
            r.ssn = r.ssn[:at] + str(rng.randrange(10)) + r.ssn[at + 1 :]
        if rng.random() < rates.no_phone:
            r.phones = []
        elif rng.random() < rates.filler_phone:
            r.phones = [rng.choice(_NO_PHONE)]
        elif rng.random() < 0.3:
            r.phones = [f"1-{p} x{rng.randrange(10, 99)}" for p in r.phones]
        if rng.random() < rates.no_mail:
            r.email = ""
        elif rng.random() < rates.filler_mail:
            r.email = rng.choice(_NO_MAIL)
        elif rng.random() < rates.family_mail:
            near = people[max(0, who.index - 1)]
            r.email = near.emails[0][1] if near.emails else r.email
        if rng.random() < rates.no_mother:
            r.mother = ""


def _letter(rng: Random, text: str) -> str:
    if len(text) < 3:
        return text
    at = rng.randrange(len(text))
    kind = rng.randrange(3)
    if kind == 0:
        return text[:at] + rng.choice("aeinorst") + text[at + 1 :]
    return text[:at] + text[at + 1 :] if kind == 1 else text[:at] + text[at] + text[at:]


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text)
    return plain.encode("ascii", "ignore").decode()


def _garbled(text: str) -> str:
    return text.encode("utf-8").decode("latin-1")
