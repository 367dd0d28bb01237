"""Noise family A, *desk*: what people mistype, shorten, leave out and mix up at a desk.

The matcher's parameters and thresholds were set on this family.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from chartloom.simulate.identity.nicknames import NICKNAMES
from chartloom.simulate.identity.people import Human
from chartloom.simulate.identity.registration import Registration

_NEAR: Final = {
    "a": "qsz", "b": "vgn", "c": "xvd", "d": "sfe", "e": "wrd", "f": "dgr", "g": "fht", "h": "gjy",
    "i": "uok", "j": "hku", "k": "jli", "l": "kop", "m": "nj", "n": "bmh", "o": "ipl", "p": "ol",
    "q": "wa", "r": "etf", "s": "adw", "t": "ryg", "u": "yij", "v": "cbf", "w": "qes", "x": "zcs",
    "y": "tuh", "z": "xa",
}  # fmt: skip


class Rates(msgspec.Struct, frozen=True):
    """Chances per registration; ``keep_*`` are chances that a field is filled at all."""

    typo_given: float = 0.015
    typo_family: float = 0.015
    nickname: float = 0.06
    keep_middle: float = 0.55
    initial_middle: float = 0.5
    first_is_initial: float = 0.002
    swap_names: float = 0.003
    drop_second_family: float = 0.25
    keep_suffix: float = 0.5
    wrong_sex: float = 0.003
    birth_digit: float = 0.006
    birth_swapped: float = 0.004
    birth_default: float = 0.002
    birth_missing: float = 0.002
    keep_home: float = 0.96
    street_typo: float = 0.03
    street_long: float = 0.3
    old_home: float = 0.05
    keep_phone: float = 0.9
    phone_digit: float = 0.01
    keep_email: float = 0.5
    keep_ssn: float = 0.55
    ssn_digit: float = 0.006
    ssn_filler: float = 0.01
    ssn_of_mother: float = 0.02
    keep_mother: float = 0.25
    capitals: float = 0.4


#: Three desks: careful, hurried, and one that asks for little.
DESK: Final = Rates()
HURRIED: Final = Rates(
    typo_given=0.03,
    typo_family=0.03,
    nickname=0.12,
    keep_middle=0.35,
    swap_names=0.006,
    drop_second_family=0.4,
    keep_suffix=0.35,
    wrong_sex=0.006,
    birth_digit=0.012,
    birth_swapped=0.008,
    birth_default=0.005,
    birth_missing=0.006,
    street_typo=0.06,
    phone_digit=0.02,
    old_home=0.1,
    keep_ssn=0.4,
    ssn_digit=0.012,
)
SPARSE: Final = Rates(
    keep_middle=0.2,
    keep_home=0.75,
    keep_phone=0.7,
    keep_email=0.2,
    keep_ssn=0.15,
    keep_mother=0.05,
    keep_suffix=0.3,
)


class DeskNoise:
    """``DeskNoise(HURRIED)``: one of family A."""

    def __init__(self, rates: Rates = DESK) -> None:
        self.rates = rates

    def spoil(self, rng: Random, r: Registration, who: Human, people: list[Human]) -> set[str]:
        """Changes a registration in place."""
        done: set[str] = set()
        self._names(rng, r, done)
        self._birth(rng, r, done)
        self._contact(rng, r, people)
        self._numbers(rng, r, who, people, done)
        if rng.random() < self.rates.capitals:
            r.family, r.given, r.middle = r.family.upper(), r.given.upper(), r.middle.upper()
            r.street, r.city = r.street.upper(), r.city.upper()
        return done

    def _names(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates = self.rates
        known = NICKNAMES.get(r.given.lower(), ())
        if known and rng.random() < rates.nickname:
            r.given = rng.choice(known).capitalize()
            done.add("nickname")
        if rng.random() > rates.keep_middle:
            r.middle = ""
        elif rng.random() < rates.initial_middle:
            r.middle = r.middle[:1]
        if " " in r.family or "-" in r.family:
            self._compound(rng, r, done)
        if rng.random() < rates.typo_given:
            r.given = typo(rng, r.given)
            done.add("typo")
        if rng.random() < rates.typo_family:
            r.family = typo(rng, r.family)
            done.add("typo")
        if rng.random() < rates.first_is_initial:
            r.given = r.given[:1]
            done.add("initial")
        if rng.random() < rates.swap_names:
            r.given, r.family = r.family, r.given
            done.add("swapped")
        if rng.random() > rates.keep_suffix:
            r.suffix = ""

    def _compound(self, rng: Random, r: Registration, done: set[str]) -> None:
        words = r.family.replace("-", " ").split()
        kind = rng.random()
        if kind < self.rates.drop_second_family:
            r.family = " ".join(words[:-1]) if words[0] != "de" else " ".join(words)
            done.add("compound")
        elif kind < self.rates.drop_second_family + 0.05:
            r.family = words[-1]
            done.add("compound")
        elif kind < 0.7:
            r.family = "-".join(words)

    def _birth(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates, year, month, day = self.rates, r.birth[:4], r.birth[5:7], r.birth[8:10]
        if rng.random() < rates.birth_missing:
            r.birth = ""
        elif rng.random() < rates.birth_default:
            r.birth = rng.choice((f"{year}-01-01", "1900-01-01"))
        elif rng.random() < rates.birth_swapped and int(day) <= 12:
            r.birth = f"{year}-{day}-{month}"
        elif rng.random() < rates.birth_digit:
            where = rng.choice((2, 3, 3, 6, 9))
            digit = str((int(r.birth[where]) + rng.choice((1, 9, 2))) % 10)
            changed = r.birth[:where] + digit + r.birth[where + 1 :]
            if 1 <= int(changed[5:7]) <= 12 and 1 <= int(changed[8:10]) <= 28:
                r.birth = changed
        else:
            return
        done.add("birth")

    def _contact(self, rng: Random, r: Registration, people: list[Human]) -> None:
        rates = self.rates
        if rng.random() < rates.old_home:
            r.street, r.flat = f"{rng.randrange(1, 9000)} {rng.choice(('Main', 'Oak'))} Street", ""
        if rng.random() > rates.keep_home:
            r.street = r.flat = r.city = r.postal = ""
        elif rng.random() < rates.street_typo:
            r.street = typo(rng, r.street)
        elif rng.random() < rates.street_long:
            for long, short in (
                ("Street", "St."),
                ("Avenue", "Ave"),
                ("Road", "Rd"),
                ("North", "N"),
            ):
                r.street = r.street.replace(long, short)
        if rng.random() < 0.3:
            r.flat = r.flat.replace("Apt ", "#")
        if rng.random() < 0.3:
            r.flat = ""
        r.phones = [p for p in r.phones if rng.random() < rates.keep_phone]
        r.phones = [_digit(rng, p) if rng.random() < rates.phone_digit else p for p in r.phones]
        r.phones = [f"({p[:3]}) {p[3:6]}-{p[6:]}" if rng.random() < 0.5 else p for p in r.phones]
        if rng.random() > rates.keep_email:
            r.email = ""

    def _numbers(
        self, rng: Random, r: Registration, who: Human, people: list[Human], done: set[str]
    ) -> None:
        rates = self.rates
        if rng.random() < rates.wrong_sex:
            r.sex = "M" if r.sex == "F" else "F"
            done.add("sex")
        if rng.random() > rates.keep_ssn:
            r.ssn = ""
        elif r.ssn and rng.random() < rates.ssn_digit:
            r.ssn = _digit(rng, r.ssn)
        if rng.random() < rates.ssn_filler:
            r.ssn = rng.choice(("999999999", "123456789", "000000000"))
        child = who.mother >= 0 and r.birth[:4] > "2000"
        if child and rng.random() < rates.ssn_of_mother:
            r.ssn = people[who.mother].ssn
            done.add("mothers-number")
        if rng.random() > rates.keep_mother:
            r.mother = ""


def typo(rng: Random, text: str) -> str:
    """One mistake: a neighbouring key, a letter lost, doubled or exchanged."""
    if len(text) < 3:
        return text
    at = rng.randrange(1, len(text) - 1)
    c = text[at].lower()
    kind = rng.randrange(4)
    if kind == 0 and c in _NEAR:
        return text[:at] + rng.choice(_NEAR[c]) + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at + 1 :]
    if kind == 2:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def _digit(rng: Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + str(rng.randrange(10)) + text[at + 1 :]
