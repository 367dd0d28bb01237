"""Canonical JSON and the chain: the same event always gives the same bytes and the same hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from chartloom.domain.audit import AuditEntry, LoggedEvent

_encode = msgspec.json.Encoder(order="sorted").encode


def canonical(event: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON, keys sorted, no white space (RFC 8785 for values without fractions)."""
    return _encode(event)


def instant(at_us: int) -> str:
    """A FHIR ``instant`` in UTC with six digits of the second: ``2026-03-01T08:15:30.000001Z``."""
    second, us = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%S}.{us:06d}Z"


def instant_us(text: str) -> int:
    """Inverse of :func:`instant`. Raises ``ValueError`` for any other form."""
    at = datetime.fromisoformat(text)
    if len(text) != 27 or text[-1] != "Z":
        raise ValueError("not an instant of ours")
    return int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond


def entry(event: Mapping[str, Any]) -> AuditEntry:
    """What is given to the log for an AuditEvent."""
    return AuditEntry(instant_us(event["recorded"]), canonical(event))


def event_hash(previous: bytes, body: bytes) -> bytes:
    """The chain's step: SHA-256 over the hash before and the event."""
    return hashlib.sha256(previous + body).digest()


def chain(size: int, last_hash: bytes, entries: Iterable[AuditEntry]) -> list[LoggedEvent]:
    """The entries as the next events of a log that ends with ``last_hash`` at ``size``.

    For engines: call it under the lock that orders appending.
    """
    logged: list[LoggedEvent] = []
    for seq, new in enumerate(entries, size + 1):
        digest = event_hash(last_hash, new.body)
        logged.append(LoggedEvent(seq, new.at_us, last_hash, digest, new.body))
        last_hash = digest
    return logged
