"""NPPES: the register of NPIs, as the CSV files that CMS publishes every month and week.

Columns are found by their names, so that files with more or other columns are read all the same.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from typing import Final

from chartloom.domain.issues import Issue
from chartloom.formats.tables import mistake
from chartloom.registry.directory.issues import NPI_CHECK_DIGIT
from chartloom.registry.directory.model import DirectoryKind, Statement
from chartloom.registry.directory.npi import NPI_SYSTEM, is_npi
from chartloom.registry.directory.words import TEXT_MAX

#: As whose word it counts in rules of survivorship.
NPPES: Final = "nppes"

NPI: Final = "NPI"
_TYPE: Final = "Entity Type Code"
_PERSON: Final = {
    "family": "Provider Last Name (Legal Name)",
    "given": "Provider First Name",
    "prefix": "Provider Name Prefix Text",
    "suffix": "Provider Name Suffix Text",
    "credential": "Provider Credential Text",
    "phone": "Provider Business Practice Location Address Telephone Number",
}
_PLACE: Final = {
    "name": "Provider Organization Name (Legal Business Name)",
    "phone": "Provider Business Practice Location Address Telephone Number",
}
_ADDRESS: Final = (
    "Provider First Line Business Practice Location Address",
    "Provider Business Practice Location Address City Name",
    "Provider Business Practice Location Address State Name",
    "Provider Business Practice Location Address Postal Code",
)
UPDATED: Final = "Last Update Date"
ENDED: Final = "NPI Deactivation Date"
_AGAIN: Final = "NPI Reactivation Date"
_TAXONOMIES: Final = 15
_UNENDED: Final = "A quotation mark is never closed."
_WHOLE_FILE: Final = "The file is damaged or was cut: take it anew."


def read_nppes(
    name: str, lines: Iterable[str], only: Collection[str] = ()
) -> tuple[list[Statement], list[Issue]]:
    """What the rows say, and which have no NPI. only: just these NPIs (all if empty).

    The file is read line by line; it has millions. Raises ``ConfigurationError`` if it is none.
    """
    found: list[Statement] = []
    issues: list[Issue] = []
    for where, row in nppes_rows(name, lines):
        npi = row.get(NPI, "")
        if only and npi not in only:
            continue
        if not is_npi(npi):
            issues.append(Issue(NPI_CHECK_DIGIT, where))
            continue
        if (said := _statement(where, npi, row)) is not None:
            found.append(said)
    return found, issues


def taken_rows(
    name: str, lines: Iterable[str], only: Collection[str]
) -> Iterator[tuple[int, str, list[str]]]:
    """(rows read so far, NPI, cells) of the header (NPI "") and of the rows of these NPIs; at the
    end once more how many rows there were, without cells.

    Only the lines of these NPIs are taken apart: a file has millions, of 330 columns. Raises
    ``ConfigurationError`` if it is none of NPPES.
    """
    rows, count = iter(lines), 0
    header = next(csv.reader([next(rows, "")]), [])
    _check_header(name, header)
    yield 0, "", header
    # NPI is the first column of every file of NPPES, in quotes or not; a cell with a line break,
    # or another order of columns, takes the careful way.
    plain = header[0] == NPI
    at = header.index(NPI)
    if not plain:
        for count, cells in enumerate(csv.reader(rows), 1):
            if len(cells) > at and cells[at] in only:
                yield count, cells[at], cells
    else:
        for line in rows:
            whole = line
            while whole.count('"') % 2:  # a line break within quotes: the row goes on
                more = next(rows, "")
                if not more:
                    raise mistake(f"{name}: row {count + 1}", _UNENDED, _WHOLE_FILE)
                whole += more
            start = 1 if line[:1] == '"' else 0
            npi = line[start : start + 10]
            if npi.isdigit():
                count += 1
            if npi in only and line[start + 10 : start + 11] in '",':
                cells = next(csv.reader([whole], strict=False))
                if len(cells) == len(header):
                    yield count, npi, cells
    yield count, "", []


def nppes_rows(name: str, lines: Iterable[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """(``file:line``, cells by column) of each row."""
    reader = csv.reader(lines)
    header = next(reader, [])
    _check_header(name, header)
    for cells in reader:
        if cells:
            yield f"{name}:{reader.line_num}", dict(zip(header, cells, strict=False))


def _check_header(name: str, header: list[str]) -> None:
    if NPI not in header or _TYPE not in header:
        what = f"This is no file of NPPES: the columns {NPI!r} and {_TYPE!r} are not there."
        raise mistake(f"{name}:1", what, "Take npidata_pfile_*.csv, or rows of it with its header.")


def _statement(where: str, npi: str, row: dict[str, str]) -> Statement | None:
    kind = {"1": DirectoryKind.PRACTITIONER, "2": DirectoryKind.ORGANIZATION}.get(
        row.get(_TYPE, "").strip()
    )
    ended = day_of_nppes(row.get(ENDED, ""))
    if kind is None:
        # A deactivated NPI keeps its number only; nobody else may be found by it.
        kind = DirectoryKind.PRACTITIONER
        if not ended:
            return None
    if ended and day_of_nppes(row.get(_AGAIN, "")) >= ended:
        ended = ""
    columns = _PERSON if kind is DirectoryKind.PRACTITIONER else _PLACE
    said = {attribute: plain_cell(row.get(column, "")) for attribute, column in columns.items()}
    said["taxonomy"] = _taxonomy(row)
    if kind is DirectoryKind.ORGANIZATION:
        said["address"] = ", ".join(p for c in _ADDRESS if (p := plain_cell(row.get(c, ""))))
        del said["taxonomy"]
    return Statement(
        where=where,
        source=NPPES,
        kind=kind,
        key=npi,
        identifiers=(f"{NPI_SYSTEM}|{npi}",),
        attributes={k: v for k, v in said.items() if v},
        at=day_of_nppes(row.get(UPDATED, "")),
        until=ended,
    )


def plain_cell(text: str) -> str:
    """A cell with single blanks, and without what no eye sees and no steward could name."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:TEXT_MAX]


def _taxonomy(row: dict[str, str]) -> str:
    """The primary taxonomy (NUCC), else the first."""
    first = ""
    for number in range(1, _TAXONOMIES + 1):
        code = row.get(f"Healthcare Provider Taxonomy Code_{number}", "").strip()
        if code and row.get(f"Healthcare Provider Primary Taxonomy Switch_{number}", "") == "Y":
            return code
        first = first or code
    return first


def day_of_nppes(text: str) -> str:
    """ISO, of a day as NPPES writes it, 05/23/2005; "" if it is none."""
    month, _, rest = text.strip().partition("/")
    day, _, year = rest.partition("/")
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return ""
