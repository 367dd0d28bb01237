"""Every input field of all shared HL7 v2 messages is accounted for, and what is made is valid."""

from __future__ import annotations

import hashlib
from collections import Counter

from tests.support.corpora import hl7v2_messages

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Disposition
from chartloom.formats.fhir import validate
from chartloom.formats.hl7v2 import parse
from chartloom.normalize import load_mapping

FEED = Feed("coverage", "tests", "tests", "files", Format.HL7V2)
MAPPING = load_mapping("hl7v2")


def _message(data: bytes) -> Message:
    return Message(1, FEED.name, data, 1_700_000_000_000_000, hashlib.sha256(data).digest())


def test_every_input_field_is_in_the_loss_report() -> None:
    leaves = 0
    for name, data in hl7v2_messages():
        traced = MAPPING.trace(_message(data), FEED, EXAMPLE_NAMESPACE)
        expected = [
            (leaf.path, (leaf.start, leaf.end))
            for segment in parse(data).segments
            for leaf in segment.leaves()
        ]
        assert [(r.location, r.span) for r in traced.loss.rows] == expected, name
        for row in traced.loss.rows:
            if row.disposition is Disposition.IGNORED:
                assert row.rule, (name, row)
                assert row.reason, (name, row)
            elif row.disposition is Disposition.MAPPED:
                assert row.rule, (name, row)
                assert row.targets, (name, row)
        assert traced.derived == MAPPING.derive(_message(data), FEED, EXAMPLE_NAMESPACE), name
        assert traced.loss.counts == traced.derived.loss, name
        leaves += len(expected)
    assert leaves > 20_000


def test_every_derived_resource_is_valid() -> None:
    resources: Counter[str] = Counter()
    for name, data in hl7v2_messages():
        derived = MAPPING.derive(_message(data), FEED, EXAMPLE_NAMESPACE)
        assert "resource-invalid" not in {i.code for i in derived.issues}, name
        for contribution in derived.contributions:
            assert validate(contribution.resource) == [], (name, contribution.type)
            resources[contribution.type] += 1
        if derived.provenance is not None:
            assert validate(derived.provenance) == [], name
    assert sum(resources.values()) > 2000
    assert len(resources) >= 18, resources
