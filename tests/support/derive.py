"""Derives one HL7 v2 message in a test, plain and traced, and holds what must always hold."""

from __future__ import annotations

import hashlib
from typing import Any

from chartloom.domain.feed import Feed
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Derived, Traced
from chartloom.formats.fhir import validate
from chartloom.normalize import load_mapping

FEED = Feed("his", "Admission", "Registration", "mllp", Format.HL7V2, zone="Europe/Berlin")
MAPPING = load_mapping("hl7v2")
RECEIVED_AT_US = 1_704_450_000_000_000  #: 2024-01-05T10:20:00Z
PID = "PID|1||4711^^^HOSP^MR||Rivera^Ana||19800203|F"


def message(body: bytes) -> Message:
    """A message as the landing would hand it over."""
    return Message(1, FEED.name, body, RECEIVED_AT_US, hashlib.sha256(body).digest())


def text(kind: str, *segments: str, charset: str = "") -> bytes:
    """A message with a header."""
    structure = kind.replace("^", "_")
    head = f"MSH|^~\\&|HIS|HOSP|CL|CL|20240105101500||{kind}^{structure}|M1|P|2.5.1||||||{charset}"
    return "\r".join((head, *segments, "")).encode()


def trace(kind: str, *segments: str) -> Traced:
    """Evidence and loss; the plain run must say the same, and everything must be valid."""
    sent = message(text(kind, *segments))
    traced = MAPPING.trace(sent, FEED, EXAMPLE_NAMESPACE)
    derived = MAPPING.derive(sent, FEED, EXAMPLE_NAMESPACE)
    assert traced.derived == derived
    assert traced.loss.counts == derived.loss
    for contribution in derived.contributions:
        assert validate(contribution.resource) == [], contribution.type
    if derived.provenance is not None:
        assert validate(derived.provenance) == []
    return traced


def derive(kind: str, *segments: str) -> Derived:
    """The same without the trace, for a message that can be applied."""
    derived = trace(kind, *segments).derived
    assert not derived.quarantine, derived.issues
    return derived


def only(derived: Derived, kind: str) -> dict[str, Any]:
    """The one resource of a type."""
    found = every(derived, kind)
    assert len(found) == 1, f"{len(found)} {kind}"
    return found[0]


def every(derived: Derived, kind: str) -> list[dict[str, Any]]:
    """All resources of a type, in order."""
    return [c.resource for c in derived.contributions if c.type == kind]


def issues(derived: Derived) -> set[tuple[str, str]]:
    """(code, location) of all Issues."""
    return {(i.code, i.location) for i in derived.issues}
