"""Thresholds follow how many records there are.

A weight says how much likelier a pair looks as it does if it is one person. How likely it is one
person depends also on how many there are who are not: among N records each has some N strangers and
hardly more of its own than among a hundred, so that the odds before anything is compared fall as
1/N (Fellegi and Sunter's threshold for a given rate of false links). The weight that means the same
chance of a mistake rises by log2(N).

N is what a site declares, not what has arrived when a pair is decided about: else the same two
records would end otherwise in a stream, a rebuild, another order.
"""

from __future__ import annotations

from math import log2
from typing import Final

import msgspec

from chartloom.registry.persons.parameters import Parameters

#: A declared number of records is good for this many times fewer or more: two bits.
BAND: Final = 4.0


def threshold_bits(records: int, measured: int) -> float:
    """By how much thresholds that were set among ``measured`` records rise among ``records``.

    They do not fall below what was measured: that few strangers are there does not make brothers
    less alike.
    """
    return max(0.0, log2(records / measured))


def among(parameters: Parameters, records: int) -> Parameters:
    """The parameters as they are in force where there are about ``records`` records.

    Weights and the rarity of names stay. Another fingerprint, if thresholds are others.
    """
    bits = threshold_bits(records, parameters.records)
    if not bits:
        return parameters
    return msgspec.structs.replace(
        parameters,
        link=round(parameters.link + bits, 3),
        review=round(parameters.review + bits, 3),
        records=records,
    )


def is_fit(declared: int, stored: int, measured: int) -> bool:
    """Whether thresholds for ``declared`` records do for those that are stored.

    Below ``measured`` all numbers have the same thresholds.
    """
    return max(stored, measured) <= BAND * max(declared, measured) and (
        max(declared, measured) <= BAND * max(stored, measured)
    )
