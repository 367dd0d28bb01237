"""What an HL7 v2 message says and no resource holds is labelled: its bytes are in the message."""

from __future__ import annotations

import pytest
from tests.support.derive import FEED, MAPPING, PID, derive, message, text

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.labels import Label, labels_of
from chartloom.domain.message import Format
from chartloom.domain.resource import Derived

STAY = (
    "PV1|1|I|3W^301^A^HOSP||||1234^Smith^Jo^^^^^^NPI|||MED|||||||||V1^^^HOSP"
    + "|" * 25
    + "20240105100000"
)


def _labels(*segments: str) -> set[Label]:
    derived = derive("ADT^A01", PID, *segments)
    assert all(c.labels == 0 for c in derived.contributions)
    return set(labels_of(derived.labels))


@pytest.mark.parametrize(
    ("segment", "label"),
    [
        ("ZDX|1|F10.20^Dependence^I10", Label.ETH),
        ("ZDX|1|F10.20", Label.ETH),
        ("ZDX|1|B20", Label.HIV),
        ("ZDX|1|Dependence^F1020^I10", Label.ETH),
        ("ZRX|1|1819^^RXNORM", Label.ETH),
        ("ZRX|1|1819|RXNORM", Label.ETH),
        ("ZLB|1||56888-1^x^LN~718-7^Hb^LN", Label.HIV),
        ("ZNT|a note: HIV positive", Label.HIV),
        ("ZNT|a note: HIV\\F\\positive", Label.HIV),
        ("ZNT|x^y&alcohol abuse", Label.ETH),
        ("UB1|HIV", Label.HIV),
    ],
)
def test_of_segments_that_become_nothing(segment: str, label: Label) -> None:
    assert _labels(segment) == {label}


@pytest.mark.parametrize(
    "segment",
    ["ZDX|1|I10^Hypertension^I10", "ZBD|B2^F1", "ZNT|nothing", "ZRX|1|1819", "PV1|1|I|B20^F12^1"],
)
def test_what_says_nothing_sensitive_has_none(segment: str) -> None:
    assert _labels(segment) == set()


def test_fields_without_a_rule_in_segments_that_were_used() -> None:
    beyond = "|" * 60
    assert _labels(STAY + beyond + "F10.20^Dependence^I10") == {Label.ETH}
    assert _labels(STAY + beyond + "B20") == set(), "a ward, a room or a bed"
    assert _labels(STAY + beyond + "B20^x^I10") == {Label.HIV}


def test_the_same_text_is_judged_by_where_it_stands() -> None:
    for _ in range(2):
        assert _labels("ZDX|B20^1") == {Label.HIV}
        assert _labels("PV1|1|I|B20^1") == set()


def test_the_system_of_one_segment_says_nothing_of_another() -> None:
    assert _labels("ZRX|1819", "ZSY|RXNORM") == set()


def test_a_value_that_cannot_be_kept_is_judged() -> None:
    coded = "OBX|1|NM|56888-1^HIV Ag+Ab^LN||positive|||||||||20240105"
    derived = derive("ORU^R01", PID, "OBR|1||F1|LAB1^Serology^L|||20240105", coded)
    assert labels_of(derived.labels) == {Label.HIV}


def _sensitive(*segments: str) -> Derived:
    feed = Feed("ward9", "o", "d", "mllp", Format.HL7V2, zone="Europe/Berlin", sensitive=True)
    sent = message(text("ADT^A01", PID, *segments))
    return MAPPING.derive(sent, feed, EXAMPLE_NAMESPACE)


def test_a_sensitive_feed_restricts_what_became_nothing() -> None:
    assert not FEED.sensitive
    assert labels_of(_sensitive("ZNT|nothing").unread[0][1]) == {Label.R}
    assert labels_of(_sensitive("ZNT|HIV").unread[0][1]) == {Label.HIV}
    assert _sensitive().unread == ()


def test_forgetting_changes_no_answer() -> None:
    assert _labels("ZDX|1|F10.20") == {Label.ETH}
    MAPPING.clear()
    assert _labels("ZDX|1|F10.20") == {Label.ETH}


def test_a_stay_does_not_list_a_diagnosis_that_is_more_sensitive() -> None:
    secret, plain = "DG1|1||F10.20^Dependence^I10|||A", "DG1|2||I10^Hypertension^I10|||A"
    derived = derive("ADT^A01", PID, STAY, secret, plain)
    by_type = {c.type: c for c in derived.contributions if c.type in ("Encounter", "Condition")}
    (listed,) = by_type["Encounter"].resource["diagnosis"]
    assert listed["condition"]["display"] == "Hypertension"
    assert by_type["Encounter"].labels == 0
    assert labels_of(derived.labels) == {Label.ETH}
    alone = derive("ADT^A01", PID, STAY, secret)
    assert not [c for c in alone.contributions if "diagnosis" in c.resource]
