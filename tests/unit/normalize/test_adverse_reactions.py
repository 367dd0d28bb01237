"""IAM (ADT^A60) and AL1 speak about the same allergy; IAM also says when it is none."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from tests.support.derive import MAPPING

from chartloom.chart import merge, place
from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, Stamp

_FEED = Feed("adt", "ward", "owner", "mllp", Format.HL7V2)
_HEAD = (
    "MSH|^~\\&|A|F|B|G|20260302120000||{0}|1|P|2.5.1\rEVN||20260302120000\r"
    "PID|1||77^^^H^MR||Doe^Jo\rPV1|1|N\r"
)


def said(message_type: str, segment: str) -> Contribution:
    body = (_HEAD.format(message_type) + segment + "\r").encode()
    message = Message(1, "adt", body, 0, hashlib.sha256(body).digest())
    derived = MAPPING.derive(message, _FEED, EXAMPLE_NAMESPACE)
    assert not derived.quarantine
    assert not derived.issues, derived.issues
    (allergy,) = [c for c in derived.contributions if c.type == "AllergyIntolerance"]
    return allergy


def iam(action: str, status: str) -> str:
    return f"IAM|1|DA|7980^Penicillin^RXNORM|SV|Rash|{action}|Q1^H||||20260101||||||{status}"


def code(concept: dict[str, Any] | None) -> str:
    return concept["coding"][0]["code"] if concept else ""


@pytest.mark.parametrize(
    ("action", "status", "clinical", "verification"),
    [
        ("A", "C", "active", "confirmed"),
        ("A", "S", "active", "unconfirmed"),
        ("U", "I", "inactive", "confirmed"),
        ("U", "E", "", "entered-in-error"),
        ("A", "", "active", ""),
        ("D", "C", "", "entered-in-error"),
    ],
)
def test_action_and_status(action: str, status: str, clinical: str, verification: str) -> None:
    allergy = said("ADT^A60", iam(action, status)).resource
    assert code(allergy.get("clinicalStatus")) == clinical
    assert code(allergy.get("verificationStatus")) == verification


def test_both_segments_name_the_same_resource() -> None:
    from_list = said("ADT^A08", "AL1|1|DA|7980^Penicillin^RXNORM|SV|Rash")
    from_update = said("ADT^A60", iam("U", "E"))
    assert from_list.id == from_update.id


@pytest.mark.parametrize("list_is_later", [False, True])
def test_an_erroneous_entry_does_not_count_nor_when_an_old_list_comes_late(
    list_is_later: bool,
) -> None:
    """AL1 has no status: its "active" is only our default."""
    from_list = said("ADT^A08", "AL1|1|DA|7980^Penicillin^RXNORM|SV|Rash")
    erroneous = said("ADT^A60", iam("U", "E"))
    pair = [(erroneous, Stamp(1, 200, 1)), (from_list, Stamp(1, 100, 2))]
    state = None
    for contribution, stamp in pair if list_is_later else reversed(pair):
        state = merge(state, contribution, stamp)
    assert state is not None
    assert code(state.resource["verificationStatus"]) == "entered-in-error"
    assert "clinicalStatus" not in state.resource, "ait-2"
    assert place(state).hidden, "no list may take it for a refutation of somebody else's listing"


def test_an_entry_that_was_active_has_no_course_once_it_is_erroneous() -> None:
    state = merge(None, said("ADT^A60", iam("A", "C")), Stamp(1, 100, 1))
    assert code(state.resource["clinicalStatus"]) == "active"
    state = merge(state, said("ADT^A60", iam("U", "E")), Stamp(1, 200, 2))
    assert "clinicalStatus" not in state.resource, "ait-2"
    assert place(state).hidden
    state = merge(state, said("ADT^A60", iam("U", "C")), Stamp(1, 300, 3))
    assert code(state.resource["clinicalStatus"]) == "active"
    assert not place(state).hidden
