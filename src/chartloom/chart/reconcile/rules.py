"""The rules of reconciliation: tables that a site can read, review and change.

The built-in tables are ``tables/*.toml``, one per kind of list. A site lays files of the same name
over them (``reconciliation/*.toml`` in its folder): tables are merged key by key, values and lists
replace the built-in ones. Every reconciled list names the fingerprint of all of them together.

To add a kind: a frozen struct with ``forbid_unknown_fields`` in a file of its own, a field of
:class:`Rules`, and ``tables/<field>.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec

from chartloom.chart.reconcile import comparable_tests, conditions, substances, units
from chartloom.chart.reconcile.rules_allergies import AllergyRules
from chartloom.chart.reconcile.rules_medications import MedicationRules
from chartloom.chart.reconcile.rules_problems import ProblemRules
from chartloom.chart.reconcile.rules_results import ResultRules
from chartloom.formats.tables import fingerprint, mistake, over, toml_of, typed


class Rules(msgspec.Struct, frozen=True):
    """All rules of a site. fingerprint: SHA-256 over the built-in and the site's files."""

    medications: MedicationRules
    allergies: AllergyRules
    problems: ProblemRules
    results: ResultRules
    substances: substances.Substances
    conditions: conditions.Conditions
    units: units.Units
    tests: comparable_tests.Tests
    fingerprint: str


#: Table (and file ``<name>.toml``) -> its type. A field of :class:`Rules` each.
TABLES: dict[str, type[msgspec.Struct]] = {
    "medications": MedicationRules,
    "allergies": AllergyRules,
    "problems": ProblemRules,
    "results": ResultRules,
}
#: What the rules speak about: tables of names and codes, in files of their own.
_SHIPPED = {
    substances.FILE: substances.shipped,
    conditions.FILE: conditions.shipped,
    units.FILE: units.shipped,
    comparable_tests.FILE: comparable_tests.shipped,
}


def load_rules(overlays: Mapping[str, bytes] | None = None) -> Rules:
    """The built-in rules under the files of a site (name -> content).

    Raises ``ConfigurationError`` with file and line.
    """
    own = overlays or {}
    if not own:
        return builtin_rules()
    return _load(own)


@cache
def builtin_rules() -> Rules:
    """The rules of a site that has none of its own."""
    return _load({})


def _load(own: Mapping[str, bytes]) -> Rules:
    shipped = {f"{name}.toml": _shipped(f"{name}.toml") for name in TABLES}
    shipped |= {file: content() for file, content in _SHIPPED.items()}
    if unknown := sorted(set(own) - set(shipped)):
        cure = f"The files are: {', '.join(sorted(shipped))}."
        raise mistake(unknown[0], "There are no rules of this name.", cure)
    read: dict[str, Any] = {}
    for name, kind in TABLES.items():
        file = f"{name}.toml"
        values = toml_of(file, shipped[file])
        content = own.get(file, shipped[file])
        if file in own:
            values = over(values, toml_of(file, content))
        read[name] = typed(values, kind, file, content)
    layers = {f"site/{k}": v for k, v in own.items()} | shipped
    return Rules(
        **read,
        substances=substances.load_substances(own),
        conditions=conditions.load_conditions(own),
        units=units.load_units(own),
        tests=comparable_tests.load_tests(own),
        fingerprint=fingerprint(layers),
    )


def _shipped(file: str) -> bytes:
    return (resources.files("chartloom.chart.reconcile") / "tables" / file).read_bytes()
