"""Daily doses made comparable, as far as the words allow."""

from __future__ import annotations

from chartloom.chart.reconcile.directions import amount_said, times_a_day
from chartloom.chart.reconcile.pieces import Piece

_MASS_MG = {"mg": 1.0, "g": 1000.0, "mcg": 0.001, "ug": 0.001, "µg": 0.001}
_UNITS = {"unit": "unit", "units": "unit", "[iu]": "unit", "iu": "unit"}
_PIECES = frozenset(
    ("tablet", "tablets", "tab", "tabs", "capsule", "capsules", "cap", "caps", "puff", "puffs")
)


def daily_dose(piece: Piece) -> tuple[float, str] | None:
    """(amount a day, ``mg``, ``unit`` or ``piece``); None if neither numbers nor words say it.

    Tablets and the like become milligrams where the drug has one strength in milligrams.
    """
    said = piece.each if amount(piece.each) and len(piece.each.split()) == 2 else ""
    said, often = said or amount_said(piece.each), piece.per_day or times_a_day(piece.directions)
    if not said or not often:
        return None
    each, unit = amount(said), said.split()[1].lower()
    if not each:
        return None
    if unit in _MASS_MG:
        return each * _MASS_MG[unit] * often, "mg"
    if unit in _UNITS:
        return each * often, "unit"
    if unit in _PIECES:
        if strength := _strength_mg(piece):
            return each * strength * often, "mg"
        return each * often, "piece"
    return None


def units_a_day(order: Piece, filled: Piece) -> float:
    """Tablets, puffs or the like a day: the dose in units of what is filled; 0 if it does not tell.

    A dose by weight is so many tablets of the one strength that was filled, or else ordered.
    """
    words = order.each.split()
    if len(words) < 2 or not order.per_day:
        return 0.0
    each, unit = amount(order.each), words[1].lower()
    if unit in _PIECES or unit == "ml":
        return each * order.per_day
    strength = _strength_mg(filled) or _strength_mg(order)
    return each * _MASS_MG.get(unit, 0.0) / strength * order.per_day if strength else 0.0


def amount(text: str) -> float:
    """The number that a dose begins with; 0 if it begins with none."""
    head = text.split()[0] if text.split() else ""
    try:
        value = float(head)
    except ValueError:
        return 0.0
    return value if 0 < value < 1e9 else 0.0


def _strength_mg(piece: Piece) -> float:
    """What one tablet has, in milligrams; 0 for combinations and where it is not known."""
    components = piece.drug.components
    if len(components) != 1:
        return 0.0
    words = components[0].strength.partition("/")[0].split()
    return amount(words[0]) * _MASS_MG.get(words[1], 0.0) if len(words) == 2 else 0.0


def differ(pieces: list[Piece], tolerance: float) -> bool:
    """Whether two of these say different daily doses, or (without doses) different strengths."""
    doses = [d for d in map(daily_dose, pieces) if d is not None]
    for unit in {unit for _, unit in doses}:
        amounts = [a for a, u in doses if u == unit]
        if max(amounts) - min(amounts) > tolerance * max(amounts):
            return True
    if doses:
        return False
    return len({p.drug.strength for p in pieces if p.drug.strength}) > 1
