"""Noise family B, *paper*: forms heard, scanned, truncated and migrated.

Other mechanisms and other rates than family A. Weights were not set on it, some rules were.
"""

from __future__ import annotations

from random import Random
from typing import Final

import msgspec

from chartloom.simulate.identity.people import Human
from chartloom.simulate.identity.registration import Registration

_HEARD: Final = (
    ("ph", "f"), ("ck", "k"), ("ie", "y"), ("ee", "ea"), ("ou", "oo"), ("mac", "mc"), ("sch", "sh"),
    ("c", "k"), ("z", "s"), ("x", "ks"), ("w", "v"), ("y", "i"), ("th", "t"), ("ll", "l"),
    ("nn", "n"),
    ("ei", "ai"), ("son", "sen"), ("gh", "g"), ("j", "g"), ("ao", "ow"), ("q", "k"), ("ts", "z"),
)  # fmt: skip
_SCANNED: Final = (
    ("rn", "m"), ("m", "rn"), ("l", "i"), ("i", "l"), ("o", "0"), ("s", "5"), ("cl", "d"),
    ("e", "c"),
    ("u", "v"), ("h", "b"), ("vv", "w"), ("g", "q"),
)  # fmt: skip
_SCANNED_DIGITS: Final = {
    "0": "8",
    "1": "7",
    "3": "8",
    "5": "6",
    "6": "8",
    "7": "1",
    "8": "3",
    "9": "4",
}
_OTHER_NAMES: Final = {
    "robert": "Robby", "william": "Willie", "elizabeth": "Eliza", "margaret": "Margo",
    "james": "Jimmie",
    "katherine": "Kathryn", "catherine": "Katherine", "joseph": "Joey", "sarah": "Sara",
    "john": "Jon",
    "steven": "Stephen", "mohammed": "Muhammed", "youssef": "Yousif", "hussein": "Hossein",
    "jose": "Joseph", "juan": "John", "maria": "Mary", "miguel": "Michael", "carlos": "Charles",
    "francisco": "Frank", "guadalupe": "Lupita", "patricia": "Tricia", "ann": "Annie",
    "susan": "Suzy",
    "thomas": "Thom", "anthony": "Anton", "rebecca": "Becca", "jennifer": "Jenn", "ivan": "John",
    "piotr": "Peter", "krzysztof": "Chris", "elena": "Helen", "alexei": "Alex", "jürgen": "Juergen",
}  # fmt: skip


class Rates(msgspec.Struct, frozen=True):
    """Chances per registration."""

    heard: float = 0.02
    scanned: float = 0.01
    other_name: float = 0.06
    whole_name: float = 0.1
    truncated: float = 0.15  #: systems that keep so many letters of a name
    second_given_only: float = 0.004
    middle: float = 0.4
    estimated_birth: float = 0.004  #: 1 January of about the right year
    year_off: float = 0.005
    month_off: float = 0.003
    day_off: float = 0.004
    birth_scanned: float = 0.004
    no_contact_block: float = 0.08
    post_box: float = 0.05
    renamed_street: float = 0.03
    clinic_phone: float = 0.01  #: the clinic's own number instead of the patient's
    no_phone: float = 0.15
    ssn: float = 0.4
    ssn_scanned: float = 0.006
    ssn_of_spouse: float = 0.003
    email: float = 0.35
    mother: float = 0.15
    suffix: float = 0.4
    sex_unknown: float = 0.01
    hyphen_lost: float = 0.4
    second_family_lost: float = 0.2


FORMS: Final = Rates()
SCANNED: Final = Rates(
    heard=0.03, scanned=0.035, birth_scanned=0.01, truncated=0.0, ssn_scanned=0.02
)
MIGRATED: Final = Rates(
    truncated=0.5,
    whole_name=0.3,
    middle=0.2,
    ssn=0.25,
    no_contact_block=0.15,
    email=0.15,
    estimated_birth=0.008,
    other_name=0.1,
)


class PaperNoise:
    """``PaperNoise(SCANNED)``: one of family B."""

    def __init__(self, rates: Rates = FORMS) -> None:
        self.rates = rates

    def spoil(self, rng: Random, r: Registration, who: Human, people: list[Human]) -> set[str]:
        """Changes a registration in place."""
        done: set[str] = set()
        self._names(rng, r, done)
        self._birth(rng, r, done)
        self._contact(rng, r)
        rates = self.rates
        if rng.random() > rates.ssn:
            r.ssn = ""
        elif rng.random() < rates.ssn_scanned and r.ssn:
            r.ssn = _scan_digits(rng, r.ssn)
        elif rng.random() < rates.ssn_of_spouse and who.married is not None:
            r.ssn = people[max(0, who.index - 1)].ssn
            done.add("spouses-number")
        r.email = r.email if rng.random() < rates.email else ""
        r.mother = r.mother if rng.random() < rates.mother else ""
        if rng.random() < rates.sex_unknown:
            r.sex = "U"
        return done

    def _names(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates = self.rates
        other = _OTHER_NAMES.get(r.given.lower())
        if other and rng.random() < rates.other_name:
            r.given = other
            done.add("nickname")
        elif r.middle and len(r.middle) > 2 and rng.random() < rates.second_given_only:
            r.given, r.middle = r.middle, ""
            done.add("middle")
        r.middle = (
            (r.middle if rng.random() < 0.4 else r.middle[:1])
            if rng.random() < rates.middle
            else ""
        )
        r.suffix = r.suffix if rng.random() < rates.suffix else ""
        if " " in r.family or "-" in r.family:
            if rng.random() < rates.second_family_lost:
                r.family = r.family.replace("-", " ").rsplit(" ", 1)[0]
                done.add("compound")
            elif rng.random() < rates.hyphen_lost:
                r.family = r.family.replace("-", "").replace(" ", "")
                done.add("compound")
        for rate, table in ((rates.heard, _HEARD), (rates.scanned, _SCANNED)):
            if rng.random() < rate:
                r.family = _replaced(rng, r.family, table)
                done.add("spelling")
            if rng.random() < rate:
                r.given = _replaced(rng, r.given, table)
                done.add("spelling")
        if rng.random() < rates.truncated:
            r.family, r.given = r.family[:11].strip(), r.given[:10].strip()
        if rng.random() < rates.whole_name:
            given = f"{r.given} {r.middle}".strip()
            tail = f" {r.suffix}" if r.suffix else ""
            r.whole_name = f"{r.family}{tail}, {given}".upper()

    def _birth(self, rng: Random, r: Registration, done: set[str]) -> None:
        rates, year, month, day = self.rates, int(r.birth[:4]), int(r.birth[5:7]), int(r.birth[8:])
        if rng.random() < rates.estimated_birth:
            year, month, day = year + rng.choice((-1, 0, 0, 1)), 1, 1
        elif rng.random() < rates.year_off:
            year += rng.choice((-10, -1, 1, 10))
        elif rng.random() < rates.month_off:
            month = rng.randrange(1, 13)
        elif rng.random() < rates.day_off:
            day = min(28, max(1, day + rng.choice((-2, -1, 1, 2, 10, -10))))
        elif rng.random() < rates.birth_scanned:
            text = _scan_digits(rng, f"{day:02d}")
            day = int(text) if 1 <= int(text) <= 28 else day
        else:
            return
        r.birth = f"{year:04d}-{month:02d}-{day:02d}"
        done.add("birth")

    def _contact(self, rng: Random, r: Registration) -> None:
        rates = self.rates
        if rng.random() < rates.no_contact_block:
            r.street = r.flat = r.city = r.postal = ""
            r.phones = []
        elif rng.random() < rates.post_box:
            r.street, r.flat = f"PO Box {rng.randrange(1, 4000)}", ""
        elif rng.random() < rates.renamed_street:
            number = r.street.partition(" ")[0]
            r.street = f"{number} County Road {rng.randrange(1, 90)}"
        r.flat = r.flat.replace("Apt", "Unit") if rng.random() < 0.5 else r.flat
        if rng.random() < rates.clinic_phone:
            r.phones = ["4801000000", "5201000100", "6021000200"][rng.randrange(3) :][:1]
        elif rng.random() < rates.no_phone:
            r.phones = []
        r.phones = [f"+1 {p[:3]}-{p[3:6]}-{p[6:]}" if len(p) == 10 else p for p in r.phones[:1]]


def _replaced(rng: Random, text: str, table: tuple[tuple[str, str], ...]) -> str:
    low = text.lower()
    usable = [pair for pair in table if pair[0] in low[1:]]
    if not usable:
        return text
    old, new = rng.choice(usable)
    at = low.index(old, 1)
    return text[:at] + new + text[at + len(old) :]


def _scan_digits(rng: Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + _SCANNED_DIGITS.get(text[at], text[at]) + text[at + 1 :]
