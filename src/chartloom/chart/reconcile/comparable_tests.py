"""Which results are of one and the same test: by LOINC, specimen and method."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from chartloom.chart.reconcile.units import as_number
from chartloom.formats.tables import csv_rows, mistake

FILE: Final = "tests.csv"


class Test(msgspec.Struct, frozen=True):
    """A test as one can compare it. key: the analyte; unit: in which it is shown (UCUM)."""

    key: str
    name: str
    specimen: str
    method: str
    molar_mass: Decimal | None
    valence: int
    unit: str


class Tests(msgspec.Struct, frozen=True):
    """The table by LOINC."""

    by_loinc: dict[str, Test]


def load_tests(own: Mapping[str, bytes] | None = None) -> Tests:
    """The built-in table, rows of a site's ``tests.csv`` over it by LOINC.

    Raises ``ConfigurationError`` with file and line.
    """
    if not own or FILE not in own:
        return builtin_tests()
    return _table(shipped(), own[FILE])


@cache
def builtin_tests() -> Tests:
    """The table that comes with Chartloom."""
    return _table(shipped())


def shipped() -> bytes:
    """The file that comes with Chartloom."""
    return (resources.files("chartloom.chart.reconcile") / "tables" / FILE).read_bytes()


def _table(*contents: bytes) -> Tests:
    columns = {"test", "name", "specimen", "method", "molar_mass", "valence", "unit", "loinc"}
    by_loinc: dict[str, Test] = {}
    for content in contents:
        for where, row in csv_rows(FILE, content, columns):
            mass = as_number(row["molar_mass"]) if row["molar_mass"] else None
            if row["molar_mass"] and (mass is None or mass <= 0):
                raise mistake(where, "molar_mass is no positive number.", "Write it in g/mol.")
            if row["valence"] and not row["valence"].isdecimal():
                raise mistake(where, "valence is no number.", "Write 1 or 2, or nothing.")
            test = Test(
                row["test"], row["name"], row["specimen"], row["method"], mass,
                int(row["valence"] or 0), row["unit"],
            )  # fmt: skip
            by_loinc.update(dict.fromkeys(row["loinc"].split(), test))
    return Tests(by_loinc)
