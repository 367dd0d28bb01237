"""What a mapping is to the other rooms."""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from chartloom.domain.feed import Feed
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived, Traced


class Mapping(Protocol):
    """A versioned set of rules. ``files`` and ``fingerprint`` identify the version."""

    name: str
    fingerprint: str
    files: dict[str, bytes]

    def derive(self, message: Message, feed: Feed, namespace: UUID) -> Derived:
        """What a message says; never raises for any bytes."""
        ...

    def trace(self, message: Message, feed: Feed, namespace: UUID) -> Traced:
        """The same with evidence and loss report."""
        ...

    def clear(self) -> None:
        """Forgets every text of messages that it remembers, as when a patient's data are erased."""
        ...
