"""Messages: verbatim bytes, where they came from, and where they stand in the landing log."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Format(StrEnum):
    """What the bytes of a message are, as the feed's configuration says."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"  #: FHIR R4 JSON: one resource or one transaction/batch Bundle


class Arrival(msgspec.Struct, frozen=True):
    """What a source hands to the landing: bytes and what a quick look at them told.

    ``control_id`` (MSH-10, or an HTTP request id), ``message_type`` (``ADT^A01``, ``Bundle``) and
    ``source_patient`` are "" when the quick look could not tell; that never stops a landing.
    """

    feed: str
    body: bytes
    received_at_us: int  #: UTC, microseconds since 1970
    sha256: bytes  #: 32 bytes, of ``body``
    control_id: str = ""
    message_type: str = ""
    source_patient: str = ""  #: id from ``source_patient_id``; the lane follows from it


class LandingOutcome(StrEnum):
    """What the landing did with an arrival. All three are durable when reported."""

    LANDED = "landed"
    DUPLICATE = (
        "duplicate"  #: same feed, control id and bytes as an earlier message; not landed again
    )
    CONFLICT = "conflict"  #: landed, but its control id was used before with other bytes


class Receipt(msgspec.Struct, frozen=True):
    """The landing's answer for one arrival; a duplicate gets the first copy's ``position``."""

    position: int
    outcome: LandingOutcome


class Message(msgspec.Struct, frozen=True):
    """One landed message, as ``derive`` sees it. ``position`` orders the log."""

    position: int
    feed: str
    body: bytes
    received_at_us: int
    sha256: bytes
    lane: int = 0
    control_id: str = ""
    message_type: str = ""
    source_patient: str = ""
    conflict: bool = False  #: its control id was used before with other bytes
    fault: str = ""  #: code of why it cannot be tried; ``body`` may be empty then


class MessageState(StrEnum):
    """Where a message is. There is no state in which it is gone."""

    LANDED = "landed"  #: durable, waiting for its lane
    APPLIED = "applied"
    QUARANTINED = "quarantined"
