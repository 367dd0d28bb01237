"""A person's word about two records, as a FHIR R4 ``Linkage``: written by ``word``, read back.

The records stand in ``item`` by our ids, who said it in ``author``, when in ``meta.lastUpdated``.
What is said stands in a modifier extension, since *not the same person* turns the meaning of a
Linkage round: who does not know the extension must not use the resource (FHIR R4, 2.4.1.4).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
#: A stopped message of a record that was looked at, once for each; text, for FHIR's integers are
#: too short.
LOOKED: Final = "urn:chartloom:extension:looked-at"
#: The newest of them, in words from before.
UP_TO: Final = "urn:chartloom:extension:up-to"
#: It took two people when it was said: it does not count before a second says the same.
TWO: Final = "urn:chartloom:extension:takes-two"
#: Mark of another pair of the same two persons that a word about two records settles.
BESIDE: Final = "urn:chartloom:extension:settles"
#: More than are ever shown at once.
_LOOKED_MAX: Final = 1_000
#: More pairs than are ever settled at once.
BESIDE_MAX: Final = 200
RULE: Final = "steward:Linkage"

#: A Linkage is in effect if it says that records are one person.
_JOINS: Final = frozenset({LinkKind.LINK, LinkKind.MERGE})
_KINDS: Final = frozenset(map(str, LinkKind))
_MARK: Final = re.compile(r"[0-9a-f]{16}")
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
    two: bool = False,
    looked: Sequence[int] = (),
    beside: Sequence[str] = (),
) -> bytes:
    """The body of a message that says something about two source patients.

    Twice the same source patient: about a record that an update would turn into somebody else
    (LINK: it is the same person, apply it; UNLINK: it is not); looked: positions of the stopped
    messages that were looked at, for such a LINK or UNLINK (up_to: as it was told before). two: it
    does not count before a second person says the same. beside: marks of other pairs that it
    settles, at most ``BESIDE_MAX``. by: actor id. reason: a code of
    ``tables/steward/reasons.csv``. said_us: now. Land it with ``arrival``.
    """
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=said_us)
    other = "historical" if kind is LinkKind.MERGE else "alternate"
    seen = [{"url": UP_TO, "valueString": str(up_to)}] if up_to else []
    seen += [{"url": LOOKED, "valueString": str(position)} for position in sorted(set(looked))]
    seen += [{"url": BESIDE, "valueString": mark} for mark in sorted(set(beside))]
    second = [{"url": TWO, "valueBoolean": True}] if two else []
    resource: FhirJson = {
        "resourceType": "Linkage",
        "meta": {"lastUpdated": at.isoformat(timespec="microseconds").replace("+00:00", "Z")},
        "extension": [{"url": REASON, "valueCode": reason}, *seen, *second],
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
        up_to = _positions(resource, UP_TO, 1)
        looked = _positions(resource, LOOKED, _LOOKED_MAX)
        of_one = surviving == prior and kind in (LinkKind.LINK, LinkKind.UNLINK)
        if up_to is None or looked is None or (up_to and kind is not LinkKind.LINK):
            return malformed("/extension", "no positions of what was looked at")
        if (up_to or looked) and not of_one:
            return malformed("/extension", "nothing is looked at to say this")
        beside = _marks(resource)
        if beside is None or (beside and (surviving == prior or kind is LinkKind.WITHDRAW)):
            return malformed("/extension", "no marks of what is settled besides")
        two = _takes_two(resource)
        if two is None:
            return malformed("/extension", "neither one person nor two")
        terms = (max(up_to, default=0), two, looked, beside)
        return Said(surviving, (LinkEvent(kind, surviving, prior, RULE, by, reason, *terms),))

    return read


def _positions(resource: FhirJson, url: str, most: int) -> tuple[int, ...] | None:
    """The positions that these extensions tell, ascending; None if they cannot be meant."""
    texts = [e.get("valueString") for e in resource.get("extension", ()) if e.get("url") == url]
    found = {int(t) for t in texts if isinstance(t, str) and _POSITION.fullmatch(t)}
    return tuple(sorted(found)) if len(found) == len(texts) <= most else None


def _marks(resource: FhirJson) -> tuple[str, ...] | None:
    """The marks that these extensions tell, ascending; None if they cannot be meant."""
    texts = [e.get("valueString") for e in resource.get("extension", ()) if e.get("url") == BESIDE]
    found = {t for t in texts if isinstance(t, str) and _MARK.fullmatch(t)}
    return tuple(sorted(found)) if len(found) == len(texts) <= BESIDE_MAX else None


def _takes_two(resource: FhirJson) -> bool | None:
    """Whether it took two people when it was said; None if that cannot be meant."""
    told = [e.get("valueBoolean") for e in resource.get("extension", ()) if e.get("url") == TWO]
    return told == [True] if not told or told == [True] else None


def _records(resource: FhirJson, kind: LinkKind) -> tuple[str, str] | None:
    items = resource.get("item", ())
    types = ("source", "historical" if kind is LinkKind.MERGE else "alternate")
    if tuple(item.get("type") for item in items) != types:
        return None
    surviving, prior = (patient_of(item.get("resource")) for item in items)
    return (surviving, prior) if surviving and prior else None
