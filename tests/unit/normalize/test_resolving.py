"""Messages tell whom and what place the site's directory does not know."""

from __future__ import annotations

import pytest
from tests.support.derive import FEED, PID, message, text

from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.normalize import ResolvingMapping, load_mapping
from chartloom.registry.directory import load_directory

DIRECTORY = load_directory(
    {
        "practitioners.csv": b"source,key,identifiers\nhr,1,4711\n",
        "locations.csv": b"source,key,kind,ward\nehr,4W,ward,4W\n",
    }
)


def visit(attending: str, ward: str) -> Message:
    place = f"PV1|1|I|{ward}||||{attending}^Okafor^Ngozi||||||||||||V1"
    return message(text("ADT^A01", "EVN|A01|20240105101500", PID, place))


@pytest.mark.parametrize(
    ("attending", "ward", "codes"),
    [
        ("4711", "4W", []),
        ("4711", "4W^12^A", []),
        ("9999", "4W", ["practitioner-unresolved"]),
        ("9999", "9N", ["location-unresolved", "practitioner-unresolved"]),
    ],
)
def test_who_is_not_known_is_an_issue(attending: str, ward: str, codes: list[str]) -> None:
    base = load_mapping("hl7v2")
    mapping = ResolvingMapping(base, DIRECTORY)
    one = visit(attending, ward)
    derived = mapping.derive(one, FEED, EXAMPLE_NAMESPACE)
    assert [i.code for i in derived.issues if i.code.endswith("-unresolved")] == codes
    assert mapping.trace(one, FEED, EXAMPLE_NAMESPACE).derived == derived
    assert derived.contributions == base.derive(one, FEED, EXAMPLE_NAMESPACE).contributions
    assert mapping.fingerprint != base.fingerprint
