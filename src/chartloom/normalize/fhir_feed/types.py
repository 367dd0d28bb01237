"""Where resource types belong: ``types.csv``, read and checked."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from importlib.resources import files

from chartloom.domain.errors import ConfigurationError
from chartloom.formats.fhir import is_resource_type

FILE = "types.csv"
_KINDS = ("patient", "directory", "either", "ignored")
#: Resource types that cannot carry the sender's own name of them.
_NO_EXTENSIONS = ("Binary", "Bundle", "Parameters")
_COLUMNS = ["type", "kind", "elements", "identified", "reason"]


@dataclass(frozen=True, slots=True)
class TypeRow:
    """One resource type.

    kind: ``patient`` (in a patient's compartment), ``directory`` (about the hospital), ``either``
    (a patient's as soon as one message names the patient, else nobody's), ``ignored`` (with the
    reason). elements: paths at which the patient is named, best first. identified: its first
    identifier tells two of them apart.
    """

    type: str
    kind: str
    elements: tuple[tuple[str, ...], ...]
    identified: bool
    reason: str


def shipped() -> bytes:
    """The table that comes with Chartloom."""
    return files("chartloom.normalize").joinpath("tables", "fhir", FILE).read_bytes()


def read_types(content: bytes) -> dict[str, TypeRow]:
    """The rows by type; raises ``ConfigurationError`` with line and cure."""
    reader = csv.DictReader(io.StringIO(content.decode("utf-8")))
    if reader.fieldnames != _COLUMNS:
        raise ConfigurationError(
            "The columns are not as expected.", where=f"{FILE}:1", cure=f"Use {','.join(_COLUMNS)}."
        )
    rows: dict[str, TypeRow] = {}
    for line in reader:
        row = _read(line, f"{FILE}:{reader.line_num}")
        if row.type in rows:
            raise ConfigurationError(
                f"{row.type} stands twice.", where=f"{FILE}:{reader.line_num}", cure="Remove one."
            )
        rows[row.type] = row
    return rows


def _read(line: dict[str, str], where: str) -> TypeRow:
    if not is_resource_type(line["type"]):
        raise ConfigurationError(
            f"{line['type']!r} is no resource type of FHIR R4.", where=where, cure="Correct it."
        )
    if line["kind"] != "ignored" and line["type"] in _NO_EXTENSIONS:
        raise ConfigurationError(
            f"A {line['type']} cannot be kept in a chart.", where=where, cure="Use kind ignored."
        )
    if line["kind"] not in _KINDS:
        raise ConfigurationError(
            f"kind {line['kind']!r} is unknown.", where=where, cure=f"Use {', '.join(_KINDS)}."
        )
    if line["kind"] == "ignored" and not line["reason"]:
        raise ConfigurationError("An ignored type has no reason.", where=where, cure="Write why.")
    return TypeRow(
        line["type"],
        line["kind"],
        tuple(tuple(e.split(".")) for e in line["elements"].split()),
        line["identified"] == "yes",
        line["reason"],
    )
