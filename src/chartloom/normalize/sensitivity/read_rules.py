"""Reads the rule tables. Every mistake names file, line and cure."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from importlib import resources

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.labels import Label
from chartloom.normalize.sensitivity.patterns import BadPattern, code_regex, first_word, words_regex

#: In the column ``system``: words instead of codes.
TEXT = "TEXT"
#: In the column ``label``: these codes carry none.
NONE = "-"
_SYSTEMS = "systems.csv"
_COLUMNS = {"system", "code", "label", "basis"}


class Rule(msgspec.Struct, frozen=True):
    """One row. ``label`` is ``None`` for an exception. ``regex`` is the compiled pattern's text.

    first: of a rule for words, the first of them: no text without it matches.
    """

    system: str
    regex: str
    label: Label | None
    where: str
    first: str = ""


class Rules(msgspec.Struct, frozen=True):
    """All rules of a site. systems: URL -> short name. fingerprint: SHA-256 over the files.

    files: what they were read from, name -> content.
    """

    systems: dict[str, str]
    rules: tuple[Rule, ...]
    fingerprint: str
    files: dict[str, bytes] = {}


def dotless(system: str) -> bool:
    """Whether dots do not matter in the codes of a system."""
    return system.startswith("ICD")


def read_rules(overlays: Mapping[str, bytes] | None = None) -> Rules:
    """The built-in rules under the files of a site (name -> content).

    Raises ``ConfigurationError`` with file and line.
    """
    return rules_of({**_builtin_files(), **(overlays or {})})


def rules_of(files: Mapping[str, bytes]) -> Rules:
    """The rules in these files alone (those of an earlier version, for example).

    Raises ``ConfigurationError`` with file and line.
    """
    systems: dict[str, str] = {}
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    for where, row in _rows(_SYSTEMS, files.get(_SYSTEMS, b""), {"name", "url"}):
        if not row["name"] or not row["url"]:
            raise _bad(where, "name or url is empty.", "Fill both.")
        systems[row["url"]] = row["name"]
    names = {*systems.values(), TEXT}
    rules = tuple(
        _rule(where, row, names, systems)
        for name in sorted(files)
        if name != _SYSTEMS
        for where, row in _rows(name, files[name], _COLUMNS)
    )
    return Rules(systems, rules, digest.hexdigest(), dict(files))


def _builtin_files() -> dict[str, bytes]:
    folder = resources.files("chartloom.normalize.sensitivity") / "rules"
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.name.endswith(".csv")}


def _rule(where: str, row: dict[str, str], names: set[str], systems: dict[str, str]) -> Rule:
    system = systems.get(row["system"], row["system"])
    if system not in names and "/" not in system and ":" not in system:
        cure = f"Use a URL or one of: {', '.join(sorted(names))}."
        raise _bad(where, f"there is no code system {system!r}.", cure)
    if row["label"] != NONE and row["label"] not in Label.__members__:
        cure = f"Use one of: {', '.join(Label)}; or - for none."
        raise _bad(where, f"{row['label']!r} is no label.", cure)
    if not row["basis"]:
        raise _bad(where, "the rule names no basis.", "Say why these codes are sensitive.")
    first = ""
    try:
        if system == TEXT:
            regex, first = words_regex(row["code"]), first_word(row["code"])
        else:
            regex = code_regex(row["code"], dotless=dotless(system))
    except BadPattern as error:
        cure = "See the README of the sensitivity rules."
        raise _bad(where, f"the code pattern cannot be read: {error}.", cure) from error
    label = None if row["label"] == NONE else Label(row["label"])
    return Rule(system, regex, label, where, first)


def _rows(name: str, content: bytes, columns: set[str]) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _bad(f"{name}:{line}", "the file is not UTF-8.", "Save it as UTF-8.") from error
    reader = csv.reader(io.StringIO(text))
    header: list[str] = []
    for cells in reader:
        where = f"{name}:{reader.line_num}"
        if not "".join(cells).strip() or cells[0].startswith("#"):
            continue
        if not header:
            header = [c.strip() for c in cells]
            if set(header) != columns or len(header) != len(columns):
                cure = f"The columns are: {', '.join(sorted(columns))}."
                raise _bad(where, "the columns are not as they should be.", cure)
            continue
        if len(cells) != len(header):
            raise _bad(where, f"{len(cells)} cells, not {len(header)}.", "Quote commas.")
        yield where, {c: v.strip() for c, v in zip(header, cells, strict=True)}


def _bad(where: str, what: str, cure: str) -> ConfigurationError:
    return ConfigurationError(what, where=where, cure=cure)
