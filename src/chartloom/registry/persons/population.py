"""Thresholds follow how many records there are.

A weight says how much likelier a pair looks as it does if it is one person. How likely it is one
person depends also on how many there are who are not: among N records each has some N strangers and
hardly more of its own than among a hundred, so that the odds before anything is compared fall as
1/N (Fellegi and Sunter's threshold for a given rate of false links).

That holds for two who are **far** from each other. Where N grows, so do the places, telephones and
numbers: as many live under one postal code as before, and as many share a telephone. Two who agree
in one of these have no more strangers than before, and their thresholds stay.

Fields of strangers who look alike agree together oftener than one by one, so that a bit of weight
is worth less than a bit: how many bits a doubling of N takes was measured
(``bench_identity_population`` on noise family A; see ``docs/explanations/identity.md``).

N is what a site declares, not what has arrived when a pair is decided about: else the same two
records would end otherwise in a stream, a rebuild, another order.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import log2
from typing import Final

import msgspec

from chartloom.registry.persons.comparison import FIELDS, Comparison
from chartloom.registry.persons.parameters import Parameters

#: A declared number of records is good for this many times fewer or more: two doublings.
BAND: Final = 4.0
#: Bits per doubling so that as many strangers are linked, and are reviewed, per record as before.
LINK_BITS: Final = 1.5
REVIEW_BITS: Final = 1.4
#: Levels that become rarer as more people are there.
_PLACES: Final = frozenset({"same", "building", "street", "postal"})
_NUMBERS: Final = frozenset({"same", "close"})


def is_far(c: Comparison) -> bool:
    """Whether nothing agrees that fewer share the more people there are."""
    return not (
        c.home in _PLACES
        or c.phone in _NUMBERS
        or c.email == "same"
        or c.national in _NUMBERS
        or c.record == "same"
    )


def thresholds(c: Comparison, parameters: Parameters) -> tuple[float, float]:
    """(link, review): the least weight of a pair, before any guard speaks."""
    if parameters.link_far and is_far(c):
        return parameters.link + parameters.link_far, parameters.review + parameters.review_far
    return parameters.link, parameters.review


def thresholds_of(levels: Mapping[str, str], parameters: Parameters) -> tuple[float, float]:
    """The same for the levels that a kept decision holds; a field that is missing is not there."""
    return thresholds(Comparison(**dict.fromkeys(FIELDS, "missing") | dict(levels)), parameters)  # type: ignore[arg-type]


def among(parameters: Parameters, records: int) -> Parameters:
    """The parameters as they are in force where there are about ``records`` records.

    Weights, the rarity of names and the thresholds of those who are near each other stay. Up to the
    number for which they were made nothing changes: that few strangers are there does not make
    brothers less alike. Another fingerprint, if anything is other.
    """
    doublings = log2(records / parameters.records)
    if doublings <= 0:
        return parameters
    link_far = round(parameters.link_far + LINK_BITS * doublings, 3)
    review_far = round(parameters.review_far + REVIEW_BITS * doublings, 3)
    # Among so many that nothing would be left between the two, what is not linked is not asked.
    most = parameters.link + link_far - parameters.review
    return msgspec.structs.replace(
        parameters, link_far=link_far, review_far=min(review_far, most), records=records
    )


def is_fit(declared: int, stored: int, measured: int) -> bool:
    """Whether thresholds for ``declared`` records do for those that are stored.

    Below ``measured`` all numbers have the same thresholds.
    """
    return max(stored, measured) <= BAND * max(declared, measured) and (
        max(declared, measured) <= BAND * max(stored, measured)
    )
