"""The rows of the mapping tables behind the rules that evidence names. Pure functions.

A rule's name is written in its row, or follows from it (``PID-5>Patient.name[]``: source, resource
of the table, target), as the README of ``normalize`` says.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

import msgspec

#: Rules of mappings that have no tables.
_WITHOUT_ROWS = {
    "fhir:copy": "Taken over as it came: the feed sends FHIR.",
    "fhir:id": "The feed's own id, made unique within this site.",
    "feed.sensitive": "The feed is declared sensitive, and no rule labels this: restricted.",
    "sensitivity/flag": "The source flagged it as confidential.",
    "sensitivity/unknown-code": "The source's code restricts, and no rule knows it.",
    "fhir:reference": "A reference, following the resource that it points to.",
}
_ROWS_MAX = 12


class RuleRow(msgspec.Struct, frozen=True):
    """One row of a mapping table: where it stands and what it says, or a sentence."""

    rule: str
    place: str  #: ``segments/PID.Patient.csv, line 6``
    cells: tuple[tuple[str, str], ...] = ()
    sentence: str = ""


def rows_of(files: Mapping[str, bytes], rules: Iterable[str]) -> list[RuleRow]:
    """The rows of some rules; rows of a site's own tables come first, since they win."""
    wanted = list(dict.fromkeys(rules))
    found = [RuleRow(r, "", (), _WITHOUT_ROWS[r]) for r in wanted if r in _WITHOUT_ROWS]
    found += [row for r in wanted if (row := _sensitivity_row(files, r)) is not None]
    subjects = {r.partition("-")[0] for r in wanted if not r.startswith("=")}
    constants = any(r.startswith("=") for r in wanted)
    for path in sorted(files, key=lambda p: (not p.startswith("overlay/"), p)):
        name = path.rpartition("/")[2]
        if "segments/" not in path or not path.endswith(".csv"):
            continue
        subject, _, resource = name.removesuffix(".csv").partition(".")
        if subject not in subjects and not constants:
            continue
        found += _rows(path, files[path], resource.partition("-")[0], set(wanted))
    return sorted(found, key=lambda row: wanted.index(row.rule))[:_ROWS_MAX]


def _sensitivity_row(files: Mapping[str, bytes], rule: str) -> RuleRow | None:
    """The row of a rule of sensitivity: ``sensitivity/laboratory.csv:7``."""
    path, _, line = rule.rpartition(":")
    if not path.startswith("sensitivity/") or path not in files or not line.isdigit():
        return None
    reader = csv.reader(io.StringIO(files[path].decode("utf-8-sig", "replace"), newline=""))
    header = next(reader, [])
    cells = next((cells for cells in reader if reader.line_num == int(line)), [])
    return RuleRow(rule, f"{path}, line {line}", tuple(zip(header, cells, strict=False)))


def _rows(path: str, content: bytes, resource: str, wanted: set[str]) -> list[RuleRow]:
    reader = csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"), newline=""))
    header = next(reader, [])
    found = []
    for cells in reader:
        row = {k: v.strip() for k, v in zip(header, cells, strict=False) if v.strip()}
        if cells and cells[0].startswith("#"):
            continue
        origin = row.get("source") or f"={row.get('value', '')}"
        rule = row.get("rule") or f"{origin}>{resource}.{row.get('target', '')}"
        if rule in wanted:
            found.append(RuleRow(rule, f"{path}, line {reader.line_num}", tuple(row.items())))
    return found
