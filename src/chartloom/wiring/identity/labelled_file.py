"""Files of patient records with the truth beside them: CSV with any usual column names, NDJSON.

NDJSON lines are FHIR Patients, or ``{"person": ..., "group": ..., "tags": [...], "resource":
{...}}``. Where a Patient carries the truth itself, it is the identifier of the system
``urn:chartloom:truth``, which the matcher does not get to see, or a member of a name that columns
of persons have. A ``.json`` file may also be one array, or one Bundle.
"""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.registry.persons import MatchRecord, standardise
from chartloom.wiring.identity.dates import date_of, day_first_of
from chartloom.wiring.identity.truth import (
    check_truth,
    encoding_of,
    persons_of,
    read_pairs,
    read_truth,
    refuse_messages,
)

TRUTH_SYSTEM: Final = "urn:chartloom:truth"
_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_MAIDEN: Final = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
#: Field -> names of columns that mean it, in lower case without spaces, dashes and underscores.
COLUMNS: Final[dict[str, str]] = {
    "id": "id recid recordid rowid uniqueid recordnumber sourceid rownumber personidentifier",
    "person": "person personid cluster clusterid entity entityid entid truth trueid label masterid "
    "trueperson goldid individualid empi empiid mpi mpiid enterpriseid eid uid personkey truthid "
    "goldenid goldenrecord goldenrecordid goldrecordid groundtruth dupid duplicategroup matchid "
    "householdmemberid",
    "family": "family familyname surname lastname lname last sname namelast patientlastname",
    "given": "given givenname givennames firstname first forename fname namefirst patientfirstname",
    "middle": "middle middlename secondname middleinitial mname midlname mi namemiddle",
    "suffix": "suffix namesuffix",
    "name": "name fullname patientname",
    "former": "maiden maidenname formername previouslastname birthname",
    "birth": "birth dob dateofbirth birthdate birthday patientdob bday",
    "sex": "sex gender administrativesex",
    "number": "streetnumber housenumber",
    "street": "street address address1 streetaddress line1 addressline1 streetname addr addr1",
    "street2": "address2 line2 addressline2 unit apartment",
    "city": "city suburb town locality",
    "state": "state province",
    "postal": "postal postalcode postcode zip zipcode",
    "phone": "phone telephone phonenumber mobile homephone cellphone phone1 tel mobilephone",
    "phone2": "phone2 workphone otherphone",
    "email": "email emailaddress mail",
    "ssn": "ssn socsecid socialsecuritynumber socialsecurity nationalid",
    "mrn": "mrn medicalrecordnumber patientid",
    "source": "source system facility sourcesystem authority dataset",
    "mother": "mothersmaidenname mothermaidenname mothermaiden",
    "order": "birthorder multiplebirthinteger",
    "group": "group ethnicity race namegroup origin",
    "tags": "tags tag class errorclass",
}
_BY_NAME: Final = {name: field for field, names in COLUMNS.items() for name in names.split()}
_FEBRL: Final = re.compile(r"^rec-(\d+)-(?:org|dup(?:-\d+)?)$")


class LabelledRow(msgspec.Struct, frozen=True):
    """One record. person: "" when the file does not say. groups: kind of group -> its value."""

    id: str
    person: str
    patient: dict[str, Any]
    groups: dict[str, str]
    tags: tuple[str, ...] = ()


#: Told while a file is read: records so far.
Told = Callable[[int], None]


def read_labelled(
    path: Path, columns: Mapping[str, str] | None = None, truth: Path | None = None
) -> list[LabelledRow]:
    """All records of a file. columns: field -> name of the column, where they cannot be guessed.

    truth: a CSV of record id and person, for files that do not carry it. Raises ConfigurationError.
    """
    return list(_read(path, columns, truth))


def read_standardised(
    path: Path,
    columns: Mapping[str, str] | None = None,
    truth: Path | None = None,
    pairs: Path | None = None,
    told: Told = lambda count: None,
) -> tuple[list[LabelledRow], dict[str, MatchRecord]]:
    """The same, each as what is compared of it; of the rows only the labels are kept, so that a
    million fit. pairs: record ids that are one person, in place of a truth."""
    rows: list[LabelledRow] = []
    records: dict[str, MatchRecord] = {}
    for row in _read(path, columns, truth):
        records[row.id] = standardise(row.patient)
        rows.append(msgspec.structs.replace(row, patient={}))
        if len(rows) % _EVERY == 0:
            told(len(rows))
    told(len(rows))
    if pairs is not None:
        person = persons_of(read_pairs(pairs), records)
        rows = [msgspec.structs.replace(row, person=person[row.id]) for row in rows]
    return rows, records


_EVERY: Final = 2_000


def _read(
    path: Path, columns: Mapping[str, str] | None, truth: Path | None
) -> Iterator[LabelledRow]:
    try:
        known = read_truth(truth) if truth is not None else {}
        if path.suffix.lower() in (".ndjson", ".jsonl", ".json"):
            rows = _ndjson(path, known, (columns or {}).get("person", ""))
        else:
            rows = _csv(path, dict(columns or {}), known)
        seen: set[str] = set()
        for row in rows:
            if row.id in seen:
                raise ConfigurationError(
                    f"The record id of line {len(seen) + 1} stands twice.",
                    where=str(path),
                    cure="Give every record an id of its own, or say which column holds it with "
                    "--column id=NAME.",
                )
            seen.add(row.id)
            yield row
        if truth is not None:
            check_truth(truth, known, seen)
    except FileNotFoundError as e:
        raise ConfigurationError(
            "There is no such file.", where=str(e.filename), cure="Check the path."
        ) from e
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise ConfigurationError(
            "The file cannot be read.",
            where=str(path),
            cure="Check the path; text is UTF-8, UTF-16 with its mark, or Windows-1252.",
        ) from e
    if not seen:
        raise ConfigurationError(
            "The file has no records.", where=str(path), cure="One record a line, below the names."
        )


def _ndjson(path: Path, known: Mapping[str, str], label: str) -> Iterator[LabelledRow]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if not line.strip():
                continue
            try:
                value = msgspec.json.decode(line)
            except msgspec.DecodeError as e:
                if number == 1 and line.lstrip()[:1] in b"[{":
                    yield from _whole(path, known, label)
                    return
                raise ConfigurationError(
                    "This line is no JSON.", where=f"{path}:{number}", cure="One object a line."
                ) from e
            if number == 1 and (isinstance(value, list) or _is_bundle(value)):
                yield from _whole(path, known, label)
                return
            yield _from_object(_object(value, f"{path}:{number}"), number, known, label)


def _whole(path: Path, known: Mapping[str, str], label: str) -> Iterator[LabelledRow]:
    """One array, or one Bundle."""
    try:
        value = msgspec.json.decode(path.read_bytes().removeprefix(codecs.BOM_UTF8))
    except msgspec.DecodeError as e:
        raise ConfigurationError(
            "The file is neither JSON nor one JSON object a line.",
            where=str(path),
            cure="One Patient a line, an array of Patients, or a Bundle.",
        ) from e
    if _is_bundle(value):
        value = [e.get("resource") for e in value.get("entry") or () if isinstance(e, dict)]
    for number, one in enumerate(value if isinstance(value, list) else [value], start=1):
        yield _from_object(_object(one, f"{path}, entry {number}"), number, known, label)


def _is_bundle(value: Any) -> bool:
    return isinstance(value, dict) and value.get("resourceType") == "Bundle"


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError("This line is no object.", where=where, cure="One Patient a line.")
    kind = value.get("resourceType", "Patient")
    if kind != "Patient":
        raise ConfigurationError(
            "This line is no Patient.", where=where, cure="Leave other resources out."
        )
    return value


def _label_of(value: Mapping[str, Any], label: str) -> str:
    """The person, where a member of the object says it; label: its name, if somebody gave one."""
    for name, said in value.items():
        known = name == label if label else _BY_NAME.get(_plain(name)) == "person"
        if known and isinstance(said, str | int):
            return str(said)
    return ""


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _from_object(
    value: dict[str, Any], number: int, known: Mapping[str, str], label: str
) -> LabelledRow:
    patient = value.get("resource", value)
    if not isinstance(patient, dict):
        patient = {}
    record_id = str(value.get("id") or patient.get("id") or number)
    person = _label_of(value, label) or _label_of(patient, label)
    person = person or known.get(record_id) or known.get(f"Patient/{record_id}", "")
    identifiers = patient.get("identifier")
    if isinstance(identifiers, list):
        kept = []
        for i in identifiers:
            if isinstance(i, dict) and i.get("system") == TRUTH_SYSTEM:
                person = person or str(i.get("value", ""))
            else:
                kept.append(i)
        patient = {**patient, "identifier": kept}
    groups = {
        "group": str(value.get("group", "")),
        "sex": str(patient.get("gender", "")),
        "age": _decade(str(patient.get("birthDate", ""))),
    }
    tags = value.get("tags")
    return LabelledRow(
        record_id, person, patient, groups, tuple(map(str, tags)) if isinstance(tags, list) else ()
    )


def _decade(birth: str) -> str:
    return f"born {birth[:3]}0s" if birth[:4].isdigit() else ""


def _csv(path: Path, columns: dict[str, str], known: Mapping[str, str]) -> Iterator[LabelledRow]:
    if unknown := sorted(set(columns) - set(COLUMNS)):
        raise ConfigurationError(
            f"There is no field {', '.join(unknown)}.",
            where="--column",
            cure=f"Known are: {', '.join(COLUMNS)}.",
        )
    encoding = encoding_of(path)
    names, delimiter = _header(path, columns, encoding)
    birth = names.get("birth")
    day_first = birth is not None and day_first_of(
        (row.get(birth) or "").strip() for row in _rows(path, encoding, delimiter)
    )
    for number, row in enumerate(_rows(path, encoding, delimiter), start=1):
        values = {f: (row.get(c) or "").strip() for f, c in names.items()}
        yield _from_row(values, number, known, day_first)


def _rows(path: Path, encoding: str, delimiter: str) -> Iterator[dict[str, Any]]:
    with path.open(encoding=encoding, newline="", errors="replace") as text:
        yield from csv.DictReader(text, delimiter=delimiter, skipinitialspace=True)


def _header(path: Path, columns: dict[str, str], encoding: str) -> tuple[dict[str, str], str]:
    """(field -> column, delimiter)."""
    with path.open(encoding=encoding, newline="", errors="replace") as text:
        head = text.readline()
    refuse_messages(head, path)
    delimiter = max(",;\t|", key=head.count)
    header = next(csv.reader([head], delimiter=delimiter, skipinitialspace=True), [])
    found = f"The file has: {', '.join(header[:30]) or 'nothing'}."
    if absent := sorted(set(columns.values()) - set(header)):
        raise ConfigurationError(
            f"There is no column {', '.join(absent)}.", where="--column", cure=found
        )
    names = _named(header, columns)
    if not {"family", "given", "name"} & set(names):
        raise ConfigurationError(
            "No column looks like a name.",
            where=str(path),
            cure=f"Say which is which, e.g. `--column family=LNAME --column given=FNAME`. {found}",
        )
    return names, delimiter


def row_of(values: Mapping[str, str], number: int) -> LabelledRow:
    """One record of a table that is no file: column -> text, columns named as in a file."""
    names = _named(list(values), {})
    return _from_row({f: values[c].strip() for f, c in names.items()}, number, {}, False)


def _named(header: list[str] | Any, columns: Mapping[str, str]) -> dict[str, str]:
    """Field -> column of this file."""
    found = dict(columns)
    for column in header:
        field = _BY_NAME.get(_plain(column))
        if field and field not in found and column not in columns.values():
            found[field] = column
    return found


def _from_row(
    row: dict[str, str], number: int, known: Mapping[str, str], day_first: bool
) -> LabelledRow:
    record_id = row.get("id") or str(number)
    febrl = _FEBRL.match(record_id)
    person = row.get("person") or known.get(record_id, "") or (febrl.group(1) if febrl else "")
    birth = date_of(row.get("birth", ""), day_first)
    sex = row.get("sex", "").lower()
    gender = "female" if sex[:1] in ("f", "w", "2") else "male" if sex[:1] in ("m", "1") else ""
    patient: dict[str, Any] = {"resourceType": "Patient", "name": _row_names(row)}
    patient["identifier"] = _row_identifiers(row)
    if gender:
        patient["gender"] = gender
    if birth:
        patient["birthDate"] = birth
    street = " ".join(x for x in (row.get("number", ""), row.get("street", "")) if x)
    line = [x for x in (street, row.get("street2", "")) if x]
    if line or row.get("postal") or row.get("city"):
        patient["address"] = [
            {"line": line, "city": row.get("city", ""), "postalCode": row.get("postal", "")}
        ]
    telecom = [{"system": "phone", "value": row[f]} for f in ("phone", "phone2") if row.get(f)]
    if row.get("email"):
        telecom.append({"system": "email", "value": row["email"]})
    patient["telecom"] = telecom
    if row.get("mother"):
        patient["extension"] = [{"url": _MAIDEN, "valueString": row["mother"]}]
    if row.get("order", "").isdigit():
        patient["multipleBirthInteger"] = int(row["order"])
    groups = {"group": row.get("group", ""), "sex": gender, "age": _decade(birth)}
    return LabelledRow(record_id, person, patient, groups, tuple(row.get("tags", "").split()))


def _row_names(row: Mapping[str, str]) -> list[dict[str, Any]]:
    given = [row[f] for f in ("given", "middle") if row.get(f)]
    name: dict[str, Any] = {"given": given} if given else {}
    if row.get("family"):
        name["family"] = row["family"]
    if row.get("suffix"):
        name["suffix"] = [row["suffix"]]
    if not name and row.get("name"):
        name["text"] = row["name"]
    names = [name] if name else []
    if row.get("former"):
        names.append({"use": "maiden", "family": row["former"]})
    return names


def _row_identifiers(row: Mapping[str, str]) -> list[dict[str, Any]]:
    found = []
    if ssn := row.get("ssn"):
        american = len(re.sub(r"\D", "", ssn)) == 9
        system = "http://hl7.org/fhir/sid/us-ssn" if american else "urn:national"
        found.append(_identifier("SS" if american else "NI", system, ssn))
    if row.get("mrn"):
        found.append(_identifier("MR", f"urn:source:{row.get('source', '')}", row["mrn"]))
    return found


def _identifier(code: str, system: str, value: str) -> dict[str, Any]:
    return {
        "type": {"coding": [{"system": _TYPES, "code": code}]},
        "system": system,
        "value": value,
    }
