"""Builds the formulary from tables: the built-in ones, and those of a site over them.

Tables of a site are CSV files whose names begin with their kind: ``ingredients*.csv``,
``brands*.csv``, ``products*.csv``, ``ndc*.csv``. Columns: ``docs/howto/formulary.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from msgspec.structs import replace

from chartloom.domain.issues import Issue
from chartloom.formats.tables import csv_rows, fingerprint, mistake
from chartloom.registry.formulary.issues import NAME_UNREAD, REFERENCE_UNRESOLVED
from chartloom.registry.formulary.model import (
    RXNORM,
    Component,
    Drug,
    Ingredient,
    Known,
    key_of,
)
from chartloom.registry.formulary.ndc import ndc_candidates
from chartloom.registry.formulary.parse import parse_name
from chartloom.registry.formulary.snapshot import Formulary
from chartloom.registry.formulary.strength import take_strengths
from chartloom.registry.formulary.words import fold, form_of, route_of, shipped, words_of

#: Kind of table -> (columns it must have, columns it may have).
COLUMNS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "ingredients": (
        frozenset({"name"}),
        frozenset({"rxcui", "classes", "synonyms", "brands"}),
    ),
    "brands": (frozenset({"brand", "ingredients"}), frozenset({"form"})),
    "products": (
        frozenset({"system", "code", "name"}),
        frozenset({"ingredients", "salts", "strengths", "form", "route", "brand", "classes",
                   "rxnorm"}),
    ),
    "ndc": (frozenset({"ndc", "code"}), frozenset({"system", "name"})),
}  # fmt: skip
_BUILTIN: Final = ("ingredients.csv", "brands.csv")
_KINDS: Final = tuple(COLUMNS)

_Row = tuple[str, dict[str, str]]


def kind_of(file: str) -> str:
    """The kind of a table by its file's name. Raises ``ConfigurationError``."""
    for kind in _KINDS:
        if file.startswith(kind) and file.endswith(".csv"):
            return kind
    names = ", ".join(f"{kind}*.csv" for kind in _KINDS)
    raise mistake(file, "The name says no kind of table.", f"Call it one of: {names}.")


@cache
def builtin_formulary() -> Formulary:
    """Common drugs by name, written from general knowledge: no codes of products, no strengths."""
    return load_formulary({})[0]


def load_formulary(site: Mapping[str, bytes]) -> tuple[Formulary, list[Issue]]:
    """The formulary of a site (file name -> content), and what in it refers to nothing.

    Rows of the site win over built-in ones. Raises ``ConfigurationError`` with file and line.
    """
    files = {name: shipped(name) for name in _BUILTIN}
    rows: dict[str, list[_Row]] = {kind: [] for kind in _KINDS}
    for name, content in files.items():
        rows[kind_of(name)] += csv_rows(name, content, *COLUMNS[kind_of(name)])
    for name in sorted(site):
        rows[kind_of(name)] += csv_rows(name, site[name], *COLUMNS[kind_of(name)])
    tables = _Tables()
    for where, row in rows["ingredients"]:
        tables.ingredient(where, row)
    for where, row in rows["brands"]:
        tables.brand(where, row)
    for where, row in rows["products"]:
        tables.product(where, row)
    tables.refer()
    for where, row in rows["ndc"]:
        tables.crosswalk(where, row)
    whole = fingerprint(files | {f"site/{k}": v for k, v in site.items()})
    made = Formulary(tables.ingredients, tables.names, tables.drugs, tables.ndc, whole)
    return made, tables.issues


class _Tables:
    """Grows while rows are read."""

    def __init__(self) -> None:
        self.ingredients: dict[str, Ingredient] = {}
        self.names: dict[tuple[str, ...], tuple[tuple[str, ...], str, str]] = {}
        self.drugs: dict[str, Drug] = {}
        self.ndc: dict[str, str] = {}
        self.issues: list[Issue] = []
        self._references: list[tuple[str, str, str]] = []

    def ingredient(self, where: str, row: dict[str, str]) -> None:
        name = " ".join(words_of(fold(row["name"])))
        if not name:
            raise mistake(where, "The ingredient has no name.", "Fill the column `name`.")
        held = self.ingredients.get(name)
        classes = tuple(row["classes"].split()) or (held.classes if held else ())
        code = row["rxcui"] or (held.code if held else "")
        self.ingredients[name] = Ingredient(name, classes, code)
        for also in (name, *row["synonyms"].split(";")):
            self._name(also, (name,), "", "")
        for brand in row["brands"].split(";"):
            self._name(brand, (name,), brand.strip(), "")

    def brand(self, where: str, row: dict[str, str]) -> None:
        parts = tuple(self._known(part) for part in row["ingredients"].split("/") if part.strip())
        if not parts or not row["brand"]:
            raise mistake(where, "A brand has no ingredients.", "Write `a / b`.")
        self._name(row["brand"], parts, row["brand"], row["form"])

    def product(self, where: str, row: dict[str, str]) -> None:
        if not row["code"] or not row["system"]:
            raise mistake(where, "A product has no code or system.", "Fill both columns.")
        key = key_of(row["system"], row["code"])
        if row["rxnorm"]:
            self._references.append((where, key, f"{RXNORM}|{row['rxnorm']}"))
        drug = self._drug(where, row)
        if not drug.components and not row["rxnorm"]:
            self.issues.append(Issue(NAME_UNREAD, where))
            return
        self.drugs[key] = replace(drug, known=Known.CODE, code=key)

    def refer(self) -> None:
        """Products that are other words for a coded one take its content."""
        for where, key, target in self._references:
            known = self.drugs.get(target)
            own = self.drugs[key]
            if known is not None and known.components:
                self.drugs[key] = replace(known, code=key, name=own.name or known.name)
            elif not own.components:
                del self.drugs[key]
                self.issues.append(Issue(REFERENCE_UNRESOLVED, where))

    def crosswalk(self, where: str, row: dict[str, str]) -> None:
        found = ndc_candidates(row["ndc"])
        if len(found) != 1:
            cure = "Write 11 digits, or 10 with hyphens."
            raise mistake(where, "This is no NDC, or it may be several.", cure)
        target = key_of(row["system"] or "RXNORM", row["code"])
        if target in self.drugs:
            self.ndc[found[0]] = target
        elif row["name"] and (drug := parse_name(row["name"], self.names)).known is Known.NAME:
            self.drugs[target] = replace(drug, known=Known.CODE, code=target)
            self.ndc[found[0]] = target
        else:
            self.issues.append(Issue(REFERENCE_UNRESOLVED, where))

    def _drug(self, where: str, row: dict[str, str]) -> Drug:
        read = parse_name(row["name"], self.names)
        parts = [self._known(p) for p in row["ingredients"].split("/") if p.strip()]
        if parts:
            components = self._components(where, parts, row)
        elif read.known in (Known.NAME, Known.PART):
            components = read.components
        else:
            components = ()
        form = form_of(row["form"])
        return Drug(
            components=components,
            form=form.form or read.form,
            route=route_of(row["route"]) or form.route or read.route,
            release=form.release or read.release,
            brand=row["brand"] or read.brand,
            classes=tuple(sorted(row["classes"].split())),
            name=row["name"],
        )

    def _components(
        self, where: str, parts: list[str], row: dict[str, str]
    ) -> tuple[Component, ...]:
        salts = [s.strip() for s in row["salts"].split("/")] if row["salts"] else [""] * len(parts)
        given, _ = take_strengths(fold(row["strengths"].replace(" / ", " ; ")))
        strengths = given or [""] * len(parts)
        if len(strengths) != len(parts) or len(salts) != len(parts):
            what = "There are not as many strengths or salts as ingredients."
            raise mistake(where, what, "Write one for each, in the same order: `8 mg / 2 mg`.")
        return tuple(sorted(map(Component, parts, salts, strengths)))

    def _known(self, text: str) -> str:
        """An ingredient by any of its names; one that is new is added."""
        words = tuple(words_of(fold(text)))
        hit = self.names.get(words)
        if hit is not None and len(hit[0]) == 1:
            return hit[0][0]
        name = " ".join(words)
        self.ingredients.setdefault(name, Ingredient(name))
        self._name(name, (name,), "", "")
        return name

    def _name(self, text: str, parts: tuple[str, ...], brand: str, form: str) -> None:
        if words := tuple(words_of(fold(text))):
            self.names[words] = (parts, brand, form)
