"""A person's word about two records, as a FHIR R4 ``Linkage``: written by ``word``, read back.

The records stand in ``item`` by our ids, who said it in ``author``, when in ``meta.lastUpdated``.
What is said stands in a modifier extension, since *not the same person* turns the meaning of a
Linkage round: who does not know the extension must not use the resource (FHIR R4, 2.4.1.4).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from chartloom.domain.issues import Issue
from chartloom.domain.resource import FhirJson, LinkEvent, LinkKind
from chartloom.normalize.steward.reasons import Reason
from chartloom.normalize.steward.said import (
    REASON,
    Reader,
    Reading,
    Said,
    author,
    author_of,
    code_in,
    malformed,
    patient_of,
)

SAID: Final = "urn:chartloom:extension:said"
#: Newest stopped message of a record that was looked at; text, for FHIR's integers are too short.
UP_TO: Final = "urn:chartloom:extension:up-to"
RULE: Final = "steward:Linkage"

#: A Linkage is in effect if it says that records are one person.
_JOINS: Final = frozenset({LinkKind.LINK, LinkKind.MERGE})
_KINDS: Final = frozenset(map(str, LinkKind))
_POSITION: Final = re.compile(r"[1-9][0-9]{0,17}")


def word(
    kind: LinkKind,
    surviving: str,
    prior: str,
    *,
    by: str,
    reason: str,
    said_us: int,
    up_to: int = 0,
) -> bytes:
    """The body of a message that says something about two source patients.

    Twice the same source patient: about a record that an update would turn into somebody else
    (LINK: it is the same person, apply it; UNLINK: it is not); up_to: position of the newest
    stopped message that was looked at, for such a LINK. by: actor id. reason: a code of
    ``tables/steward/reasons.csv``. said_us: now. Land it with ``arrival``.
    """
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=said_us)
    other = "historical" if kind is LinkKind.MERGE else "alternate"
    seen = [{"url": UP_TO, "valueString": str(up_to)}] if up_to else []
    resource: FhirJson = {
        "resourceType": "Linkage",
        "meta": {"lastUpdated": at.isoformat(timespec="microseconds").replace("+00:00", "Z")},
        "extension": [{"url": REASON, "valueCode": reason}, *seen],
        "modifierExtension": [{"url": SAID, "valueCode": str(kind)}],
        "active": kind in _JOINS,
        "author": author(by),
        "item": [
            {"type": "source", "resource": {"reference": f"Patient/{surviving}"}},
            {"type": other, "resource": {"reference": f"Patient/{prior}"}},
        ],
    }
    return msgspec.json.encode(resource)


def linkage_reader(reasons: dict[str, Reason]) -> Reader:
    """Reads Linkages with these reasons."""

    def read(resource: FhirJson, at: Reading) -> Said | Issue:
        del at
        said = code_in(resource, "modifierExtension", SAID)
        if said not in _KINDS or len(resource.get("modifierExtension", ())) != 1:
            return malformed("/modifierExtension", "what is said")
        kind = LinkKind(said)
        if resource.get("active") is not (kind in _JOINS):
            return malformed("/active", "not what is said")
        by = author_of(resource.get("author"))
        if not by:
            return malformed("/author", "no actor")
        reason = code_in(resource, "extension", REASON)
        if reason not in reasons or kind not in reasons[reason].kinds:
            return malformed("/extension", "no such reason for this")
        records = _records(resource, kind)
        if records is None:
            return malformed("/item", "not two records by our ids")
        surviving, prior = records
        if kind is LinkKind.MERGE and surviving == prior:
            return malformed("/item", "a record cannot be merged into itself")
        up_to = _up_to(resource, kind, of_one=surviving == prior)
        if up_to is None:
            return malformed("/extension", "no position up to which it was looked at")
        return Said(surviving, (LinkEvent(kind, surviving, prior, RULE, by, reason, up_to),))

    return read


def _up_to(resource: FhirJson, kind: LinkKind, *, of_one: bool) -> int | None:
    """The position up to which somebody looked; 0 if it is not told, None if it cannot be meant."""
    found = [e for e in resource.get("extension", ()) if e.get("url") == UP_TO]
    if not found:
        return 0
    text = found[0].get("valueString")
    fits = of_one and kind is LinkKind.LINK and len(found) == 1
    return int(text) if fits and isinstance(text, str) and _POSITION.fullmatch(text) else None


def _records(resource: FhirJson, kind: LinkKind) -> tuple[str, str] | None:
    items = resource.get("item", ())
    types = ("source", "historical" if kind is LinkKind.MERGE else "alternate")
    if tuple(item.get("type") for item in items) != types:
        return None
    surviving, prior = (patient_of(item.get("resource")) for item in items)
    return (surviving, prior) if surviving and prior else None
