"""Which problem a code or a name means, and how long such a problem lasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Final

import msgspec

from chartloom.chart.reconcile.heard import bounded, folded
from chartloom.chart.reconcile.rules_problems import ProblemRules
from chartloom.formats.tables import csv_rows, mistake

FILE: Final = "conditions.csv"
COURSES: Final = ("chronic", "episode", "acute", "event", "visit", "history")
_SNOMED: Final = "http://snomed.info/sct"
_ICD10: Final = (
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/icd-10-cm",
    "http://hl7.org/fhir/sid/icd-10-gm",
    "urn:oid:2.16.840.1.113883.6.90",
    "urn:oid:2.16.840.1.113883.6.3",
)


class Condition(msgspec.Struct, frozen=True):
    """A problem. key: the same for all codes that mean it. days: how long an acute one lasts."""

    key: str
    name: str
    course: str
    days: int = 0
    how: str = "code"  #: how it was found: ``code``, ``category``, ``name``, ``unresolved``


class Conditions(msgspec.Struct, frozen=True):
    """The table, by key, ICD-10 prefix, SNOMED code and folded name."""

    by_key: dict[str, Condition]
    by_icd10: dict[str, str]
    by_snomed: dict[str, str]
    by_name: dict[str, str]

    def find(self, codes: Iterable[str], text: str, rules: ProblemRules) -> Condition:
        """The problem of codes (``system|code``) and a text."""
        categories = []
        for full in codes:
            system, _, code = full.rpartition("|")
            if system == _SNOMED and (key := self.by_snomed.get(code)):
                return self.by_key[key]
            if system in _ICD10:
                code = code.upper()
                if key := self._icd10(code):
                    return self.by_key[key]
                categories.append(code)
        for code in categories:
            course, days = _course(code, rules)
            key = code.replace(".", "")[:3]
            return Condition(f"icd10:{key}", text, course, days, "category")
        name = folded(text)
        if key := self.by_name.get(name):
            return msgspec.structs.replace(self.by_key[key], how="name")
        named = next((c for c in codes if c.rpartition("|")[2]), "")
        key = f"code:{bounded(named)}" if named else f"text:{bounded(name)}"
        return Condition(key, text, "chronic", 0, "unresolved")

    def _icd10(self, code: str) -> str:
        plain = code.replace(".", "")
        for length in range(len(plain), 2, -1):
            if key := self.by_icd10.get(plain[:length]):
                return key
        return ""


def _course(code: str, rules: ProblemRules) -> tuple[str, int]:
    """How a problem of an ICD-10 code that no row names goes."""
    category = code.replace(".", "")[:3]
    if within(category, rules.history_codes):
        return "history", 0
    if within(category, rules.visit_codes):
        return "visit", 0
    if within(category, rules.acute_codes):
        return "acute", rules.acute_days
    return "chronic", 0


def within(category: str, ranges: Iterable[str]) -> bool:
    """Whether a category of three characters lies in one of the ranges (``S``, ``J00-J06``)."""
    for one in ranges:
        first, _, last = one.partition("-")
        if first <= category[: len(first)] and category[: len(last or first)] <= (last or first):
            return True
    return False


def load_conditions(own: Mapping[str, bytes] | None = None) -> Conditions:
    """The built-in table, rows of a site's ``conditions.csv`` over it by key.

    Raises ``ConfigurationError`` with file and line.
    """
    if not own or FILE not in own:
        return builtin_conditions()
    return _table({**_rows(shipped()), **_rows(own[FILE])})


@cache
def builtin_conditions() -> Conditions:
    """The table that comes with Chartloom."""
    return _table(_rows(shipped()))


def shipped() -> bytes:
    """The file that comes with Chartloom."""
    return (resources.files("chartloom.chart.reconcile") / "tables" / FILE).read_bytes()


_Row = tuple[Condition, list[str], list[str], list[str]]


def _rows(content: bytes) -> dict[str, _Row]:
    found: dict[str, _Row] = {}
    columns = {"key", "name", "icd10", "snomed", "names", "course", "days"}
    for where, row in csv_rows(FILE, content, columns):
        if row["course"] not in COURSES:
            what = f"There is no course {row['course']!r}."
            raise mistake(where, what, f"Use one of: {', '.join(COURSES)}.")
        if row["days"] and not row["days"].isdecimal():
            raise mistake(where, "days is no number.", "Write whole days, or nothing.")
        one = Condition(row["key"], row["name"], row["course"], int(row["days"] or 0))
        names = [folded(n) for n in (row["name"], *row["names"].split(";")) if n.strip()]
        found[one.key] = (one, row["icd10"].split(), row["snomed"].split(), names)
    return found


def _table(rows: Mapping[str, _Row]) -> Conditions:
    by_icd10: dict[str, str] = {}
    by_snomed: dict[str, str] = {}
    by_name: dict[str, str] = {}
    for key, (_, icd10, snomed, names) in rows.items():
        by_icd10.update((prefix.replace(".", ""), key) for prefix in icd10)
        by_snomed.update(dict.fromkeys(snomed, key))
        by_name.update(dict.fromkeys(names, key))
    return Conditions({key: row[0] for key, row in rows.items()}, by_icd10, by_snomed, by_name)
