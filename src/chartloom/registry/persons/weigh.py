"""Fellegi-Sunter: the weights of all levels, added, in bits; names by their rarity."""

from __future__ import annotations

from typing import Final

from chartloom.registry.persons.comparison import Comparison
from chartloom.registry.persons.parameters import Parameters

_FULL: Final = frozenset({"exact", "former"})


def weigh(c: Comparison, parameters: Parameters) -> float:
    """The weight of evidence that two records are one person: log2 of the likelihood ratio.

    Home, telephone and mother's name are shared in a household and count together up to
    ``household_max``. An agreeing part of a compound name counts with half of its rarity.
    """
    w = parameters.weights
    household = w["home"][c.home] + w["phone"][c.phone] + w["mother"][c.mother]
    total = (
        w["family"][c.family]
        + w["given"][c.given]
        + w["middle"][c.middle]
        + w["birth"][c.birth]
        + w["sex"][c.sex]
        + w["email"][c.email]
        + w["national"][c.national]
        + w["record"][c.record]
        + w["suffix"][c.suffix]
        + (household if household < parameters.household_max else parameters.household_max)
    )
    if c.family_rarity:
        total += c.family_rarity if c.family in _FULL else c.family_rarity / 2
    return total + c.given_rarity


def contributions(c: Comparison, parameters: Parameters) -> dict[str, tuple[str, float]]:
    """Field -> (level, bits), for evidence; what is missing is left out. No values of anybody."""
    found: dict[str, tuple[str, float]] = {}
    for field, weights in parameters.weights.items():
        level: str = getattr(c, field)
        if level != "missing":
            found[field] = (level, round(weights[level], 2))
    for field, rarity in (("family", c.family_rarity), ("given", c.given_rarity)):
        if rarity and field in found:
            level, bits = found[field]
            share = rarity if c.family in _FULL or field == "given" else rarity / 2
            found[field] = (level, round(bits + share, 2))
    return found
