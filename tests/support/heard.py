"""What is believed after hearing HL7 v2 messages in an order, without a store."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import permutations

from tests.support.derive import FEED, MAPPING, RECEIVED_AT_US

from chartloom.chart import merge
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.message import Message
from chartloom.domain.resource import Derived, ResourceState, Stamp

States = dict[str, ResourceState]


def derive_at(position: int, body: bytes) -> Derived:
    """What the message at a position of the log says; it must be applicable."""
    digest = hashlib.sha256(body).digest()
    sent = Message(position, FEED.name, body, RECEIVED_AT_US, digest)
    derived = MAPPING.derive(sent, FEED, EXAMPLE_NAMESPACE)
    assert not derived.quarantine, derived.issues
    return derived


def believed(told: Iterable[tuple[int, bytes]]) -> States:
    """Resource id -> state after hearing (position, message) in this order."""
    states: States = {}
    for position, body in told:
        derived = derive_at(position, body)
        stamp = Stamp(1, derived.event_us, position)
        for contribution in derived.contributions:
            id = contribution.id
            if not contribution.directory:
                states[id] = merge(states.get(id), contribution, stamp)
    return states


def in_any_order(*bodies: bytes) -> Iterator[States]:
    """What is believed after each order of the messages."""
    for order in permutations(enumerate(bodies, 1)):
        yield believed(order)


def of_type(states: States, kind: str) -> list[ResourceState]:
    """The states of one type."""
    return [s for s in states.values() if s.type == kind]
