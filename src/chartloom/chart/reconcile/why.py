"""What the codes of reconciled lists mean, in sentences for clinicians: one table for all doors.

``tables/why/<kind>.csv`` has the codes of a kind, ``all.csv`` those of every kind. A code without a
sentence is an error of ours; a test looks for them.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from importlib import resources

from chartloom.chart.reconcile.lines import ListKind
from chartloom.formats.tables import csv_rows, mistake


class Role(StrEnum):
    """What a code says something about."""

    REASON = "reason"  #: why a line has its status
    BECAUSE = "because"  #: what raises or lowers the confidence
    DISCREPANCY = "discrepancy"  #: what does not fit
    SAYS = "says"  #: what an entry says of the line


def why(kind: ListKind, role: Role, code: str) -> str:
    """The sentence of a code; the code itself if there is none, so that nothing is hidden."""
    return sentences(kind).get((role, code), code)


@cache
def sentences(kind: ListKind) -> dict[tuple[Role, str], str]:
    """(role, code) -> sentence, of one kind of list."""
    found: dict[tuple[Role, str], str] = {}
    folder = resources.files("chartloom.chart.reconcile") / "tables" / "why"
    for name in ("all.csv", f"{kind}.csv"):
        file = folder / name
        if not file.is_file():
            continue
        for where, row in csv_rows(name, file.read_bytes(), {"role", "code", "sentence"}):
            key = (Role(row["role"]), row["code"])
            if key in found or not row["sentence"]:
                raise mistake(where, "This code is there twice, or has no sentence.", "Mend it.")
            found[key] = row["sentence"]
    return found
