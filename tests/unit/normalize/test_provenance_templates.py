"""Provenances by template are what they would be without: same bytes, and valid."""

from __future__ import annotations

import pytest
from tests.support.derive import FEED, MAPPING, PID, message

from chartloom.domain.codec import encode
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.resource import Derived
from chartloom.formats.fhir import is_primitive, validate
from chartloom.normalize.mapping import Hl7Mapping


def _body(sent: str, control_id: str, evn: str) -> bytes:
    header = f"MSH|^~\\&|HIS|HOSP|CL|CL|{sent}||ADT^A08^ADT_A01|{control_id}|P|2.5.1"
    return "\r".join((header, evn, PID, "")).encode()


def _heard(mapping: Hl7Mapping, body: bytes) -> Derived:
    return mapping.derive(message(body), FEED, EXAMPLE_NAMESPACE)


#: MSH-7, MSH-10, EVN; the first makes the template
_FIRST = ("20240105101500", "M1", "EVN||20240105101400")
_LATER = [
    ("20240105101501", "M2", "EVN||20240105101402"),
    ("20240105101501", "M2", "EVN"),  # no hole where the template has one
    ("20240105101501", "M2", "EVN||20240105101501"),  # two holes with one value
    ("20240105101501", "", "EVN||20240105101402"),
    ("20240105101501", "A\\T\\B", "EVN||20240105101402"),
    ("20240105101501", '""', "EVN||20240105101402"),
    ("20240105101501", "M2~M3", "EVN||20240105101402"),
    ("20240105101501", " ", "EVN||20240105101402"),
    ("20249999", "M2", "EVN||20240105101402"),
    ("20240105101501", "M2", "EVN||yesterday"),
    ("20240105101501+0100", "M2", 'EVN||""'),
    ("20240105101501", "M2", "EVN||20240105101402|20240107|01|DOC1^House^Greg"),
]


@pytest.fixture
def mapping() -> Hl7Mapping:
    assert isinstance(MAPPING, Hl7Mapping)
    MAPPING.clear()
    assert not MAPPING._recall.templates
    return MAPPING


@pytest.mark.parametrize("later", _LATER)
def test_a_template_changes_nothing(later: tuple[str, str, str], mapping: Hl7Mapping) -> None:
    first = encode(_heard(mapping, _body(*_FIRST)))
    assert len(mapping._recall.templates) == 1
    # the traced run takes no part in what is remembered
    expected = mapping.trace(message(_body(*later)), FEED, EXAMPLE_NAMESPACE).derived
    for _ in range(2):
        found = _heard(mapping, _body(*later))
        assert encode(found) == encode(expected)
        assert found.provenance is not None
        assert validate(found.provenance) == []
    assert encode(_heard(mapping, _body(*_FIRST))) == first


def test_one_template_serves_all_messages_of_a_sender(mapping: Hl7Mapping) -> None:
    said = [
        _heard(mapping, _body(f"202401051015{n:02}", f"M{n}", f"EVN||202401051014{n:02}"))
        for n in range(20)
    ]
    assert len(mapping._recall.templates) == 1
    for n, derived in enumerate(said):
        assert derived.provenance is not None
        assert derived.provenance["entity"][0]["what"]["display"] == f"M{n}"
        assert derived.provenance["occurredDateTime"] == f"2024-01-05T10:14:{n:02}+01:00"


def test_what_is_wrong_with_a_header_is_reported_each_time(mapping: Hl7Mapping) -> None:
    for n in range(3):
        derived = _heard(mapping, _body("20240105", f"M{n}", "EVN||never"))
        assert [(i.code, i.location) for i in derived.issues] == [("date-invalid", "EVN-2[1]")]


@pytest.mark.parametrize(
    ("name", "value", "is_one"),
    [
        ("dateTime", "2024-02-29T10:00:00Z", True),
        ("dateTime", "2023-02-29", False),
        ("string", "M1", True),
        ("string", "", False),
        ("string", "a\x00b", False),
        ("string", None, False),
        ("id", "a/b", False),
        ("decimal", "1", False),
    ],
)
def test_is_primitive(name: str, value: object, is_one: bool) -> None:
    assert is_primitive(name, value) is is_one
