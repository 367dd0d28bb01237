"""What a message says without those of whom nothing can be written any more."""

from __future__ import annotations

from collections.abc import Set
from typing import Final

import msgspec

from chartloom.domain.issues import Issue, IssueCode, Severity, register_codes
from chartloom.domain.resource import Derived

LEFT_OUT: Final = "shredded-left-out"

register_codes(
    IssueCode(
        LEFT_OUT,
        Severity.INFORMATION,
        "The message also speaks of a person whose key was destroyed; that part was left out.",
        "Nothing to do. The rest of the message was applied.",
    )
)


def subjects(derived: Derived) -> set[str]:
    """The source patients that a message is about, speaks of, or links."""
    found = {c.source_patient for c in derived.contributions if not c.directory}
    found.add(derived.source_patient)
    for link in derived.links:
        found.add(link.surviving)
        found.add(link.prior)
    return found


def without(derived: Derived, shredded: Set[str]) -> Derived:
    """``derived`` without all that it says of the shredded; itself if that is nothing."""
    if subjects(derived).isdisjoint(shredded):
        return derived
    return msgspec.structs.replace(
        derived,
        contributions=tuple(
            c for c in derived.contributions if c.directory or c.source_patient not in shredded
        ),
        links=tuple(
            e for e in derived.links if e.surviving not in shredded and e.prior not in shredded
        ),
        identifiers=tuple(i for i in derived.identifiers if i.source_patient not in shredded),
        issues=(*derived.issues, Issue(LEFT_OUT)),
    )
