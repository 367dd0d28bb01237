"""Diagnoses on bills (DFT): things of their own, marked as what they are."""

from __future__ import annotations

import hashlib

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Derived
from chartloom.normalize import load_mapping

FEED = Feed("house", "it", "it", "mllp", Format.HL7V2)
PV1 = "PV1|1|O" + "|" * 17 + "V1"
MAPPING = load_mapping("hl7v2")


def _derived(kind: str, *segments: str) -> Derived:
    rows = [
        f"MSH|^~\\&|A|B|C|D|20250101||{kind}|1|P|2.5",
        "EVN||20250101", "PID|1||77^^^H^MR", PV1, *segments, "",
    ]  # fmt: skip
    body = "\r".join(rows).encode()
    message = Message(1, "house", body, 0, hashlib.sha256(body).digest())
    return MAPPING.derive(message, FEED, EXAMPLE_NAMESPACE)


def _categories(derived: Derived) -> dict[str, list[str]]:
    return {
        c.id: [x["coding"][0]["code"] for x in c.resource["category"]]
        for c in derived.contributions
        if c.type == "Condition"
    }


def test_a_bill_neither_confirms_nor_replaces_the_diagnosis_of_the_visit() -> None:
    diagnosis = "DG1|1||E11.9^Diabetes^I10|||F"
    visit = _categories(_derived("ADT^A04", diagnosis))
    bill = _categories(_derived("DFT^P03", "FT1|1|C1||20250101||CG|99213", diagnosis))
    assert list(visit.values()) == [["encounter-diagnosis"]]
    assert list(bill.values()) == [["encounter-diagnosis", "billing"]]
    assert not set(visit) & set(bill)
