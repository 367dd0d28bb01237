"""What may stand in plain text beside a sealed message."""

from __future__ import annotations

import pytest

from chartloom.domain.plain import usual_control_id, usual_message_type


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "MSG00001",
        "20260101120000.123-4",
        "f47ac10b-58cc-4372-a567-0e02b2c3d479",
        "file:0123456789abcdef01234567:1048576",
        "Q9/3+a=",
        "9" * 64,
    ],
)
def test_usual_control_ids(text: str) -> None:
    assert usual_control_id(text)


@pytest.mark.parametrize(
    "text",
    [
        "Mueller",
        "DOE^JANE",
        "DOE^JANE^^^1",
        "Jane 1",
        "M\u00fcller1",
        "\u0661\u0662",
        "1 Main St",
        "9" * 65,
        "1\n",
        "1\0",
        "1\ud800",
        "-1",
    ],
)
def test_unusual_control_ids(text: str) -> None:
    assert not usual_control_id(text)


USUAL = """
ADT^A01 ADT^A01^ADT_A01 ORU^R01 ACK MDM ZPM^Z01 ADT^ZAA ORM^O01^ORM
Bundle Patient MedicationRequest Parameters
"""
UNUSUAL = "DOE^JANE LEE LEE^ANN Mueller ADT^A01^DOE^JANE adt^a01 ADT^ 19700101 patient"


@pytest.mark.parametrize("text", ["", *USUAL.split()])
def test_usual_message_types(text: str) -> None:
    assert usual_message_type(text)


@pytest.mark.parametrize("text", [*UNUSUAL.split(), "ADT^A01 ", "ADT^A01\n", "X" * 300])
def test_unusual_message_types(text: str) -> None:
    assert not usual_message_type(text)
