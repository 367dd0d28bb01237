"""Why the hot path could not apply a message, and the record that it leaves then."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

from chartloom.domain.issues import Issue, IssueCode, Severity, register_codes
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived

INTERNAL_FAULT: Final = "internal-fault"
FEED_UNKNOWN: Final = "feed-unknown"
STORE_REFUSED: Final = "store-refused"
CONTROL_ID_REUSED: Final = "control-id-reused"
STORED_UNREADABLE: Final = "stored-unreadable"
STORED_DAMAGED: Final = "stored-damaged"
WORKER_DIED: Final = "worker-died"
SUBJECT_SHREDDED: Final = "subject-shredded"
IDENTITY_OVERLAY: Final = "identity-overlay"

register_codes(
    IssueCode(
        INTERNAL_FAULT,
        Severity.FATAL,
        "Chartloom failed on this message; the detail names the fault and its place in the code.",
        "Report it with the detail. After an update, retry the message from quarantine.",
    ),
    IssueCode(
        FEED_UNKNOWN,
        Severity.FATAL,
        "The message came by a feed that is not configured any more.",
        "Put the feed's file back, then retry the message from quarantine.",
    ),
    IssueCode(
        STORE_REFUSED,
        Severity.FATAL,
        "The store cannot hold something in this message.",
        "Look at the message's other issues and bytes; have the source correct it.",
    ),
    IssueCode(
        STORED_UNREADABLE,
        Severity.FATAL,
        "The stored bytes of the message cannot be read: damaged, or sealed with other keys.",
        "Restore the store or the keys from a backup, then retry the message from quarantine.",
    ),
    IssueCode(
        STORED_DAMAGED,
        Severity.FATAL,
        "A stored state or view that the message adds to is damaged.",
        "Restore the store, or run 'chartloom replay', then retry the message from quarantine.",
    ),
    IssueCode(
        WORKER_DIED,
        Severity.FATAL,
        "Worker processes died again and again while they applied this message.",
        "Look for the cause in the system's log (out of memory?); then retry the message.",
    ),
    IssueCode(
        SUBJECT_SHREDDED,
        Severity.FATAL,
        "The message is about a person whose key was destroyed; nobody can read it, by design.",
        "Nothing brings it back. If the source still sends this person's data, stop it there.",
    ),
    IssueCode(
        IDENTITY_OVERLAY,
        Severity.FATAL,
        "The message would turn a patient's record into somebody else's; somebody has to look.",
        "Say in the review queue whether it is the same person: then it is applied, or it stays "
        "here and the source has to correct the number.",
    ),
    IssueCode(
        CONTROL_ID_REUSED,
        Severity.WARNING,
        "The feed used this control id before for a message with other content.",
        "Ask the source's owner to number messages uniquely; both messages were applied.",
    ),
)


def quarantined(message: Message, code: str, detail: str = "") -> Derived:
    """The outcome of a message that cannot be applied: its record, and why."""
    return Derived(
        position=message.position,
        feed=message.feed,
        message_type=message.message_type,
        control_id=message.control_id,
        event_us=message.received_at_us,
        source_patient=message.source_patient,
        issues=(Issue(code, detail=detail),),
        quarantine=code,
    )


def place_of(fault: BaseException) -> str:
    """Type and code location of a fault; never its text, which may quote data."""
    frames = traceback.extract_tb(fault.__traceback__)
    where = f" at {Path(frames[-1].filename).stem}:{frames[-1].lineno}" if frames else ""
    return type(fault).__name__ + where
