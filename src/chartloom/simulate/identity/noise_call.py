"""Noise family D, *call*: dictated on the telephone, typed by patients at a kiosk, merged from the
spreadsheets of practices.

Written after the rules stood for families A, B and C, with its rates, and not looked at before it
was measured.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from chartloom.simulate.identity.nicknames import NICKNAMES
from chartloom.simulate.identity.people import Human
from chartloom.simulate.identity.registration import Registration

#: Letters that are taken for each other when they are spelt on the telephone.
_SPELT: Final = {
    "b": "dpv", "d": "bt", "p": "bt", "t": "dp", "v": "b", "m": "n", "n": "m", "f": "s", "s": "f",
    "c": "z", "z": "c", "g": "j", "j": "g", "k": "a", "a": "h", "h": "a", "q": "u", "u": "q",
}  # fmt: skip
#: The same sound in the letters of another language.
_ELSEWHERE: Final = (
    ("kh", "h"), ("sh", "ch"), ("ch", "tsch"), ("j", "dj"), ("u", "ou"), ("y", "j"), ("v", "w"),
    ("ya", "ia"), ("ei", "ey"), ("ai", "ay"), ("ii", "y"), ("ks", "x"), ("x", "ks"), ("oo", "u"),
    ("ee", "i"), ("ou", "u"), ("aw", "ao"), ("q", "k"), ("dh", "d"), ("yo", "jo"), ("zh", "j"),
    ("ng", "n"), ("ae", "e"), ("ue", "u"), ("oe", "o"), ("ck", "k"), ("th", "t"),
)  # fmt: skip


class Rates(msgspec.Struct, frozen=True):
    """Chances per registration."""

    spelt: float = 0.0  #: a letter misheard, in either name
    elsewhere: float = 0.01  #: written as another language would
    word_lost: float = 0.0  #: of a name of several words
    short_name: float = 0.05
    one_field: float = 0.0  #: family and given name in one field
    shifted: float = 0.0  #: the middle name in the column of the family name
    cut: float = 0.0  #: names of so many letters only
    digits_swapped: float = 0.004  #: of day, month, year or a number
    two_digit_year: float = 0.0  #: those of before 1930 come out a century late
    month_first: float = 0.0
    no_birth: float = 0.002
    zeros_lost: float = 0.0  #: at the beginning of a number
    rounded: float = 0.0  #: a telephone number as a spreadsheet shows large numbers
    no_home: float = 0.1
    old_home: float = 0.03
    no_phone: float = 0.05
    no_mail: float = 0.6
    no_number: float = 0.5
    no_middle: float = 0.6
    no_mother: float = 0.9
    no_sex: float = 0.01
    wrong_sex: float = 0.002
    of_a_child: float = 0.0  #: the parent's own e-mail and sex for the child


DICTATED: Final = Rates(
    spelt=0.025, elsewhere=0.02, word_lost=0.08, digits_swapped=0.012, no_home=0.3, no_number=0.8,
    no_mail=0.8, no_middle=0.85, no_phone=0.01,
)  # fmt: skip
KIOSK: Final = Rates(
    short_name=0.12, elsewhere=0.01, word_lost=0.1, month_first=0.01, no_mail=0.3, no_number=0.7,
    no_middle=0.7, no_home=0.15, old_home=0.06, of_a_child=0.04, digits_swapped=0.006,
)  # fmt: skip
PRACTICE: Final = Rates(
    one_field=0.15, shifted=0.004, cut=0.3, two_digit_year=0.3, month_first=0.008, zeros_lost=0.5,
    rounded=0.06, no_home=0.08, old_home=0.08, elsewhere=0.015, no_number=0.45, no_sex=0.05,
)  # fmt: skip


class CallNoise:
    """``CallNoise(KIOSK)``: one of family D."""

    def __init__(self, rates: Rates = DICTATED) -> None:
        self.rates = rates

    def spoil(self, rng: Random, r: Registration, who: Human, people: list[Human]) -> set[str]:
        """Changes a registration in place."""
        done: set[str] = set()
        self._names(rng, r, done)
        self._birth(rng, r, done)
        self._contact(rng, r)
        self._numbers(rng, r)
        child = who.mother >= 0 and r.birth[:4] > "2008"
        if child and rng.random() < self.rates.of_a_child:
            mother = people[who.mother]
            r.email = mother.emails[0][1] if mother.emails else r.email
            r.sex = mother.sex
            done.add("parent")
        elif rng.random() < self.rates.no_sex:
            r.sex = ""
        elif rng.random() < self.rates.wrong_sex:
            r.sex = "M" if r.sex == "F" else "F"
            done.add("sex")
        return done

    def _names(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates = self.rates
        known = NICKNAMES.get(r.given.lower(), ())
        if known and rng.random() < rates.short_name:
            r.given = rng.choice(known).capitalize()
            done.add("nickname")
        if rng.random() < rates.no_middle:
            r.middle = ""
        words = r.family.replace("-", " ").split()
        if len(words) > 1 and rng.random() < rates.word_lost:
            r.family = rng.choice(words)
            done.add("compound")
        for rate, change in ((rates.spelt, _misspelt), (rates.elsewhere, _written_elsewhere)):
            if rng.random() < rate:
                r.given = change(rng, r.given)
                done.add("spelling")
            if rng.random() < rate:
                r.family = change(rng, r.family)
                done.add("spelling")
        if rng.random() < rates.cut:
            r.family, r.given = r.family[:12].strip(), r.given[:8].strip()
        if r.middle and rng.random() < rates.shifted:
            r.family, r.middle = f"{r.middle} {r.family}", ""
            done.add("shifted")
        if rng.random() < rates.one_field:
            r.whole_name = f"{r.family}, {r.given} {r.middle[:1]}".strip()

    def _birth(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates, year, month, day = self.rates, r.birth[:4], r.birth[5:7], r.birth[8:10]
        if rng.random() < rates.no_birth:
            r.birth = ""
        elif rng.random() < rates.month_first and int(day) <= 12:
            r.birth = f"{year}-{day}-{month}"
        elif year < "1930" and rng.random() < rates.two_digit_year:
            r.birth = f"20{r.birth[2:]}"
        elif rng.random() < rates.digits_swapped:
            at = rng.choice((2, 5, 8))
            text = r.birth[:at] + r.birth[at + 1] + r.birth[at] + r.birth[at + 2 :]
            if not (1 <= int(text[5:7]) <= 12 and 1 <= int(text[8:]) <= 28):
                return
            r.birth = text
        else:
            return
        done.add("birth")

    def _contact(self, rng: Random, r: Registration) -> None:
        rates = self.rates
        if rng.random() < rates.no_home:
            r.street = r.flat = r.city = r.postal = ""
        elif rng.random() < rates.old_home:
            r.street, r.flat = f"{rng.randrange(1, 9000)} Elm Avenue", ""
        if rng.random() < rates.no_phone:
            r.phones = []
        elif r.phones and rng.random() < rates.rounded:
            r.phones = [f"{p[0]}.{p[1:6]}E+09" for p in r.phones[:1]]
        elif r.phones and rng.random() < rates.digits_swapped:
            p, at = r.phones[0], rng.randrange(3, 9)
            r.phones[0] = p[:at] + p[at + 1] + p[at] + p[at + 2 :]
        r.phones = r.phones[: rng.choice((1, 1, 2))]
        if rng.random() < rates.no_mail:
            r.email = ""
        if rng.random() < rates.no_mother:
            r.mother = ""

    def _numbers(self, rng: Random, r: Registration) -> None:
        rates = self.rates
        if rng.random() < rates.no_number:
            r.ssn = ""
        elif r.ssn and rng.random() < rates.digits_swapped:
            at = rng.randrange(8)
            r.ssn = r.ssn[:at] + r.ssn[at + 1] + r.ssn[at] + r.ssn[at + 2 :]
        elif rng.random() < rates.zeros_lost:
            r.ssn = r.ssn.lstrip("0")


def _misspelt(rng: Random, text: str) -> str:
    places = [i for i, c in enumerate(text) if c.lower() in _SPELT]
    if not places:
        return text
    at = rng.choice(places)
    heard = rng.choice(_SPELT[text[at].lower()])
    return text[:at] + (heard.upper() if text[at].isupper() else heard) + text[at + 1 :]


def _written_elsewhere(rng: Random, text: str) -> str:
    low = text.lower()
    usable = [pair for pair in _ELSEWHERE if pair[0] in low]
    if not usable:
        return text
    old, new = rng.choice(usable)
    at = low.index(old)
    changed = text[:at] + new + text[at + len(old) :]
    return changed.capitalize() if at == 0 else changed
