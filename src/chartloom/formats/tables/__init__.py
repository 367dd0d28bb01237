"""Tables that people write for a site (CSV, TOML): read strictly, every mistake with its line."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import tomllib
from collections.abc import Iterator, Mapping, Set
from typing import Any, Final, TypeVar

import msgspec

from chartloom.domain.errors import ConfigurationError

_T = TypeVar("_T")
_AT: Final = re.compile(r"^(.*?)(?: - at `(.+)`)?$", re.DOTALL)


def mistake(where: str, what: str, cure: str) -> ConfigurationError:
    """A mistake in a table. where: ``file`` or ``file:line``."""
    return ConfigurationError(what, where=where, cure=cure)


def csv_rows(
    name: str, content: bytes, needed: Set[str], optional: Set[str] = frozenset()
) -> Iterator[tuple[str, dict[str, str]]]:
    """(``file:line``, cells by column) of each row; optional columns that are absent are ``""``.

    The first row names the columns. Empty rows and those that begin with ``#`` are skipped. Raises
    ``ConfigurationError`` for columns that are missing or unknown and for rows of another length.
    """
    reader = csv.reader(io.StringIO(_text(name, content)))
    header: list[str] = []
    blank = dict.fromkeys(optional, "")
    for cells in reader:
        where = f"{name}:{reader.line_num}"
        if not "".join(cells).strip() or cells[0].startswith("#"):
            continue
        if not header:
            header = [cell.strip() for cell in cells]
            _check_header(where, header, needed, optional)
            continue
        if len(cells) != len(header):
            what = f"There are {len(cells)} cells, not {len(header)}."
            raise mistake(
                where, what, "Write one cell per column; put those with commas in quotes."
            )
        yield where, {**blank, **{c: v.strip() for c, v in zip(header, cells, strict=True)}}


def _check_header(where: str, header: list[str], needed: Set[str], optional: Set[str]) -> None:
    known = ", ".join(sorted(needed | optional))
    if missing := sorted(needed - set(header)):
        what = f"The column {missing[0]!r} is missing."
        raise mistake(where, what, f"The columns are: {known}.")
    if unknown := sorted(set(header) - needed - optional):
        what = f"There is no column {unknown[0]!r}."
        raise mistake(where, what, f"Use only: {known}.")
    if len(set(header)) != len(header):
        raise mistake(where, "A column is there twice.", "Name each column once.")


def toml_of(name: str, content: bytes) -> dict[str, Any]:
    """The content of a TOML file. Raises ``ConfigurationError`` with its line."""
    try:
        return tomllib.loads(_text(name, content))
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        where = f"{name}:{at.group(1)}" if at else name
        what = f"This is not TOML: {str(error).split(' (at')[0].rstrip('.')}."
        raise mistake(where, what, "Correct the line.") from error


def typed(values: dict[str, Any], kind: type[_T], name: str, content: bytes) -> _T:
    """``values`` (read from ``content``) as a struct. Raises ``ConfigurationError`` with the line.

    Give the struct ``forbid_unknown_fields``, so that a misspelt key is found.
    """
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        found = _AT.match(str(error))
        what, path = (found[1], found[2] or "") if found else (str(error), "")
        keys = tuple(p for p in re.split(r"[.\[\]$]+", path) if p and not p.isdigit())
        if unknown := re.search(r"unknown field `([^`]+)`", what):
            keys = (*keys, unknown[1])
        line = line_of(_text(name, content), keys)
        where = f"{name}:{line}" if line else name
        said = f"{'.'.join(keys)}: {what}." if keys else f"{what}."
        raise mistake(where, said, "Correct the key or its value.") from error


def line_of(text: str, path: tuple[str | int, ...]) -> int:
    """The 1-based line of a dotted key in TOML text; of its table if the key is absent."""
    keys = [str(p) for p in path if isinstance(p, str)]
    table: list[str] = []
    table_line = 0
    for number, line in enumerate(text.splitlines(), start=1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]", line)
        if header:
            table = [part.strip().strip("\"'") for part in header.group(1).split(".")]
            if table == keys[: len(table)]:
                table_line = number
            if table == keys:
                return number
            continue
        assignment = re.match(r"\s*([\w.\"'-]+)\s*=", line)
        if assignment:
            dotted = [part.strip("\"'") for part in assignment.group(1).split(".")]
            if table + dotted == keys[: len(table) + len(dotted)]:
                return number
    return table_line


def over(base: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``base`` with what ``own`` says: tables are merged key by key, everything else replaced."""
    merged = dict(base)
    for key, value in own.items():
        held = merged.get(key)
        if isinstance(value, dict) and isinstance(held, dict):
            value = over(held, value)
        merged[key] = value
    return merged


def fingerprint(files: Mapping[str, bytes]) -> str:
    """SHA-256 over names and contents: the version of a set of tables."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{len(files[name])}\0".encode() + files[name])
    return digest.hexdigest()


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise mistake(f"{name}:{line}", "The file is not UTF-8.", "Save it as UTF-8.") from error
