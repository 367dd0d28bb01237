"""A message that would become too many resources is quarantined, before it costs anything."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.support.derive import FEED, MAPPING, PID, message, text

from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.issues import CATALOGUE
from chartloom.domain.message import Format
from chartloom.normalize import Mapping, load_mapping

FHIR = Feed("ehr", "it", "team", "http", Format.FHIR, mapping="fhir")


def results(count: int) -> bytes:
    """Results outside an order, as short as they can be."""
    return text("ORU^R01", PID, "OBR|1|||718-7^Hb^LN", *["OBX|1|ST|1||x||||||F"] * count)


def entries(count: int) -> bytes:
    """A Bundle of Patients."""
    said = [{"resource": {"resourceType": "Patient", "id": f"p{n}"}} for n in range(count)]
    return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": said}).encode()


@pytest.mark.parametrize(
    ("mapping", "feed", "few", "many"),
    [
        (MAPPING, FEED, results(15), results(40)),
        (load_mapping("fhir"), FHIR, entries(20), entries(21)),
    ],
    ids=["hl7v2", "fhir"],
)
def test_a_message_becomes_so_many_resources_and_no_more(
    mapping: Mapping, feed: Feed, few: bytes, many: bytes
) -> None:
    bounded = msgspec.structs.replace(feed, limits=FeedLimits(resources_max=20))
    assert not mapping.derive(message(few), bounded, EXAMPLE_NAMESPACE).quarantine
    derived = mapping.derive(message(many), bounded, EXAMPLE_NAMESPACE)
    traced = mapping.trace(message(many), bounded, EXAMPLE_NAMESPACE)
    assert traced.derived == derived
    assert derived.quarantine == "too-many-resources"
    assert derived.contributions == ()
    assert "too-many-resources" in {i.code for i in derived.issues}
    assert "resources_max" in CATALOGUE["too-many-resources"].cure
    assert not mapping.derive(message(many), feed, EXAMPLE_NAMESPACE).quarantine


def test_the_usual_bound() -> None:
    assert MAPPING.derive(message(results(16_000)), FEED, EXAMPLE_NAMESPACE).quarantine
    assert not MAPPING.derive(message(results(1_000)), FEED, EXAMPLE_NAMESPACE).quarantine
