"""Batches: one body or file that holds several messages, with or without FHS/BHS envelopes.

The messages are landed one by one, and so are stray bytes between them. Envelope segments (FHS,
BHS, BTS, FTS) are transport and are not landed.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from chartloom.formats.hl7v2 import split_batch

#: Most messages in one frame or request. Each one waits in memory for the landing, so that a batch
#: of a million tiny ones would otherwise stop all feeds.
BATCH_MESSAGES_MAX: Final = 10_000
_MSH_IN_BODY: Final = (b"\rMSH", b"\nMSH")
_HEADER: Final = re.compile(rb"(?:\A|(?<=[\r\n\x0b\x1c]))[ \t]*((?:FHS|BHS)[^\r\n\x1c]*)")


class Batch(NamedTuple):
    """What a batch holds. bodies: messages and stray bytes, in order, exact slices. headers: the
    FHS and BHS segments, in order. events: codes of what is wrong with the envelope."""

    bodies: list[bytes]
    headers: list[bytes]
    events: list[str]


def may_be_batch(body: bytes) -> bool:
    """True if ``body`` may hold an envelope or several messages: a cheap test for every message."""
    return body[:3] in (b"FHS", b"BHS") or _MSH_IN_BODY[0] in body or _MSH_IN_BODY[1] in body


def too_many(body: bytes) -> bool:
    """True if ``body`` holds more than :data:`BATCH_MESSAGES_MAX` messages; cheap, to ask first."""
    return sum(body.count(start) for start in _MSH_IN_BODY) >= BATCH_MESSAGES_MAX


def unpack(body: bytes) -> Batch | None:
    """Takes a batch apart; None if ``body`` is a single message without an envelope."""
    split = split_batch(body)
    headers = []
    gap_start = 0
    for start, end in [*split, (len(body), len(body))]:
        headers += _HEADER.findall(body[gap_start:start])
        gap_start = end
    bodies = [body[start:end] for start, end in split]
    if not headers and sum(b.startswith(b"MSH") for b in bodies) < 2:
        return None
    return Batch(bodies, headers, [issue.code for issue in split.issues])


def answer_batch(
    headers: list[bytes], acknowledgements: list[bytes], control_id: str, time: str
) -> bytes:
    """The response batch: an envelope that mirrors ``headers`` around the acknowledgements.

    Receiver and sender change places, BHS-12 (FHS-12) refers to the control id in BHS-11 (FHS-11).
    control_id: of the answer. time: HL7 time stamp.
    """
    opening: list[bytes] = []
    closing: list[bytes] = []
    for header in _outermost(headers):
        separator = header[3:4] or b"|"
        fields = header.split(separator)
        fields += [b""] * (12 - len(fields))
        answer = [
            fields[0], fields[1], fields[4], fields[5], fields[2], fields[3],
            time.encode(), b"", b"", b"", control_id.encode(), fields[10],
        ]  # fmt: skip
        opening.append(separator.join(answer).rstrip(separator))
        if header[:3] == b"BHS":
            closing.insert(0, b"BTS" + separator + str(len(acknowledgements)).encode())
        else:
            closing.append(b"FTS" + separator + b"1")
    parts = [*opening, *(a.rstrip(b"\r") for a in acknowledgements), *closing]
    return b"\r".join(parts) + b"\r"


def _outermost(headers: list[bytes]) -> list[bytes]:
    """The first FHS and the first BHS (a BHS is made up if only an FHS came)."""
    file_header, batch_header = (
        next((h for h in headers if h[:3] == kind), b"") for kind in (b"FHS", b"BHS")
    )
    if file_header and not batch_header:
        batch_header = b"BHS" + file_header[3:]
    return [h for h in (file_header, batch_header) if h]
