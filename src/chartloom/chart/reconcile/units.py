"""Units of measure: which values can be compared, and how one is turned into the other's unit.

UCUM's units as laboratories write them (``tables/units.csv``). Between mass and substance per
volume only the molar mass of the analyte leads, and only where the test is known to have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal, InvalidOperation
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from chartloom.formats.tables import csv_rows, mistake

FILE: Final = "units.csv"
_MASS, _SUBSTANCE, _CHARGE = "mass-concentration", "substance-concentration", "charge-concentration"
_CELSIUS, _FAHRENHEIT = "temperature", "temperature-f"
_RATIO, _IFCC = "ratio", "ratio-ifcc"
#: The master equation of hemoglobin A1c: per cent (NGSP) of mmol/mol (IFCC).
_A1C: Final = "hba1c"
_NGSP_SLOPE, _NGSP_AT_ZERO = Decimal("0.09148"), Decimal("2.152")
_PERCENT, _PER_MILLE = Decimal("0.01"), Decimal("0.001")
#: More than that nobody measures, and what is computed has few more.
_DIGITS_MAX: Final = 20
#: How exactly a value is shown that was shifted into one of these units.
_STEPS: Final = {
    "%": Decimal("0.1"), "mmol/mol": Decimal(1), "Cel": Decimal("0.1"), "[degF]": Decimal("0.1"),
}  # fmt: skip


class Unit(msgspec.Struct, frozen=True):
    """A unit. factor: how many base units of its dimension one is."""

    code: str
    dimension: str
    factor: Decimal


class Units(msgspec.Struct, frozen=True):
    """The table by spelling."""

    by_name: dict[str, Unit]

    def find(self, text: str) -> Unit | None:
        """The unit of a spelling; None if it is not known. Letter case counts where it must (``m``
        is not ``M``), else it does not."""
        bare = text.replace(" ", "")
        return self.by_name.get(bare) or self.by_name.get(bare.casefold())


def convert(
    value: Decimal,
    unit: Unit,
    to: Unit,
    molar_mass: Decimal | None = None,
    valence: int = 0,
    test: str = "",
) -> Decimal | None:
    """A value in another unit; None if the two cannot be turned into each other. test: the analyte,
    where that alone tells how."""
    if unit.dimension == to.dimension:
        return value if unit.factor == to.factor else value * unit.factor / to.factor
    if {unit.dimension, to.dimension} == {_CELSIUS, _FAHRENHEIT}:
        if to.dimension == _CELSIUS:
            return (value - 32) * 5 / 9
        return value * 9 / 5 + 32
    if test == _A1C and {unit.dimension, to.dimension} == {_RATIO, _IFCC}:
        return _a1c(value * unit.factor, to)
    moles = _moles(value * unit.factor, unit.dimension, molar_mass, valence)
    if moles is None:
        return None
    if to.dimension == _SUBSTANCE:
        return moles / to.factor
    if to.dimension == _MASS and molar_mass:
        return moles * molar_mass / to.factor
    if to.dimension == _CHARGE and valence:
        return moles * valence / to.factor
    return None


def _a1c(base: Decimal, to: Unit) -> Decimal:
    if to.dimension == _RATIO:
        return (base / _PER_MILLE * _NGSP_SLOPE + _NGSP_AT_ZERO) * _PERCENT / to.factor
    return (base / _PERCENT - _NGSP_AT_ZERO) / _NGSP_SLOPE * _PER_MILLE / to.factor


def _moles(
    base: Decimal, dimension: str, molar_mass: Decimal | None, valence: int
) -> Decimal | None:
    if dimension == _SUBSTANCE:
        return base
    if dimension == _MASS and molar_mass:
        return base / molar_mass
    return base / valence if dimension == _CHARGE and valence else None


def as_number(text: object) -> Decimal | None:
    """A result's value as a finite number."""
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        return None
    return value if value.is_finite() and abs(value.adjusted()) < 30 else None


def rounded(value: Decimal, digits: int = 3) -> Decimal:
    """To so many significant digits; conversions do not make a value more exact than it was."""
    if not value:
        return Decimal(0)
    digits = min(digits, _DIGITS_MAX)
    if value.adjusted() >= _DIGITS_MAX:
        return Context(prec=digits).plus(value)  # too large to be written out
    step = Decimal(1).scaleb(value.adjusted() - digits + 1)
    return value.quantize(step) if step < 1 else value.quantize(Decimal(1))


def turned_text(value: Decimal, unit: Unit, turned: Decimal, to: Unit) -> Decimal:
    """A converted value as exact as the one that was sent.

    Where a conversion adds something, as that of degrees, significant digits tell nothing: 91
    mmol/mol is 10.5 %, and not 10.
    """
    shifted = unit.dimension != to.dimension and to.code in _STEPS
    if shifted and turned.adjusted() < _DIGITS_MAX:
        return turned.quantize(_STEPS[to.code])
    return rounded(turned, max(len(value.as_tuple().digits), 2))


def load_units(own: Mapping[str, bytes] | None = None) -> Units:
    """The built-in table, rows of a site's ``units.csv`` over it.

    Raises ``ConfigurationError`` with file and line.
    """
    if not own or FILE not in own:
        return builtin_units()
    return _table(shipped(), own[FILE])


@cache
def builtin_units() -> Units:
    """The table that comes with Chartloom."""
    return _table(shipped())


def shipped() -> bytes:
    """The file that comes with Chartloom."""
    return (resources.files("chartloom.chart.reconcile") / "tables" / FILE).read_bytes()


def _table(*contents: bytes) -> Units:
    by_name: dict[str, Unit] = {}
    loose: dict[str, Unit | None] = {}
    for content in contents:
        for where, row in csv_rows(FILE, content, {"unit", "dimension", "factor", "names"}):
            factor = as_number(row["factor"])
            if factor is None or factor <= 0:
                raise mistake(where, "factor is no positive number.", "Write a decimal number.")
            unit = Unit(row["unit"], row["dimension"], factor)
            for name in (row["unit"], *row["names"].split(";")):
                bare = name.replace(" ", "")
                if not bare:
                    continue
                by_name[bare] = unit
                other = loose.get(bare.casefold(), unit)
                loose[bare.casefold()] = unit if other is None or other.code == unit.code else None
    by_name.update({n: u for n, u in loose.items() if u is not None and n not in by_name})
    return Units(by_name)
