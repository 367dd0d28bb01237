"""Which substance an allergy is about: by code or name, else as its source says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from chartloom.chart.reconcile.denial_words import denied_scope, denies, exception
from chartloom.chart.reconcile.heard import bounded, folded
from chartloom.formats.tables import csv_rows, mistake

FILE: Final = "substances.csv"
KINDS: Final = ("drug", "food", "environment", "contact", "class", "none")
#: Code systems by their short names in the table. Local codes count as ``l``.
SYSTEMS: Final = {
    "sct": "http://snomed.info/sct",
    "rx": "http://www.nlm.nih.gov/research/umls/rxnorm",
}
_SHORT: Final = {url: name for name, url in SYSTEMS.items()}
#: Words around the name of a substance that say nothing about it.
_AROUND: Final = frozenset(
    ("allergy", "allergies", "allergic", "to", "sensitivity", "intolerance", "hypersensitivity",
     "product", "products", "containing", "preparation", "substance", "agent", "agents", "drug",
     "food", "the")
)  # fmt: skip


class Substance(msgspec.Struct, frozen=True):
    """What somebody can be allergic to. classes: keys of the classes it belongs to.

    kind ``none``: the statement that there is no allergy.
    """

    key: str
    name: str
    kind: str
    classes: tuple[str, ...] = ()


class Named(msgspec.Struct, frozen=True):
    """A substance as it was found. how: ``code``, ``name``, ``unresolved``."""

    substance: Substance
    how: str


class Substances(msgspec.Struct, frozen=True):
    """The table, by code (``sct:716186003``) and by folded name."""

    by_key: dict[str, Substance]
    by_code: dict[str, str]
    by_name: dict[str, str]

    def find(self, codes: tuple[str, ...], text: str) -> Named:
        """The substance of codes (``system|code``) and a text."""
        excepted = exception(text)
        found = self.named(text) or (self.named(excepted) if excepted else None)
        for code in codes:
            key = self.by_code.get(short_code(code))
            if key is None:
                continue
            # "None known", coded, with an exception or a substance in words: the words say more.
            contradicted = excepted or (found is not None and found.kind != "none")
            if not (contradicted and self.by_key[key].kind == "none"):
                return Named(self.by_key[key], "code")
        if found:
            return Named(found, "name")
        if excepted or not codes or not codes[0].rpartition("|")[2]:
            return Named(Substance(f"text:{bounded(folded(text))}", text, ""), "unresolved")
        return Named(Substance(f"code:{bounded(codes[0])}", text, ""), "unresolved")

    def named(self, text: str) -> Substance | None:
        """The substance of this name, also with words around it and in the plural.

        "No known allergies to drugs or food", in whatever words, is one of kind ``none``.
        """
        name = folded(text)
        if name not in self.by_name and (denied := denied_scope(text)):
            return self.by_key.get(denied)
        for tried in (name, bare := bare_name(name), bare.removesuffix("s"), f"{bare}s"):
            key = self.by_name.get(tried)
            # "No drug; food allergy" without its words around is "no", and yet denies nothing.
            sure = "?" not in text and (tried == name or not denies(name))
            if key and (sure or self.by_key[key].kind != "none"):
                return self.by_key[key]
        return None

    def within(self, text: str) -> Substance | None:
        """The drug that a longer text begins with ("Amoxicillin 250 mg capsule")."""
        words = folded(text).replace("/", " ").split()
        for count in (3, 2, 1):
            if key := self.by_name.get(" ".join(words[:count])):
                return self.by_key[key]
        return None


def short_code(code: str) -> str:
    """``http://snomed.info/sct|111`` as ``sct:111``; codes of other systems as ``l:111``."""
    system, _, value = code.rpartition("|")
    return f"{_SHORT.get(system, 'l')}:{value}"


def bare_name(name: str) -> str:
    """A name, folded, without the words around it ("allergy to", "containing", ...)."""
    return " ".join(w for w in folded(name).split() if w not in _AROUND)


def load_substances(own: Mapping[str, bytes] | None = None) -> Substances:
    """The built-in table, rows of a site's ``substances.csv`` over it by key.

    Raises ``ConfigurationError`` with file and line.
    """
    if not own or FILE not in own:
        return builtin_substances()
    rows = {**_rows(shipped()), **_rows(own[FILE])}
    return _table(rows)


@cache
def builtin_substances() -> Substances:
    """The table that comes with Chartloom."""
    return _table(_rows(shipped()))


def shipped() -> bytes:
    """The file that comes with Chartloom."""
    return (resources.files("chartloom.chart.reconcile") / "tables" / FILE).read_bytes()


def _rows(content: bytes) -> dict[str, tuple[Substance, list[str], list[str]]]:
    found = {}
    columns = {"key", "name", "kind", "classes", "codes", "names"}
    for where, row in csv_rows(FILE, content, columns):
        if row["kind"] not in KINDS:
            raise mistake(
                where, f"There is no kind {row['kind']!r}.", f"Use one of: {', '.join(KINDS)}."
            )
        substance = Substance(row["key"], row["name"], row["kind"], tuple(row["classes"].split()))
        names = [folded(n) for n in (row["name"], *row["names"].split(";")) if n.strip()]
        found[row["key"]] = (substance, row["codes"].split(), names)
    return found


def _table(rows: Mapping[str, tuple[Substance, list[str], list[str]]]) -> Substances:
    by_key = {key: row[0] for key, row in rows.items()}
    by_code: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for key, (_, codes, names) in rows.items():
        by_code.update(dict.fromkeys(codes, key))
        by_name.update(dict.fromkeys(names, key))
        by_name.update({b: key for n in names if (b := bare_name(n)) and b not in by_name})
    return Substances(by_key, by_code, by_name)
