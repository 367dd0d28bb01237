"""What a file of its own says about who is who, and in which encoding a file was written."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError

_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_CHUNK: Final = 1 << 20
_NO: Final = frozenset({"0", "false", "no", "n", "f", "different", "nonmatch", "non-match", "-1"})


_PERSON: Final = frozenset(
    {"person", "personid", "cluster", "clusterid", "entity", "entityid", "truth", "label"}
    | {"empi", "mpi"}
)
_RECORD: Final = frozenset(
    {"id", "record", "recordid", "recid", "uniqueid", "patient", "patientid"}
)


def _plain(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def encoding_of(path: Path) -> str:
    """UTF-8 (with or without its mark) or UTF-16, if all of a file is; else Windows-1252, in which
    any bytes are some text."""
    with path.open("rb") as file:
        chunk = file.read(_CHUNK)
        if chunk.startswith(_MARKS):
            return "utf-16"
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while chunk:
                decoder.decode(chunk)
                chunk = file.read(_CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _lines(path: Path) -> Iterator[list[str]]:
    with path.open(encoding=encoding_of(path), newline="", errors="replace") as text:
        head = text.readline()
        text.seek(0)
        yield from csv.reader(text, delimiter=max(",;\t|", key=head.count), skipinitialspace=True)


def read_truth(path: Path) -> dict[str, str]:
    """Record id -> person, out of the first two columns; the other way round if they say so."""
    rows = [row for row in _lines(path) if len(row) > 1]
    person_first = bool(rows) and _plain(rows[0][0]) in _PERSON and _plain(rows[0][1]) in _RECORD
    record, person = (1, 0) if person_first else (0, 1)
    found = {row[record].strip(): row[person].strip() for row in rows}
    if not found:
        raise ConfigurationError(
            "The file of the truth has no two columns.",
            where=str(path),
            cure="One line a record: its id, and the person that it is. For pairs see --pairs.",
        )
    return found


def check_truth(path: Path, known: Mapping[str, str], ids: Collection[str]) -> None:
    """Raises ConfigurationError where a file of the truth tells nothing of a file's records.

    ids: of the records. What some of them lack is told by who asks for labels.
    """
    if ids and not any(i in known or f"Patient/{i}" in known for i in ids):
        raise ConfigurationError(
            f"None of the {len(ids):,} record ids of the file stands in the truth, which has "
            f"{len(known):,}.",
            where=str(path),
            cure="The first column of the truth holds ids as the file has them, the second the "
            "person. Say which column of the file they stand in with --column id=NAME; without "
            "one, records are numbered from 1.",
        )


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Pairs of record ids that are one person: two columns, and perhaps a third that says 1 or 0.

    What is said not to be a pair is passed over. Raises ConfigurationError.
    """
    rows = [row for row in _lines(path) if row and any(cell.strip() for cell in row)]
    if short := next((n for n, row in enumerate(rows, 1) if len(row) < 2), 0):
        raise ConfigurationError(
            "A line of the pairs has no two record ids.",
            where=f"{path}:{short}",
            cure="Two record ids a line, and 1 or 0 behind them where not all are pairs.",
        )
    said = [row for row in rows if len(row) < 3 or row[2].strip().casefold() not in _NO]
    return [(row[0].strip(), row[1].strip()) for row in said]


def persons_of(pairs: list[tuple[str, str]], ids: Mapping[str, object]) -> dict[str, str]:
    """Record id -> person, where pairs say which records are one; all others are by themselves.

    A first line that names columns is no pair. Raises ConfigurationError for ids that the file does
    not have.
    """
    if pairs and pairs[0][0] not in ids and pairs[0][1] not in ids:
        pairs = pairs[1:]
    strange = sum(a not in ids or b not in ids for a, b in pairs)
    if strange:
        raise ConfigurationError(
            f"{strange:,} of {len(pairs):,} pairs name a record that the file does not have.",
            where="--pairs",
            cure="Pairs hold the ids as the file has them; say where those stand with "
            "--column id=NAME.",
        )
    person = {record_id: record_id for record_id in ids}

    def find(record_id: str) -> str:
        while person[record_id] != record_id:
            person[record_id] = person[person[record_id]]
            record_id = person[record_id]
        return record_id

    for a, b in pairs:
        low, high = sorted((find(a), find(b)))
        person[high] = low
    return {record_id: find(record_id) for record_id in ids}


def refuse_messages(head: str, path: Path) -> None:
    """Raises ConfigurationError for HL7 v2, which is no table; head: the first line."""
    if head.lstrip("\x0b\ufeff").startswith(("MSH|", "FHS|", "BHS|")):
        raise ConfigurationError(
            "This is a file of HL7 v2 messages, not of labelled records.",
            where=str(path),
            cure="Write one row a record as CSV, or FHIR Patients as NDJSON with --truth beside "
            "them. A site takes the messages in with `chartloom send`.",
        )
