"""Builds the directory of a site from its tables.

Files are CSV and begin with their kind: ``practitioners*.csv``, ``organizations*.csv``,
``locations*.csv``, ``nppes*.csv`` (as NPPES publishes them), ``survivorship.csv``. Columns:
``docs/howto/directory.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from chartloom.domain.issues import Issue
from chartloom.formats.tables import csv_rows, fingerprint, mistake
from chartloom.registry.directory.issues import NPI_CHECK_DIGIT
from chartloom.registry.directory.model import DirectoryKind, Identifier, Question, Statement
from chartloom.registry.directory.npi import NPI_SYSTEM, is_npi
from chartloom.registry.directory.nppes import plain_cell, read_nppes
from chartloom.registry.directory.snapshot import Directory
from chartloom.registry.directory.survive import RULES, Rule, Rules, golden_records
from chartloom.registry.directory.words import Word, told_by

_ALWAYS: Final = frozenset({"source", "key"})
_COMMON: Final = frozenset({"at", "until", "identifiers"})
_SAID: Final[dict[str, tuple[str, ...]]] = {
    "practitioners": ("family", "given", "prefix", "suffix", "credential", "taxonomy", "phone",
                      "email", "organization", "department"),
    "organizations": ("name", "kind", "part_of", "phone", "address"),
    "locations": ("name", "kind", "part_of", "organization", "facility", "ward", "room", "bed",
                  "department", "phone", "address"),
}  # fmt: skip
_KINDS: Final = {
    "practitioners": DirectoryKind.PRACTITIONER,
    "organizations": DirectoryKind.ORGANIZATION,
    "locations": DirectoryKind.LOCATION,
}
_LOCATION_KINDS: Final = ("site", "building", "department", "ward", "room", "bed")


class Tables(msgspec.Struct, frozen=True):
    """What the tables of a site say. fingerprint: of the files."""

    statements: tuple[Statement, ...]
    rules: Rules
    issues: tuple[Issue, ...]
    questions: tuple[Question, ...]
    fingerprint: str


def load_directory(site: Mapping[str, bytes], words: Iterable[Word] = ()) -> Directory:
    """The directory of a site (file name -> content) with what stewards said of it.

    Raises ``ConfigurationError``.
    """
    return directory_of(load_tables(site), words)


def directory_of(tables: Tables, words: Iterable[Word] = ()) -> Directory:
    """The golden records that tables and words make."""
    told = told_by(words)
    golden, questions = golden_records(tables.statements, tables.rules, told)
    asked = (*questions, *tables.questions)
    return Directory(golden, asked, tables.issues, tables.fingerprint, told)


def load_tables(site: Mapping[str, bytes]) -> Tables:
    """The tables of a site (file name -> content). Raises ``ConfigurationError``."""
    statements: list[Statement] = []
    issues: list[Issue] = []
    questions: list[Question] = []
    own_rules: Rules = {}
    for name in sorted(site):
        if name == "survivorship.csv":
            own_rules = _rules(name, site[name])
        elif name.startswith("nppes") and name.endswith(".csv"):
            found, wrong = read_nppes(name, site[name].decode("utf-8-sig").splitlines())
            statements += found
            issues += wrong
        else:
            statements += _statements(name, site[name], issues, questions)
    _once(statements)
    return Tables(
        tuple(statements),
        {**builtin_rules(), **own_rules},
        tuple(issues),
        tuple(questions),
        fingerprint(dict(site)),
    )


@cache
def builtin_rules() -> Rules:
    """The rules of survivorship that hold where a site has none of its own."""
    data = (files("chartloom.registry.directory") / "data" / "survivorship.csv").read_bytes()
    return _rules("survivorship.csv", data)


def _rules(name: str, content: bytes) -> Rules:
    found: dict[tuple[DirectoryKind, str], Rule] = {}
    needed = {"kind", "attribute", "rule"}
    for where, row in csv_rows(name, content, needed, {"sources"}):
        if row["rule"] not in RULES:
            what = f"There is no rule {row['rule']!r}."
            raise mistake(where, what, f"Use one of: {', '.join(RULES)}.")
        if row["kind"] not in list(DirectoryKind):
            what = f"There is no kind {row['kind']!r}."
            raise mistake(where, what, f"Use one of: {', '.join(DirectoryKind)}.")
        sources = tuple(row["sources"].split())
        if row["rule"] == "source" and not sources:
            raise mistake(where, "A rule by source names no source.", "Fill the column `sources`.")
        found[DirectoryKind(row["kind"]), row["attribute"]] = Rule(row["rule"], sources)
    return found


def _statements(
    name: str, content: bytes, issues: list[Issue], questions: list[Question]
) -> Iterator[Statement]:
    table = next((t for t in _SAID if name.startswith(t) and name.endswith(".csv")), "")
    if not table:
        known = ", ".join(f"{t}*.csv" for t in (*_SAID, "nppes"))
        what = "The name says no kind of table."
        raise mistake(name, what, f"Call it one of: {known}, survivorship.csv.")
    optional = _COMMON | set(_SAID[table]) | ({"npi"} if table != "locations" else set())
    for where, cells in csv_rows(name, content, _ALWAYS, optional):
        row = {column: plain_cell(text) for column, text in cells.items()}
        if not row["source"] or not row["key"]:
            raise mistake(where, "A row has no source or no key.", "Fill both columns.")
        kind = row.get("kind", "")
        if table == "locations" and kind and kind not in _LOCATION_KINDS:
            what = f"There is no kind of place {kind!r}."
            raise mistake(where, what, f"Use one of: {', '.join(_LOCATION_KINDS)}.")
        if (npi := row.get("npi", "")) and not is_npi(npi):
            issues.append(Issue(NPI_CHECK_DIGIT, where))
            id, at = f"{row['source']}|{row['key']}", (where,)
            asked = Question(NPI_CHECK_DIGIT, _KINDS[table].value, id, "npi", at, (id,), npi)
            questions.append(asked)
        yield Statement(
            where=where,
            source=row["source"],
            kind=_KINDS[table],
            key=row["key"],
            identifiers=tuple(_identifiers(row)),
            attributes={a: row[a] for a in _SAID[table] if row[a]},
            at=_day(where, row["at"]),
            until=_day(where, row["until"]),
        )


def _identifiers(row: dict[str, str]) -> Iterator[Identifier]:
    """NPI, and ``system|value`` or ``value`` separated by spaces."""
    if is_npi(npi := row.get("npi", "")):
        yield f"{NPI_SYSTEM}|{npi}"
    for text in row["identifiers"].split():
        yield text if "|" in text else f"|{text}"


def _day(where: str, text: str) -> str:
    if not text:
        return ""
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise mistake(where, "This is no date.", "Write it as 2026-11-22.") from None


def _once(statements: list[Statement]) -> None:
    """One source has one row for a key (at one date); two would say who is right by their order."""
    seen: dict[tuple[str, str, str, str], str] = {}
    for s in statements:
        key = (s.source, s.kind.value, s.key, s.at)
        if key in seen:
            what = f"The source {s.source} says this twice (see {seen[key]})."
            raise mistake(s.where, what, "Keep one of the rows, or give them their dates (`at`).")
        seen[key] = s.where
