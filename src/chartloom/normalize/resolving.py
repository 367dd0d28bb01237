"""A mapping that also tells whom and what place of a message the site's directory does not know."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from msgspec.structs import replace

from chartloom.domain.feed import Feed
from chartloom.domain.issues import Issue
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived, FhirJson, Traced
from chartloom.normalize.contract import Mapping
from chartloom.registry.directory import (
    LOCATION_UNRESOLVED,
    ORGANIZATION_UNRESOLVED,
    PRACTITIONER_UNRESOLVED,
    Directory,
)

_CODES: Final = {
    "Practitioner": PRACTITIONER_UNRESOLVED,
    "Organization": ORGANIZATION_UNRESOLVED,
    "Location": LOCATION_UNRESOLVED,
}
_REMEMBERED_MAX: Final = 50_000


class ResolvingMapping:
    """``mapping`` with Issues for what ``directory`` does not know; one of each kind a message.

    Contributions are the same; the fingerprint is another, for the Issues depend on the directory.
    """

    def __init__(self, mapping: Mapping, directory: Directory) -> None:
        self.name = mapping.name
        self.files = mapping.files
        both = f"{mapping.fingerprint} {directory.fingerprint}".encode()
        self.fingerprint = hashlib.sha256(both).hexdigest()[: len(mapping.fingerprint)]
        self._mapping = mapping
        self._directory = directory
        self._resolved: dict[str, bool] = {}

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What a message says; never raises for any bytes."""
        return self._told(self._mapping.derive(message, feed, namespace))

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """The same with evidence and loss report."""
        traced = self._mapping.trace(message, feed, namespace)
        return replace(traced, derived=self._told(traced.derived))

    def clear(self) -> None:
        """Forgets every text of messages that it remembers."""
        self._resolved.clear()
        self._mapping.clear()

    def _told(self, derived: Derived) -> Derived:
        codes = sorted(set(self._unresolved(derived)))
        if not codes:
            return derived
        return replace(derived, issues=(*derived.issues, *(Issue(code) for code in codes)))

    def _unresolved(self, derived: Derived) -> Iterator[str]:
        for contribution in derived.contributions:
            if contribution.directory:
                code = _CODES.get(contribution.type)
                if code is not None and not self._knows(contribution.resource):
                    yield code

    def _knows(self, resource: FhirJson) -> bool:
        """Ids are made of numbers and names, so that what is known of one stays true."""
        known = self._resolved.get(resource["id"])
        if known is None:
            if len(self._resolved) >= _REMEMBERED_MAX:
                self._resolved.clear()
            known = self._resolved[resource["id"]] = self._directory.resolves(resource)
        return known
