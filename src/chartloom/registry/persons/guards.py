"""Guards: what no weight may decide. Each names a way in which two people look like one.

A guard caps the outcome of a pair: at review, or at new. A guard that *keeps apart* also forbids
that the two come into one cluster by way of a third record.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chartloom.registry.persons.comparison import Comparison
from chartloom.registry.persons.record import Kind, MatchRecord

#: Years between a parent and a child, at least.
GENERATION: Final = 14


class Guard(msgspec.Struct, frozen=True, gc=False):
    """name: for evidence; review: whether somebody should look (else: new); apart: see above.

    review_bits: bits above the threshold of review from which somebody looks. link_bits: bits above
    the threshold of linking from which the guard gives way; None: never.
    """

    name: str
    review: bool = False
    apart: bool = False
    review_bits: float = 0.0
    link_bits: float | None = None


UNKNOWN: Final = Guard("unknown-patient")
BIRTH_ORDER: Final = Guard("birth-order", apart=True)
MOTHER_AND_CHILD: Final = Guard("mother-and-child", apart=True)
NAMESAKE: Final = Guard("namesake", apart=True)
NAMESAKE_SAME_NUMBER: Final = Guard("namesake-same-number", review=True)
TWINS: Final = Guard("twins", apart=True)
#: Nobody says that they were born together, nor what their second names are: children of one day,
#: or one person who goes by a second name. Somebody looks; nothing joins them.
ALIKE: Final = Guard("twins", review=True, apart=True)
TWINS_SAME_NUMBER: Final = Guard("twins-same-number", review=True)
SIMILAR_GIVEN: Final = Guard("similar-given-name", review=True)
#: One name in two forms, of two who are not found at one home.
ONE_NAME: Final = Guard("similar-given-name", review=True, link_bits=2.0)
#: The given name is mistyped, the second one is the same.
SECOND_SAME: Final = Guard("similar-given-name", review=True, link_bits=4.0)
#: Maria and Marta: one letter apart, and both are names.
CLOSE_NAMES: Final = Guard("similar-given-name", review=True, link_bits=20.0)
OTHER_GIVEN: Final = Guard("other-given-name", review=True)
OTHER_PERSON: Final = Guard("other-person", apart=True)
OVERLAY: Final = Guard("overlay", review=True, apart=True)
NEWBORN: Final = Guard("newborn", review=True)
#: Of one family name and born on one day, and nothing is known of where they live.
NEWBORN_NAMED: Final = Guard("newborn", review=True, link_bits=-2.0)
#: Born on one day near each other: under other family names little else can agree.
NEWBORN_NEAR: Final = Guard("newborn", review=True, review_bits=-6.0)
NAMELESS: Final = Guard("no-given-name", review=True)
#: All but the given name agrees, and a home, telephone or mother. A twin would, too: where both
#: are known, the record is neither (``nameless.py``).
NAMELESS_HOME: Final = Guard("no-given-name", review=True, link_bits=6.0)
INITIAL: Final = Guard("no-given-name", review=True, link_bits=6.0)
OTHER_BIRTH: Final = Guard("other-birth-date", review=True, review_bits=10.0)
OTHER_BIRTH_NEAR: Final = Guard("other-birth-date", review=True, review_bits=10.0, link_bits=10.0)
#: Two of one name with one home and one telephone, a few years apart, are hardly two.
OTHER_BIRTH_HOME: Final = Guard("other-birth-date", review=True, link_bits=4.0)
#: Nor are two of one year: no father and son, and no parents call two children alike.
OTHER_BIRTH_YEAR: Final = Guard("other-birth-date", review=True, link_bits=8.0)
#: Fathers and sons share name and home: without a date of birth much else has to agree.
NO_BIRTH: Final = Guard("no-birth-date", review=True, link_bits=12.0)
#: Addresses of e-mail are made of names: strangers of one name come to share them.
NO_BIRTH_MAIL: Final = Guard("no-birth-date", review=True, link_bits=14.0)
#: At one home with other telephones.
NO_BIRTH_APART: Final = Guard("no-birth-date", review=True, link_bits=14.0)
#: A father and a son of one whole name have mothers of other names.
NO_BIRTH_MOTHER: Final = Guard("no-birth-date", review=True, link_bits=8.0)
#: One is called Jr or Sr, the other may be his father or son.
NO_BIRTH_SUFFIX: Final = Guard("no-birth-date", review=True)
NO_BIRTH_NEAR: Final = Guard("no-birth-date", review=True, review_bits=4.0)
OTHER_MIDDLE: Final = Guard("other-middle-name", review=True, link_bits=6.0)
#: Whole names, year and month are the same: the day is mistyped oftener than it differs so.
NOTHING_BUT_MONTH: Final = Guard("nothing-in-common", review=True, review_bits=-3.0)
#: Whole names are the same, and nothing else can be compared.
NOTHING_IN_COMMON: Final = Guard("nothing-in-common", review=True, review_bits=3.0)
#: Little speaks for it, and nothing but what many share ties the two together.
THIN: Final = Guard("thin", review=True, link_bits=4.0)
#: One digit of the birth date is mistyped, or a woman has another family name: seen often.
THIN_USUAL: Final = Guard("thin", review=True, link_bits=2.0)
#: The same, and no other home or telephone is known: mistyped, more likely than a namesake.
THIN_SILENT: Final = Guard("thin", review=True, link_bits=1.0)
#: As many live in one town, however large the set is.
THIN_NEAR: Final = Guard("thin", review=True, link_bits=3.0)
#: Two of one town who are called and were born alike, with other family names.
THIN_RENAMED: Final = Guard("thin", review=True, link_bits=3.0)
#: One system knows them as two: those who ask for the name and find it make no second number.
THIN_TWICE: Final = Guard("thin", review=True, review_bits=2.0, link_bits=8.0)
#: A number or an e-mail address ties them.
THIN_TIED: Final = Guard("thin", review=True, link_bits=2.0)
#: Two numbers, and names that are nearly one: twins at one home, sooner than two mistakes.
TWO_NUMBERS: Final = Guard("similar-given-name", review=True)
#: Twins may have each other's name as a second one.
SECOND_NAME: Final = Guard("thin", review=True)

GIVEN_AGREES: Final = frozenset({"exact", "nickname", "middle", "close", "swapped"})
BIRTH_AGREES: Final = frozenset({"exact", "default", "partial", "swapped", "digit"})
BIRTH_NEAR: Final = frozenset({"day-and-month", "year-and-month"})
FAMILY_APART: Final = frozenset({"different", "renamed"})
_FAMILY_AGREES: Final = frozenset({"exact", "former", "part", "close", "sound", "swapped"})
_NEAR: Final = frozenset({"same", "street", "building", "postal"})


def personal(c: Comparison) -> bool:
    """Whether something that belongs to one person, not to a household, is the same."""
    return c.national == "same" or c.record == "same" or c.email == "same"


def household(c: Comparison) -> bool:
    """Whether something that a household shares is the same."""
    return c.home == "same" or c.phone == "same" or c.mother == "same"


def all_anew(c: Comparison) -> bool:
    """Whether what belongs to one person is another's, be the date of birth the same: half of the
    dates that clerks make up are one day, and a date may stay where the rest is written over."""
    others = (c.family in FAMILY_APART) + (c.sex == "different") + (c.national == "different")
    return c.given == "different" and others > 1


def written_over(c: Comparison) -> bool:
    """Whether so much of what stays with a person is another's that the given name proves nothing:
    of two men chosen by chance, two or three in a hundred share it.

    Dates of birth are corrected, people marry and move; not all of it at once. A father and a son
    of one name have other numbers.
    """
    if c.birth not in ("different", "year") or c.national == "same":
        return False
    if c.family in FAMILY_APART:
        moved = c.home == "different" and c.phone != "same"
        return moved or c.sex == "different" or c.national == "different"
    return c.years >= GENERATION and c.national == "different"


def guard(a: MatchRecord, b: MatchRecord, c: Comparison) -> Guard | None:
    """The first guard that speaks about a pair, or None. Symmetric."""
    if a.kind is Kind.UNKNOWN or b.kind is Kind.UNKNOWN:
        return None if c.record == "same" else UNKNOWN
    if c.births:
        return BIRTH_ORDER
    if c.mothers_number and c.birth not in BIRTH_AGREES:
        return MOTHER_AND_CHILD
    if c.record == "same":
        return _same_record(c)
    if a.kind is Kind.NEWBORN or b.kind is Kind.NEWBORN:
        return _newborn(c)
    if c.given in ("different", "similar") or (c.given == "initial" and c.sex == "different"):
        return _other_given(c)
    if c.suffix == "different":
        return NAMESAKE_SAME_NUMBER if c.national == "same" and c.birth == "exact" else NAMESAKE
    if c.birth not in BIRTH_AGREES:
        held = _other_birth(c)
        generations = a.suffix != b.suffix and held in (NO_BIRTH, NO_BIRTH_MOTHER)
        return NO_BIRTH_SUFFIX if generations else held
    if c.multiple and c.siblings and c.national != "same" and c.given != "middle":
        return SIMILAR_GIVEN
    if c.given == "missing" or c.given == "initial":
        if personal(c) or (c.given == "initial" and _at_home(c)):
            return None
        return _nameless(c)
    return _thin(c)


def _nameless(c: Comparison) -> Guard:
    if c.birth != "exact" or c.family not in _FAMILY_AGREES or c.multiple:
        return NAMELESS
    if c.given == "initial":
        return INITIAL if c.middle != "different" else NAMELESS
    if "different" in (c.national, c.record, c.email):
        return NAMELESS  # it may be a twin's
    ties = (c.home == "same") + (c.phone == "same") + (c.mother == "same")
    ties -= c.phone == "different"  # grown twins at one home have telephones of their own
    return NAMELESS_HOME if ties > (c.sex == "missing") and c.sex != "different" else NAMELESS


def _same_record(c: Comparison) -> Guard | None:
    """The same number in the same system is one person, unless the record was written over."""
    given_apart = c.given in ("different", "similar") or (
        c.given == "initial" and c.sex == "different"
    )
    birth_apart = c.birth in ("different", "year")
    if written_over(c) or (all_anew(c) and not (c.national == "same" and c.birth == "exact")):
        return OVERLAY
    if given_apart and (birth_apart or (c.family in FAMILY_APART and c.birth == "missing")):
        return OVERLAY
    if birth_apart and c.years >= GENERATION and c.suffix == "different":
        return OVERLAY
    return None


def _newborn(c: Comparison) -> Guard | None:
    """A baby before and after it was named: same day, same family or mother, nothing in the way."""
    if c.birth not in ("exact", "default", "digit"):
        return OTHER_PERSON if c.birth != "missing" else NEWBORN
    if c.sex == "different" or c.mother == "different":
        return TWINS if c.sex == "different" else NEWBORN
    named = c.family in ("exact", "former", "part") and c.home in _NEAR
    if not (named or c.mothers_number or household(c) or c.national == "same"):
        if c.family in ("exact", "former", "part") and c.birth == "exact" and not c.multiple:
            return NEWBORN_NAMED
        return NEWBORN_NEAR if c.home in _NEAR and c.birth == "exact" else NEWBORN
    if c.multiple or c.birth == "digit":
        return NEWBORN
    return None


def _other_given(c: Comparison) -> Guard | None:
    if c.given == "similar" and c.birth in BIRTH_AGREES and not c.multiple:
        if personal(c) and c.birth == "exact" and c.sex != "different":
            return THIN_TIED
        second = _second_same(c)
        if second or _one_name(c):
            if household(c) and c.phone != "different":
                return None
            if second:
                return SECOND_SAME
            return ONE_NAME if c.spelt else SIMILAR_GIVEN
        return TWINS if c.sex == "different" and c.national != "same" else SIMILAR_GIVEN
    if c.birth not in BIRTH_AGREES:
        if c.birth == "missing":
            return OTHER_GIVEN if personal(c) else NOTHING_IN_COMMON
        return OTHER_PERSON
    if c.national == "same":
        if c.sex == "different":
            return TWINS
        told = c.birth == "exact" and not (c.siblings or c.multiple) and c.home in _NEAR
        return THIN_TIED if told else TWINS_SAME_NUMBER
    if c.national == "close" and c.sex != "different" and not c.multiple:
        return OTHER_GIVEN
    if c.sex == "different" or c.national == "different" or c.multiple:
        return TWINS
    if c.email == "same" and c.birth == "exact" and c.family in _FAMILY_AGREES:
        return OTHER_GIVEN
    return _second_name(c)


def _second_name(c: Comparison) -> Guard:
    """Two of one family name born on one day: twins, unless one goes by a second name."""
    near = c.home in _NEAR or c.home == "missing" or c.phone == "same"
    if not near or c.birth != "exact" or c.family not in _FAMILY_AGREES or c.sex == "different":
        return TWINS
    if c.second_name == "fits":
        return OTHER_GIVEN
    return TWINS if c.second_name else ALIKE


def _one_name(c: Comparison) -> bool:
    """One name in two forms, with nothing that speaks against it."""
    return (
        c.one_name
        and c.birth == "exact"
        and c.family in _FAMILY_AGREES
        and c.sex != "different"
        and c.national != "different"
        and c.record != "different"
        and not (c.home == "same" and c.phone == "different")
    )


def _second_same(c: Comparison) -> bool:
    """A given name mistyped, before one second name: twins hardly share one."""
    return (
        c.second_name == "same"
        and not c.siblings
        and c.birth == "exact"
        and c.family in _FAMILY_AGREES
        and c.sex != "different"
        and c.national != "different"
        and c.record != "different"
    )


def _other_birth(c: Comparison) -> Guard | None:
    tied = personal(c) or household(c)
    if c.birth == "missing":
        if not tied:
            return NO_BIRTH_NEAR if c.home in _NEAR else NOTHING_IN_COMMON
        if personal(c) and c.given in GIVEN_AGREES:
            numbered = c.national == "same" or c.record == "same"
            return None if numbered or c.home == "same" or c.phone == "same" else NO_BIRTH_MAIL
        if _same_mother(c):
            return NO_BIRTH_MOTHER
        return NO_BIRTH_APART if c.sex != "same" or c.phone == "different" else NO_BIRTH
    named = c.given in ("exact", "nickname", "close") and c.family in _FAMILY_AGREES
    if c.national == "same":
        if c.years >= GENERATION:
            return NAMESAKE_SAME_NUMBER
        return None if named and c.sex != "different" else OTHER_BIRTH
    if c.years >= GENERATION and c.birth not in BIRTH_NEAR:
        return NAMESAKE
    if c.birth in BIRTH_NEAR and named and c.given != "close":
        ties = (c.home == "same") + (c.phone == "same") + (c.email == "same") + (c.mother == "same")
        if ties and c.national != "different":
            if c.years >= GENERATION:
                return OTHER_BIRTH
            if ties > 1:
                return None
            day = c.birth == "year-and-month" and c.given == c.family == "exact"
            return OTHER_BIRTH_HOME if day else OTHER_BIRTH_NEAR
    if c.national == "different":
        return OTHER_PERSON
    whole = c.given == c.family == "exact" and c.middle != "different"
    told_twice = c.home == "same" and (c.phone == "same" or c.mother == "same")
    if whole and told_twice and c.years <= 5:
        return OTHER_BIRTH if c.sex == "different" else OTHER_BIRTH_HOME
    at_home = c.home == "same" or c.phone == "same"
    if whole and at_home and c.birth in ("year", "year-and-month") and c.sex != "different":
        return OTHER_BIRTH_YEAR if c.birth == "year" else OTHER_BIRTH_HOME
    if tied or c.middle == "exact":
        return OTHER_BIRTH
    return NOTHING_BUT_MONTH if whole and c.birth == "year-and-month" else NOTHING_IN_COMMON


def _same_mother(c: Comparison) -> bool:
    """One given name, and mothers of one name: neither father and son nor brothers."""
    if c.mother != "same" or c.given != "exact" or c.sex == "different" or c.middle == "different":
        return False
    if c.middle == "exact" and c.family == "exact" and c.sex == "same":
        return True
    return c.home in _NEAR and c.family in ("exact", "former", "close")


def _thin(c: Comparison) -> Guard | None:
    """Given name and date of birth agree. Something else must, and nothing may speak against it."""
    if c.national == "different" and not (c.email == "same" or household(c)):
        return _little(c)
    if personal(c):
        return None
    if c.national == "different" and (c.given != "exact" or c.middle == "different"):
        return TWO_NUMBERS
    if c.given == "close" and c.siblings:
        return SIMILAR_GIVEN if c.record == "different" else CLOSE_NAMES
    tied = c.home == "same" or c.phone == "same" or (c.mother == "same" and c.birth == "exact")
    if c.given == "middle" and (c.multiple or not (c.home == "same" or c.phone == "same")):
        return SECOND_NAME
    if c.middle == "different" and not (tied and c.given == "exact"):
        return OTHER_MIDDLE
    if tied:
        return None
    if c.birth != "exact" or c.crossing:
        return _little(c)
    if c.family in ("exact", "former", "swapped", "part"):
        return None
    near = c.family in ("close", "sound") and c.given != "middle"
    return None if near and c.birth != "default" else _little(c)


def _little(c: Comparison) -> Guard:
    """How little: see the guards."""
    if c.record == "different":
        return THIN_TWICE
    alike = c.family in ("exact", "former", "close")
    mistyped = c.birth == "digit" and alike
    if c.home not in _NEAR:
        if alike and c.home == "missing" and c.phone in ("missing", "close"):
            return THIN_SILENT if mistyped else THIN_USUAL
        return THIN_USUAL if mistyped or c.family in FAMILY_APART else THIN
    if c.family == "part":
        return THIN
    if c.family in FAMILY_APART:
        return THIN_RENAMED if c.family == "renamed" else THIN_NEAR
    return THIN_NEAR


def _at_home(c: Comparison) -> bool:
    return not c.multiple and c.family in _FAMILY_AGREES and (c.home == "same" or c.phone == "same")
