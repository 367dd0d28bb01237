"""What a reader of the steward feed is given and gives back; what all resources of people share."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from chartloom.domain.feed import Feed
from chartloom.domain.issues import Issue, IssueCode, Severity, register_codes
from chartloom.domain.message import Message
from chartloom.domain.resource import Contribution, FhirJson, LinkEvent

MALFORMED: Final = "steward-malformed"
ELSEWHERE: Final = "steward-elsewhere"

#: System of the actor ids of signed-in people (``user:ada``), as in the record of access.
ACTOR: Final = "urn:chartloom:actor"
#: Code of the reason, one of ``tables/steward/reasons.csv``.
REASON: Final = "urn:chartloom:extension:reason"

_UUID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
_ACTOR_MAX: Final = 200

register_codes(
    IssueCode(
        MALFORMED,
        Severity.FATAL,
        "What stands in the feed of people's decisions is not one.",
        "The detail says what is wrong. Decide again on the page; do not send such messages.",
    ),
    IssueCode(
        ELSEWHERE,
        Severity.FATAL,
        "A person's decision came by a feed that is not for decisions.",
        "Decide on the page or by the command line. Find out who sends such messages, and why.",
    ),
)


class Reading(NamedTuple):
    """Where a resource was said."""

    message: Message
    feed: Feed
    namespace: UUID


class Said(msgspec.Struct, frozen=True):
    """What one decision comes to. source_patient: in whose lane and under whose key it lies."""

    source_patient: str
    links: tuple[LinkEvent, ...] = ()
    contributions: tuple[Contribution, ...] = ()
    issues: tuple[Issue, ...] = ()


#: Reads one type of resource. What it cannot believe is refused with an Issue, whole.
Reader = Callable[[FhirJson, Reading], Said | Issue]


def malformed(location: str, detail: str) -> Issue:
    """The Issue of a resource that is refused; detail names no value."""
    return Issue(MALFORMED, location, detail)


def author_of(reference: Any) -> str:
    """The actor id in a reference to whom it was said by; "" if there is none."""
    identifier = reference.get("identifier") if isinstance(reference, dict) else None
    if not isinstance(identifier, dict) or identifier.get("system") != ACTOR:
        return ""
    value = identifier.get("value")
    if not isinstance(value, str) or len(value) > _ACTOR_MAX or not value.isprintable():
        return ""
    return value if value.strip() == value else ""


def author(actor: str) -> FhirJson:
    """The reference to a signed-in person."""
    return {"identifier": {"system": ACTOR, "value": actor}}


def patient_of(reference: Any) -> str:
    """The source patient id of a reference to one of our Patients; "" for anything else."""
    text = reference.get("reference") if isinstance(reference, dict) else None
    id = text.removeprefix("Patient/") if isinstance(text, str) else ""
    return id if id != text and _UUID.fullmatch(id) else ""


def code_in(resource: FhirJson, element: str, url: str) -> str:
    """The code of the one extension of this url; "" if there is none or several."""
    raw = resource.get(element)
    found = [e for e in raw if e.get("url") == url] if isinstance(raw, list) else []
    code = found[0].get("valueCode") if len(found) == 1 else None
    return code if isinstance(code, str) else ""
