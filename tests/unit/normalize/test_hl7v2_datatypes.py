"""Datatypes of HL7 v2 as FHIR: what is kept, what is said, what is an Issue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.derive import FEED, MAPPING

from chartloom.domain.codec import encode
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.formats.hl7v2 import DEFAULT
from chartloom.normalize.context import Env, Prim, Sink
from chartloom.normalize.functions.numbers import quantity, reference_range, structured
from chartloom.normalize.functions.observation import content_type, ed_attachment
from chartloom.normalize.functions.times import to_datetime, to_us

BERLIN = ZoneInfo("Europe/Berlin")
ALTERNATE = "http://hl7.org/fhir/StructureDefinition/alternate-codes"


def sink() -> Sink:
    tables = MAPPING.engine.tables  # type: ignore[attr-defined]
    return Sink(Env(FEED, EXAMPLE_NAMESPACE, DEFAULT, tables.systems, tables.units))


def read(name: str, text: str, *more: Any) -> tuple[Any, list[str]]:
    s = sink()
    value = MAPPING.engine.datatypes[name].call(text, s, *more)  # type: ignore[attr-defined]
    return value, [code for code, _ in s.bad]


@pytest.mark.parametrize(
    ("hl7", "fhir"),
    [
        ("2024", "2024"),
        ("202402", "2024-02"),
        ("20240229", "2024-02-29"),
        ("2024022913", "2024-02-29T13:00:00+01:00"),
        ("202402291305", "2024-02-29T13:05:00+01:00"),
        ("20240701130501", "2024-07-01T13:05:01+02:00"),
        ("20240701130501.1230", "2024-07-01T13:05:01.1230+02:00"),
        ("20240701130501-0430", "2024-07-01T13:05:01-04:30"),
        ("20240701130501Z", "2024-07-01T13:05:01Z"),
        ("20240331023000", "2024-03-31T02:30:00+01:00"),  # a local time that does not exist
        ("2024-07-01", "2024-07-01"),
        ("2024-07-01T13:05:01+02:00", "2024-07-01T13:05:01+02:00"),
        ("20230229", ""),
        ("00000000", ""),
        ("20240701250000", ""),
        ("20240701130501+9900", ""),
        ("19800203^D", ""),
        ("yesterday", ""),
        ("٢٠٢٤", ""),
    ],
)
def test_times_keep_precision_and_get_a_zone(hl7: str, fhir: str) -> None:
    assert to_datetime(hl7, BERLIN) == fhir


def test_an_invalid_time_keeps_its_text() -> None:
    value, bad = read("DTM.dateTime", "2024-13-01")
    assert isinstance(value, Prim)
    assert value.value is None
    assert value.extension == {
        "url": "http://hl7.org/fhir/StructureDefinition/originalText",
        "valueString": "2024-13-01",
    }
    assert bad == ["date-invalid"]


def test_microseconds_of_partial_and_exact_times() -> None:
    assert to_us("1970") == 0
    assert to_us("1970-01-02") == 86_400_000_000
    assert to_us("1970-01-01T01:00:00.5+01:00") == 500_000
    assert to_us("1970-01-01T00:00:00.123456789Z") == 123_456


def test_decimals_keep_their_digits() -> None:
    for text in ("1.50", "0.00", "-3", "100", "7.0000"):
        found = quantity(text, None)
        assert found is not None
        assert encode(found["value"]).decode() == text
    assert quantity("<0.50", {"unit": "x"}) == {
        "value": Decimal("0.50"),
        "comparator": "<",
        "unit": "x",
    }
    assert quantity("1,5", None) is None
    assert quantity("1e5", None) is None


@pytest.mark.parametrize(
    ("components", "kind", "keys"),
    [
        (["", "5"], "Quantity", {"value"}),
        ([">", "100"], "Quantity", {"value", "comparator"}),
        (["", "1", ":", "128"], "Ratio", {"numerator", "denominator"}),
        (["", "2", "-", "4"], "Range", {"low", "high"}),
    ],
)
def test_structured_numbers(components: list[str], kind: str, keys: set[str]) -> None:
    found = structured(components, None)
    assert found is not None
    assert (found[0], set(found[1])) == (kind, keys)


@pytest.mark.parametrize(
    "components", [["<>", "5"], ["", "x"], ["", "2", "+"], [">", "1", "-", "2"]]
)
def test_structured_numbers_that_fhir_cannot_say(components: list[str]) -> None:
    assert structured(components, None) is None


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("3.5-5.0", "3.5", "5.0"),
        ("3.5 - 5.0 g/dL", "3.5", "5.0"),
        ("-2--1", "-2", "-1"),
        ("(10 to 20)", "10", "20"),
        ("<5.0", None, "5.0"),
        ("≥ 60", "60", None),
        ("up to 8", None, "8"),
        ("Negative", None, None),
        ("5.0-3.5", None, None),
        ("1-2-3", None, None),
    ],
)
def test_reference_ranges(text: str, low: str | None, high: str | None) -> None:
    found, issue = reference_range(text, None)
    assert found["text"] == text
    assert (str(found["low"]["value"]) if "low" in found else None) == low
    assert (str(found["high"]["value"]) if "high" in found else None) == high
    assert issue == ("reference-range-inverted" if text == "5.0-3.5" else "")


@pytest.mark.parametrize(
    ("hl7", "unit"),
    [
        ("mg/dL", {"unit": "mg/dL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}),
        ("MG/DL", {"unit": "MG/DL", "system": "http://unitsofmeasure.org", "code": "mg/dL"}),
        (
            "10*3/uL^thousand per microlitre^UCUM",
            {
                "unit": "thousand per microlitre",
                "system": "http://unitsofmeasure.org",
                "code": "10*3/uL",
            },
        ),
        (
            "x10^3/uL".replace("^", "\\S\\"),
            {"unit": "x10^3/uL", "system": "http://unitsofmeasure.org", "code": "10*3/uL"},
        ),
        ("10^9/L", {"unit": "10^9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"}),
        (
            "x10^3/uL",
            {"unit": "x10^3/uL", "system": "http://unitsofmeasure.org", "code": "10*3/uL"},
        ),
    ],
)
def test_units_that_ucum_knows(hl7: str, unit: dict[str, str]) -> None:
    assert read("CWE.unit", hl7) == (unit, [])


def test_a_unit_that_ucum_does_not_know_stays_text() -> None:
    assert read("CWE.unit", "10^9 of them") == ({"unit": "9 of them"}, ["unit-not-ucum"])
    assert read("CWE.unit", "furlongs") == ({"unit": "furlongs"}, ["unit-not-ucum"])


def test_identifiers_say_who_assigned_them() -> None:
    value, bad = read("CX.Identifier", "123^4^M11^HOSP&1.2.3&ISO^MR^Clinic^20200101^20301231", "")
    assert bad == []
    assert value == {
        "type": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]
        },
        "system": "urn:oid:1.2.3",
        "value": "123",
        "assigner": {"display": "HOSP, Clinic"},
        "period": {"start": "2020-01-01", "end": "2030-12-31"},
    }
    assert read("CX.Identifier", "9^^^LAB", "AN")[0]["system"] == "urn:id:LAB"
    twice, _ = read("CX.Identifier", "9^^^LAB^MR^LAB", "")
    assert twice is not None
    assert twice["assigner"] == {"display": "LAB"}
    assert read("CX.Identifier", "^^^LAB^MR", "")[0] is None


@pytest.mark.parametrize(
    ("hl7", "expected"),
    [
        ("0301234", {"system": "phone", "value": "0301234", "use": "home"}),
        ("^WPN^PH^^49^30^1234^5", {"system": "phone", "value": "+49 (30) 1234 x5", "use": "work"}),
        (
            "^NET^Internet^ana@example.org",
            {"system": "email", "value": "ana@example.org", "use": "home"},
        ),
        ("017612^PRN^CP", {"system": "phone", "value": "017612", "use": "mobile"}),
        ("1^ORN^FX", {"system": "fax", "value": "1", "use": "home"}),
    ],
)
def test_telecommunication(hl7: str, expected: dict[str, str]) -> None:
    value, bad = read("XTN.ContactPoint", hl7, "home")
    assert {k: v for k, v in value.items() if k != "extension"} == expected
    assert bad == []


def test_telecommunication_loses_no_piece() -> None:
    value, _ = read("XTN.ContactPoint", "555^PRN^PH^a@b.c^1^22^333^4^note", "")
    kept = {e["url"].rpartition("-")[2]: e["valueString"] for e in value["extension"]}
    assert kept == {
        "country": "1",
        "area": "22",
        "local": "333",
        "extension": "4",
        "comment": "note",
    }
    assert value["value"] == "a@b.c"
    assert "555" in [e["valueString"] for e in value["extension"]]


def test_a_code_keeps_its_original_beside_the_mapped_one() -> None:
    marital = MAPPING.engine.tables.concepts["marital-status"]  # type: ignore[attr-defined]
    value, bad = read("CWE.CodeableConcept", "W^Widowed^HL70002", marital)
    assert [c["code"] for c in value["coding"]] == ["W", "W"]
    assert value["coding"][0]["system"].endswith("v3-MaritalStatus")
    assert value["coding"][1]["system"].endswith("v2-0002")
    assert value["text"] == "Widowed"
    assert bad == []
    value, bad = read("CWE.CodeableConcept", "Q^Quoll^L", marital)
    assert value == {
        "coding": [{"system": "urn:id:L", "code": "Q", "display": "Quoll"}],
        "text": "Quoll",
    }
    assert bad == ["code-unmapped"]


def test_gender_keeps_what_fhir_cannot_say() -> None:
    gender = MAPPING.engine.tables.concepts["gender"]  # type: ignore[attr-defined]
    assert read("CWE.code", "F", gender) == ("female", [])
    ambiguous, bad = read("CWE.code", "A", gender)
    assert ambiguous.value == "other"
    assert ambiguous.extension["url"] == ALTERNATE
    assert bad == []
    unknown, bad = read("CWE.code", "ZZ", gender)
    assert unknown.value == "unknown"
    assert unknown.extension["valueCodeableConcept"]["coding"][0]["code"] == "ZZ"
    assert bad == ["code-unmapped"]


def test_places_are_part_of_their_ward() -> None:
    s = sink()
    reference = MAPPING.engine.datatypes["PL.Reference"].call("W1^12^A^HOSP&1.2.3&ISO", s)  # type: ignore[attr-defined]
    places = {c.resource.get("name"): c.resource for c in s.directory.values()}
    assert reference["display"] == "W1 12 A"
    assert places["W1 12 A"]["partOf"]["reference"] == f"Location/{places['W1']['id']}"
    assert places["W1 12 A"]["physicalType"]["coding"][0]["code"] == "bd"
    assert places["HOSP"]["resourceType"] == "Organization"


def test_people_are_known_by_number_and_authority() -> None:
    one, two, three = sink(), sink(), sink()
    call = MAPPING.engine.datatypes["XCN.Reference"].call  # type: ignore[attr-defined]
    a = call("77^House^Gregory^^^Dr^MD^^HOSP", one)
    b = call("77^House^G^^^^^^HOSP", two)
    c = call("77^Other^Body^^^^^^ELSEWHERE", three)
    assert a["reference"] == b["reference"] != c["reference"]
    assert a["display"] == "Dr Gregory House, MD"
    assert call("^^^^^^^^HOSP", sink()) is None


def test_embedded_data_is_valid_base64_or_an_issue() -> None:
    good = ed_attachment("LAB^application^pdf^Base64^aGVs\\.br\\bG8=", sink())
    assert good == {"contentType": "application/pdf", "data": "aGVsbG8=", "title": "LAB"}
    assert ed_attachment("^TEXT^^Hex^6869", sink())["data"] == "aGk="  # type: ignore[index]
    s = sink()
    broken = ed_attachment("^application^pdf^Base64^***", s)
    assert broken is not None
    assert [code for code, _ in s.bad] == ["attachment-invalid"]


@pytest.mark.parametrize(
    ("kind", "subtype", "expected"),
    [
        ("application", "PDF", "application/pdf"),
        ("image/png", "", "image/png"),
        ("IM", "JPEG", "image/jpeg"),
        ("TEXT", "", "text/plain"),
        ("??", "", "application/octet-stream"),
    ],
)
def test_content_types(kind: str, subtype: str, expected: str) -> None:
    assert content_type(kind, subtype) == expected
