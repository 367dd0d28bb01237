"""Files of patient records with the truth beside them: CSV with any usual column names, NDJSON.

NDJSON lines are FHIR Patients, or ``{"person": ..., "group": ..., "tags": [...], "resource":
{...}}``. Where a Patient carries the truth itself, it is the identifier of the system
``urn:chartloom:truth``, which the matcher does not get to see.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from chartloom.domain.errors import ConfigurationError

TRUTH_SYSTEM: Final = "urn:chartloom:truth"
_TYPES: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_MAIDEN: Final = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"
#: Field -> names of columns that mean it, in lower case without spaces, dashes and underscores.
COLUMNS: Final[dict[str, str]] = {
    "id": "id recid recordid rowid uniqueid recordnumber",
    "person": "person personid cluster clusterid entity entityid entid truth trueid label masterid "
    "trueperson goldid individualid",
    "family": "family familyname surname lastname lname last sname",
    "given": "given givenname firstname first forename fname",
    "middle": "middle middlename secondname middleinitial mname",
    "suffix": "suffix namesuffix",
    "name": "name fullname patientname",
    "former": "maidenname formername previouslastname",
    "birth": "birth dob dateofbirth birthdate birthday",
    "sex": "sex gender administrativesex",
    "number": "streetnumber housenumber",
    "street": "street address address1 streetaddress line1 addressline1 streetname",
    "street2": "address2 line2 addressline2 unit apartment",
    "city": "city suburb town locality",
    "state": "state province",
    "postal": "postal postalcode postcode zip zipcode",
    "phone": "phone telephone phonenumber mobile homephone cellphone phone1",
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


def read_labelled(
    path: Path, columns: Mapping[str, str] | None = None, truth: Path | None = None
) -> list[LabelledRow]:
    """All records of a file. columns: field -> name of the column, where they cannot be guessed.

    truth: a CSV of record id and person, for files that do not carry it. Raises ConfigurationError.
    """
    try:
        known = _truth(truth) if truth is not None else {}
        if path.suffix.lower() in (".ndjson", ".jsonl", ".json"):
            rows = list(_ndjson(path, known))
        else:
            rows = list(_csv(path, dict(columns or {}), known))
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigurationError(
            "The file cannot be read.", where=str(path), cure="Check the path; text must be UTF-8."
        ) from e
    seen: set[str] = set()
    for row in rows:
        if row.id in seen:
            raise ConfigurationError(
                f"The record id of line {len(seen) + 1} stands twice.",
                where=str(path),
                cure="Give every record an id of its own.",
            )
        seen.add(row.id)
    return rows


def _truth(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return {row[0]: row[1] for row in csv.reader(lines) if len(row) > 1}


def _ndjson(path: Path, known: Mapping[str, str]) -> Iterator[LabelledRow]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                value = msgspec.json.decode(line)
            except msgspec.DecodeError as e:
                raise ConfigurationError(
                    "This line is no JSON.", where=f"{path}:{number}", cure="One object a line."
                ) from e
            if not isinstance(value, dict):
                raise ConfigurationError(
                    "This line is no object.", where=f"{path}:{number}", cure="One Patient a line."
                )
            yield _from_object(value, number, known)


def _from_object(value: dict[str, Any], number: int, known: Mapping[str, str]) -> LabelledRow:
    patient = value.get("resource", value)
    if not isinstance(patient, dict):
        patient = {}
    record_id = str(value.get("id") or patient.get("id") or number)
    person = str(value.get("person") or known.get(record_id, ""))
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
    with path.open(encoding="utf-8-sig", newline="") as text:
        head = text.read(8192)
        text.seek(0)
        delimiter = max(",;\t|", key=head.partition("\n")[0].count)
        reader = csv.DictReader(text, delimiter=delimiter, skipinitialspace=True)
        names = _named(reader.fieldnames or [], columns)
        if not {"family", "given", "name"} & set(names):
            raise ConfigurationError(
                "No column looks like a name.",
                where=str(path),
                cure="Say which is which, e.g. `--column family=LNAME --column given=FNAME`.",
            )
        rows = [{f: (row.get(c) or "").strip() for f, c in names.items()} for row in reader]
    day_first = _day_first([row.get("birth", "") for row in rows])
    for number, row in enumerate(rows, start=1):
        yield _from_row(row, number, known, day_first)


def row_of(values: Mapping[str, str], number: int) -> LabelledRow:
    """One record of a table that is no file: column -> text, columns named as in a file."""
    names = _named(list(values), {})
    return _from_row({f: values[c].strip() for f, c in names.items()}, number, {}, False)


def _named(header: list[str] | Any, columns: Mapping[str, str]) -> dict[str, str]:
    """Field -> column of this file."""
    found = dict(columns)
    for column in header:
        field = _BY_NAME.get(re.sub(r"[^a-z0-9]", "", column.lower()))
        if field and field not in found and column not in columns.values():
            found[field] = column
    return found


def _day_first(births: list[str]) -> bool:
    """Whether dates with slashes are day/month: some first part is above 12, and no second is."""
    parts = [re.split(r"[/.]", b) for b in births if re.match(r"^\d{1,2}[/.]\d{1,2}[/.]\d{4}$", b)]
    return any(int(p[0]) > 12 for p in parts) and not any(int(p[1]) > 12 for p in parts)


def _date(text: str, day_first: bool) -> str:
    if match := re.match(r"^(\d{1,2})[/.](\d{1,2})[/.](\d{4})$", text):
        first, second, year = match.groups()
        month, day = (second, first) if day_first else (first, second)
        return f"{year}-{int(month):02d}-{int(day):02d}"
    if re.match(r"^\d{8}(\.0)?$", text):
        return f"{text[:4]}-{text[4:6]}-{text[6:8]}"
    return text[:10]


def _from_row(
    row: dict[str, str], number: int, known: Mapping[str, str], day_first: bool
) -> LabelledRow:
    record_id = row.get("id") or str(number)
    febrl = _FEBRL.match(record_id)
    person = row.get("person") or known.get(record_id, "") or (febrl.group(1) if febrl else "")
    birth = _date(row.get("birth", ""), day_first)
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
