"""Strengths in names: found, taken out, and written in one way."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

_NUMBER = r"\d+(?:\.\d+)?"
_UNIT = r"mcg|ug|mg|g|kg|ng|meq|mmol|mol|units?|unts?|iu|\[iu\]|u|%"
_PER = (
    r"ml|l|actuations?|actuat|act|puffs?|inhalations?|sprays?|doses?|hours?|hr|h|g|mg"
    r"|tablets?|tab|cap"
)
_STRENGTH: Final = re.compile(
    rf"(?<![\w.])(?P<first>{_NUMBER})(?P<more>(?:\s*[-/]\s*{_NUMBER}){{0,3}})\s*-?\s*(?P<unit>{_UNIT})"
    rf"(?:-(?P<other>{_UNIT}))?(?![a-z])(?:\s*/\s*(?P<count>{_NUMBER})?\s*(?P<per>{_PER})(?![a-z]))?"
)
#: Volumes and counts of packs say nothing about strength.
_PACK: Final = re.compile(
    rf"(?<![\w.])\(?{_NUMBER}\s*(?:ml|l|oz|tabs?|tablets?|caps?|capsules?|ct|count|pack|x)(?![a-z])\)?"
)
_RELEASE: Final = re.compile(r"(?<![\w.])(?:12|24)[\s-]*(?:hours?|hr|h)(?![a-z])")
_DIGITS_MAX: Final = 12
_MASS: Final = {
    "kg": Decimal(1_000_000), "g": Decimal(1000), "mg": Decimal(1), "mcg": Decimal("0.001"),
    "ug": Decimal("0.001"), "ng": Decimal("0.000001"),
}  # fmt: skip
_UNITS: Final = {"unit": "unit", "units": "unit", "unt": "unit", "unts": "unit", "iu": "unit",
                 "[iu]": "unit", "u": "unit"}  # fmt: skip
_PERS: Final = {
    **dict.fromkeys(("actuation", "actuations", "actuat", "act", "puff", "puffs", "inhalation",
                     "inhalations", "spray", "sprays", "dose", "doses"), "actuation"),
    **dict.fromkeys(("hour", "hours", "hr", "h"), "hour"),
    **dict.fromkeys(("tablet", "tablets", "tab", "cap"), ""),
}  # fmt: skip


def take_strengths(text: str) -> tuple[list[str], str]:
    """(strengths in their order, the text without them). ``text`` is folded.

    ``875-125 mg``, ``1-20 mg-mcg`` and ``160/4.5 mcg/actuation`` are two strengths each.
    """
    found: list[str] = []

    def take(match: re.Match[str]) -> str:
        numbers = [match["first"], *re.findall(_NUMBER, match["more"])]
        unit, per, count = match["unit"], match["per"] or "", match["count"] or ""
        units = [unit] * (len(numbers) - 1) + [match["other"] or unit]
        found.extend(normal_strength(n, u, per, count) for n, u in zip(numbers, units, strict=True))
        return " actuation " if per.startswith(("act", "puff", "inhal")) else " "

    marked = _RELEASE.sub(" 24 hr ", text)
    kept = re.sub(r"24 hr", "\x00", marked)
    rest = _PACK.sub(" ", _STRENGTH.sub(take, kept))
    return [s for s in found if s], rest.replace("\x00", " er ")


def normal_strength(number: str, unit: str, per: str = "", count: str = "") -> str:
    """``0.09 mg/actuat`` is ``90 mcg/actuation``, ``5 mg/5 mL`` is ``1 mg/mL``. "" for what is no
    strength that anything has."""
    value = Decimal(number)
    per = _PERS.get(per, per)
    if count and Decimal(count):
        value /= Decimal(count)
    if value.adjusted() >= _DIGITS_MAX:
        return ""
    if unit in _MASS:
        if per == "g":
            value, per = value / 1000, "mg"
        elif per == "l":
            value, per = value / 1000, "ml"
        amount = _mass(value * _MASS[unit])
    else:
        amount = f"{_plain(value)} {_UNITS.get(unit, unit)}"
    return f"{amount}/{'mL' if per == 'ml' else per}" if per else amount


def _mass(milligrams: Decimal) -> str:
    if milligrams and milligrams < 1:
        return f"{_plain(milligrams * 1000)} mcg"
    return f"{_plain(milligrams)} mg"


def _plain(value: Decimal) -> str:
    text = f"{value.quantize(Decimal('0.0001')):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
