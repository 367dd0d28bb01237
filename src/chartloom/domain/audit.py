"""The record of who did what: chained events and signed heads of the tree over them."""

from __future__ import annotations

import msgspec

from chartloom.domain.errors import ChartloomError

#: ``previous`` of the first event.
GENESIS = bytes(32)
#: How often a head is signed: what may be rewritten unseen is at most that young.
HEAD_EVERY_S = 10.0


class AuditEntry(msgspec.Struct, frozen=True):
    """An event before it is logged. body: a FHIR R4 AuditEvent as canonical JSON, without PHI.

    at_us: the same time as its ``recorded``.
    """

    at_us: int
    body: bytes


class LoggedEvent(msgspec.Struct, frozen=True, array_like=True):
    """An event in the log. seq: 1, 2, 3 ... without gaps, in order of appending.

    hash: SHA-256 over ``previous`` (the hash of the event before) and ``body``.
    """

    seq: int
    at_us: int
    previous: bytes
    hash: bytes
    body: bytes


class LogEnd(msgspec.Struct, frozen=True):
    """Where the log ends. size: how many events; last_hash: of the last, or :data:`GENESIS`."""

    size: int
    last_hash: bytes
    last_at_us: int


class AuditUnavailable(ChartloomError):
    """An event could not be put on record; what it is about must not be done or shown."""
