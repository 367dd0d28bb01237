"""Increments of NPPES: what CMS publishes every week, and whose NPI was deactivated, put into rows
that were taken before. One row for each NPI stays: the one of the latest update.

The file of every month and that of a week have the same columns; the list of deactivated NPIs has
two, ``NPI`` and ``NPPES Deactivation Date``, below a line of title.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from chartloom.formats.tables import mistake
from chartloom.registry.directory.npi import is_npi
from chartloom.registry.directory.nppes import ENDED, NPI, UPDATED, day_of_nppes, taken_rows

_DEACTIVATED: Final = "NPPES Deactivation Date"
#: Lines before the header of the list of deactivated NPIs, at most.
_TITLE_LINES_MAX: Final = 5

Row = dict[str, str]


class Merged(NamedTuple):
    """Rows by NPI, ascending. read: rows of the increment; new, changed, ended: how many NPIs."""

    header: list[str]
    rows: dict[str, Row]
    read: int
    new: int = 0
    changed: int = 0
    ended: int = 0


def rows_held(name: str, lines: Iterable[str]) -> tuple[list[str], dict[str, Row]]:
    """The header and the rows by NPI of a file that was taken before.

    Raises ``ConfigurationError`` if it is none, or tells an NPI twice.
    """
    reader = csv.reader(lines)
    header = next(reader, [])
    rows: dict[str, Row] = {}
    for cells in reader:
        row = dict(zip(header, cells, strict=False))
        npi = row.get(NPI, "")
        if npi in rows:
            where, what = f"{name}:{reader.line_num}", "An NPI stands here twice."
            raise mistake(where, what, "Take the file anew from the full one.")
        if cells:
            rows[npi] = row
    return header, rows


def merge_week(
    header: Sequence[str],
    held: dict[str, Row],
    name: str,
    lines: Iterable[str],
    only: Collection[str],
) -> Merged:
    """Puts the rows of these NPIs from a file of NPPES over those held, unless they are older.

    An increment that is put in twice, or after a later one, changes nothing. Raises
    ``ConfigurationError``.
    """
    columns, rows, read = list(header), dict(held), 0
    own: list[str] = []
    new = changed = 0
    for read, npi, cells in taken_rows(name, lines, only):  # noqa: B007
        if not npi:
            own = cells or own
            continue
        row = dict(zip(own, cells, strict=True))
        before = rows.get(npi)
        if before is not None and _updated(row) < _updated(before):
            continue
        if before is not None and _ended(before) >= _updated(row) and not row.get(ENDED):
            row = {**row, ENDED: before.get(ENDED, "")}  # it was written before that end
        if before == row:
            continue
        new, changed = new + (before is None), changed + (before is not None)
        rows[npi] = row
        columns += [column for column in own if column not in columns]
    return Merged(columns, dict(sorted(rows.items())), read, new, changed)


def merge_ended(
    header: Sequence[str],
    held: dict[str, Row],
    name: str,
    lines: Iterable[str],
    only: Collection[str],
) -> Merged:
    """Marks those of these NPIs that are on the list of the deactivated.

    Who was reactivated later (a row of NPPES says so) stays as they are: the day of that counts.
    Raises ``ConfigurationError``.
    """
    columns, rows = list(header) or [NPI], dict(held)
    columns += [column for column in (ENDED,) if column not in columns]
    read = new = ended = 0
    for read, npi, day in _deactivated(name, lines):  # noqa: B007
        if npi not in only:
            continue
        before = rows.get(npi)
        if before is not None and day_of_nppes(before.get(ENDED, "")) >= day_of_nppes(day):
            continue
        new, ended = new + (before is None), ended + 1
        rows[npi] = {**(before or {NPI: npi}), ENDED: day}
    return Merged(columns, dict(sorted(rows.items())), read, new, 0, ended)


def is_list_of_ended(lines: Sequence[str]) -> bool:
    """Whether a file that begins like this is the list of deactivated NPIs."""
    return any(_DEACTIVATED in line for line in lines[:_TITLE_LINES_MAX])


def _deactivated(name: str, lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """(rows so far, NPI, day as it is written)."""
    reader = csv.reader(lines)
    header: list[str] = []
    for header in reader:
        if _DEACTIVATED in header or reader.line_num >= _TITLE_LINES_MAX:
            break
    if _DEACTIVATED not in header or NPI not in header:
        what = f"This is no list of deactivated NPIs: no columns {NPI!r} and {_DEACTIVATED!r}."
        raise mistake(f"{name}:1", what, "Save the first sheet of the report as CSV.")
    at, ended = header.index(NPI), header.index(_DEACTIVATED)
    for count, cells in enumerate(reader, 1):
        if len(cells) > max(at, ended) and is_npi(cells[at]) and day_of_nppes(cells[ended]):
            yield count, cells[at], cells[ended]


def _ended(row: Row) -> str:
    """The day on which an NPI was deactivated; "" if it was not."""
    return day_of_nppes(row.get(ENDED, ""))


def _updated(row: Row) -> str:
    """The day of the last update; a deactivated NPI has none, and is as old as its end."""
    return day_of_nppes(row.get(UPDATED, "")) or day_of_nppes(row.get(ENDED, ""))
