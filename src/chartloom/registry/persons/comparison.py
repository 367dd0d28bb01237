"""How alike two records are: one level per field, no values. Symmetric in its two records."""

from __future__ import annotations

from typing import Final

import msgspec

#: Every field and its levels, the most alike first. Weights stand in the parameters. ``renamed``
#: are different family names of two women: they marry.
LEVELS: Final[dict[str, tuple[str, ...]]] = {
    "family": (
        "exact",
        "former",
        "part",
        "close",
        "sound",
        "swapped",
        "renamed",
        "different",
        "missing",
    ),
    "given": (
        "exact",
        "nickname",
        "middle",
        "close",
        "initial",
        "swapped",
        "similar",
        "different",
        "missing",
    ),
    "middle": ("exact", "initial", "different", "missing"),
    "birth": (
        "exact",
        "default",
        "partial",
        "swapped",
        "digit",
        "day-and-month",
        "year-and-month",
        "year",
        "different",
        "missing",
    ),
    "sex": ("same", "different", "missing"),
    "home": ("same", "building", "street", "postal", "city", "different", "missing"),
    "phone": ("same", "close", "different", "missing"),
    "email": ("same", "close", "different", "missing"),
    "national": ("same", "close", "different", "missing"),
    "record": ("same", "different", "missing"),
    "suffix": ("same", "different", "missing"),
    "mother": ("same", "close", "different", "missing"),
}
FIELDS: Final = tuple(LEVELS)


class Comparison(msgspec.Struct, frozen=True, gc=False):
    """Levels by field, see ``LEVELS``; and what guards need besides.

    family_rarity, given_rarity: bits by which the name that agrees is rarer (or, below 0, more
    common) than names are on average. years: difference of the years of birth, -1 when unknown.
    births: the two say different things about their order in a multiple birth. multiple: either
    is of a multiple birth. generation: suffixes or years are a generation apart.
    """

    family: str
    given: str
    middle: str
    birth: str
    sex: str
    home: str
    phone: str
    email: str
    national: str
    record: str
    suffix: str
    mother: str
    family_rarity: float = 0.0
    given_rarity: float = 0.0
    years: int = -1
    births: bool = False
    multiple: bool = False
    one_name: bool = False  #: similar given names are forms of one name, or one is misspelt
    spelt: bool = False  #: ... and differ in a first letter that is called alike, or sound alike
    siblings: bool = False  #: the given names differ, and both are names that people have
    #: Given names that differ: both have one second name that is no name of the family's ("same"),
    #: the initial of the one's second name fits the other's name ("fits"), the one's second name
    #: is known and is another ("against"), or nothing is known of it ("").
    second_name: str = ""
    mothers_number: bool = False  #: a number of the one is given as the other's mother's
    crossing: bool = False  #: of two compound family names each has a word that the other lacks
