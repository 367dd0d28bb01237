"""Messages: verbatim bytes, where they came from, and where they stand in the landing log."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Format(StrEnum):
    """What the bytes of a message are, as the feed's configuration says."""

    HL7V2 = "hl7v2"
    FHIR = "fhir"  #: FHIR R4 JSON: one resource or one transaction/batch Bundle


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A stretch of a message's bytes that is about certain persons, or about nobody.

    persons: source patient ids; the bytes are read by who may see all of them. needs: numbers of
    parts about nobody without which this one cannot be understood (the doctor it refers to).
    """

    start: int
    end: int
    persons: tuple[str, ...] = ()
    needs: tuple[int, ...] = ()


class Parts(msgspec.Struct, frozen=True, array_like=True):
    """How a message about several persons falls into parts, and how some are written alone.

    items: in order, without overlap; what lies between them is about nobody. An excerpt is
    ``head``, the parts shown (``filler`` for each of the others) with ``joint`` between them, and
    ``tail``: its numbers of parts are those of the whole.
    """

    items: tuple[Part, ...]
    head: bytes
    joint: bytes
    tail: bytes
    filler: bytes

    @property
    def persons(self) -> frozenset[str]:
        """Everybody whom some part is about."""
        return frozenset(p for part in self.items for p in part.persons)

    def of(self, body: bytes, person: str) -> tuple[tuple[int, bytes], ...]:
        """What is about this person and nobody else, with what it needs: (number, bytes)."""
        mine = {n for n, part in enumerate(self.items) if part.persons == (person,)}
        mine |= {needed for n in mine for needed in self.items[n].needs}
        return tuple((n, body[self.items[n].start : self.items[n].end]) for n in sorted(mine))

    def shared_types(self, body: bytes, person: str) -> tuple[str, ...]:
        """Types of the resources in parts that are about this person and others."""
        found: set[str] = set()
        for part in self.items:
            if person in part.persons and len(part.persons) > 1:
                text = body[part.start : part.end].decode(errors="replace")
                found |= set(_types_in(json.loads(text, parse_int=str, parse_float=str)))
        return tuple(sorted(found))

    def excerpt(self, shown: Mapping[int, bytes]) -> tuple[bytes, tuple[tuple[int, int], ...]]:
        """The parts of these numbers as one text, and where in it they stand."""
        text, spans = bytearray(self.head), []
        for number in range(max(shown, default=-1) + 1):
            text += self.joint if number else b""
            if (part := shown.get(number)) is not None:
                spans.append((len(text), len(text) + len(part)))
            text += self.filler if part is None else part
        return bytes(text + self.tail), tuple(spans)


def _types_in(value: Any) -> Iterator[str]:
    """Every ``resourceType`` in a JSON value."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if isinstance(kind := one.get("resourceType"), str):
                yield kind
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


class Arrival(msgspec.Struct, frozen=True):
    """What a source hands to the landing: bytes and what a quick look at them told.

    ``control_id`` (MSH-10, or an HTTP request id), ``message_type`` (``ADT^A01``, ``Bundle``) and
    ``source_patient`` are "" when the quick look could not tell; that never stops a landing.
    """

    feed: str
    body: bytes
    received_at_us: int  #: UTC, microseconds since 1970
    sha256: bytes  #: 32 bytes, of ``body``
    control_id: str = ""
    message_type: str = ""
    source_patient: str = ""  #: id from ``source_patient_id``; the lane follows from it
    parts: Parts | None = None  #: of a message about several persons


class LandingOutcome(StrEnum):
    """What the landing did with an arrival. All three are durable when reported."""

    LANDED = "landed"
    DUPLICATE = (
        "duplicate"  #: same feed, control id and bytes as an earlier message; not landed again
    )
    CONFLICT = "conflict"  #: landed, but its control id was used before with other bytes


class Receipt(msgspec.Struct, frozen=True):
    """The landing's answer for one arrival; a duplicate gets the first copy's ``position``."""

    position: int
    outcome: LandingOutcome


class Message(msgspec.Struct, frozen=True):
    """One landed message, as ``derive`` sees it. ``position`` orders the log.

    shown: spans of ``body`` that stand in the message like this, if not all of it may be read (any
    more); then ``body`` is put together from them, and ``sha256`` is still that of the whole.
    """

    position: int
    feed: str
    body: bytes
    received_at_us: int
    sha256: bytes
    lane: int = 0
    control_id: str = ""
    message_type: str = ""
    source_patient: str = ""
    conflict: bool = False  #: its control id was used before with other bytes
    fault: str = ""  #: code of why it cannot be tried; ``body`` may be empty then
    parts: Parts | None = None  #: of a message about several persons; offsets in the whole
    shown: tuple[tuple[int, int], ...] = ()


class MessageState(StrEnum):
    """Where a message is. There is no state in which it is gone."""

    LANDED = "landed"  #: durable, waiting for its lane
    APPLIED = "applied"
    QUARANTINED = "quarantined"
