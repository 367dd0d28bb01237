"""The directory of the demo: who works in the simulated hospital, and its places. All made up.

As in life the tables leave questions: two sources give one telephone two numbers, somebody is in
them twice, and a few whom messages name are in none.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

from chartloom.project.directory import DIRECTORY_FOLDER
from chartloom.simulate.house import (
    AUTHORITY,
    CLINIC_NAME,
    CLINICS,
    FACILITY,
    FACILITY_NAME,
    LAB_NAME,
    WARDS,
    clinicians,
)

_SERVICES: Final = {
    "EMR": "Emergency medicine", "MED": "Internal medicine", "CCM": "Critical care",
    "PED": "Paediatrics", "OBS": "Obstetrics", "NEO": "Neonatology",
}  # fmt: skip
_CLINIC_NAMES: Final = {
    "PULM": "Pulmonary clinic", "ENDO": "Endocrinology clinic", "CARD": "Cardiology clinic",
    "PEDC": "Paediatric clinic", "OBGYN": "Women's health clinic", "FAMMED": "Family medicine",
}  # fmt: skip
#: Left out, so that messages name whom nobody knows.
_MISSING: Final = frozenset({4, 17})
_MISSING_CLINIC: Final = "ENDO"
_SINCE: Final = "2024-01-01"


def demo_directory(seed: int) -> dict[str, str]:
    """The tables of the demo (path in the folder of the site -> content) for a hospital."""
    return {
        f"{DIRECTORY_FOLDER}/practitioners.csv": _practitioners(seed),
        f"{DIRECTORY_FOLDER}/organizations.csv": _organizations(),
        f"{DIRECTORY_FOLDER}/locations.csv": _locations(),
    }


def _practitioners(seed: int) -> str:
    departments = (*_SERVICES.values(), *_CLINIC_NAMES.values())
    rows: list[Sequence[str]] = []
    for n, c in enumerate(clinicians(seed)):
        if n in _MISSING:
            continue
        number, phone = f"urn:id:{AUTHORITY}|{c.number}", f"555-01{n:02d}"
        department = departments[n % len(departments)]
        hr = ("hr", f"E{100 + n}", "", number, c.prefix, c.family, c.given, c.degree)
        rows.append((*hr, department, phone, _SINCE))
        if n % 5 == 0:  # the record system knows some too, in capitals and with a newer telephone
            said = ("ehr", c.number, "", number, "", c.family.upper(), c.given, "")
            rows.append((*said, "", f"555-01{n + 50:02d}", "2026-03-01"))
        if n in (6, 11):  # two sources of one day, and no rule for them
            for source, last in (("pager", 91), ("switchboard", 92)):
                said = (source, c.number, "", number, "", c.family, c.given, "")
                rows.append((*said, "", f"555-01{last}", "2026-05-01"))
        if n == 8:  # once more, by a number that cannot be
            rows.append(
                ("credentialing", "C-8", c.npi, "", "", c.family, c.given, c.degree, "", "", _SINCE)
            )
    header = "source,key,npi,identifiers,prefix,family,given,credential,department,phone,at"
    return _table(header, rows)


def _organizations() -> str:
    rows = [
        ("hr", FACILITY, f"urn:id:{FACILITY}|{FACILITY}", FACILITY_NAME, "hospital", ""),
        ("hr", "MLAB", "urn:id:MLAB|MLAB", LAB_NAME, "laboratory", FACILITY),
        ("hr", "CLIN", "urn:id:CLIN|CLIN", CLINIC_NAME, "clinic", ""),
    ]
    return _table("source,key,identifiers,name,kind,part_of", rows)


def _locations() -> str:
    rows: list[Sequence[str]] = [
        ("ehr", "main", "site", FACILITY_NAME, "", FACILITY, "", "", "", _SINCE)
    ]
    for code, name in _SERVICES.items():
        rows.append(("ehr", code, "department", name, "main", FACILITY, "", "", "", _SINCE))
    for ward, (rooms, beds, service) in WARDS.items():
        rows.append(("ehr", ward, "ward", ward, service, FACILITY, ward, "", "", _SINCE))
        for room in map(str, range(1, rooms + 1)):
            key = f"{ward}-{room}"
            name = f"{ward} room {room}"
            rows.append(("ehr", key, "room", name, ward, FACILITY, ward, room, "", _SINCE))
            rows += [
                (*("ehr", f"{key}-{bed}", "bed", f"{ward} {room} {bed}", key),
                 *(FACILITY, ward, room, bed, _SINCE))
                for bed in ("ABCD"[:beds] if beds > 1 else "")
            ]  # fmt: skip
    for clinic in CLINICS:
        if clinic != _MISSING_CLINIC:
            name = _CLINIC_NAMES[clinic]
            rows.append(("ehr", clinic, "ward", name, "main", FACILITY, clinic, "", "", _SINCE))
    return _table("source,key,kind,name,part_of,facility,ward,room,bed,at", rows)


def _table(header: str, rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return text.getvalue()
