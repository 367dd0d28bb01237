"""Cuts files of any size into messages, holding no more than one message and one chunk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final, NamedTuple

from chartloom.domain.message import Format
from chartloom.formats.hl7v2 import split_batch
from chartloom.sources import events

CHUNK_BYTES: Final = 1024 * 1024
#: Where a message or an envelope may begin, so that a file can be cut in front of it.
_CUT: Final = re.compile(rb"(?<=[\r\n\x0b\x1c])(?:MSH|FHS|BHS|BTS|FTS)[^A-Za-z0-9\r\n]")
_BLANK: Final = b" \t\r\n\x00\x1a\x0b\x1c\xef\xbb\xbf"


class Piece(NamedTuple):
    """A message of a file. offset: where it begins. event: why it cannot be taken ("" if it can;
    then ``body`` is empty)."""

    body: bytes
    offset: int
    event: str = ""


def pieces(file: BinaryIO, format_: Format, body_bytes_max: int, ndjson: bool) -> Iterator[Piece]:
    """The messages of a file, in order.

    HL7 v2: split at MSH and envelopes; bytes that belong to no message are pieces too. FHIR: one
    resource per line if ``ndjson``, else the whole file is one.
    """
    if format_ is Format.HL7V2:
        return _hl7(file, body_bytes_max)
    return _lines(file, body_bytes_max) if ndjson else _whole(file, body_bytes_max)


def _hl7(file: BinaryIO, body_bytes_max: int) -> Iterator[Piece]:
    buffer = b""
    offset = 0
    while chunk := file.read(CHUNK_BYTES):
        buffer += chunk
        cut = 0
        # The last start stays: its message may go on in the next chunk.
        for match in _CUT.finditer(buffer):
            cut = match.start()
        if cut:
            yield from _split(buffer[:cut], offset, body_bytes_max)
            buffer, offset = buffer[cut:], offset + cut
        elif len(buffer) > body_bytes_max + CHUNK_BYTES:
            yield Piece(b"", offset, events.OVERSIZE)
            return
    yield from _split(buffer, offset, body_bytes_max)


def _split(data: bytes, offset: int, body_bytes_max: int) -> Iterator[Piece]:
    for start, end in split_batch(data):
        if end - start > body_bytes_max:
            yield Piece(b"", offset + start, events.OVERSIZE)
        else:
            yield Piece(data[start:end], offset + start)


def _lines(file: BinaryIO, body_bytes_max: int) -> Iterator[Piece]:
    offset = 0
    while line := file.readline(body_bytes_max + 2):
        body = line.strip(b" \t\r\n")
        if len(body) > body_bytes_max:
            yield Piece(b"", offset, events.OVERSIZE)
            return
        if body:
            yield Piece(body, offset)
        offset += len(line)


def _whole(file: BinaryIO, body_bytes_max: int) -> Iterator[Piece]:
    body = file.read(body_bytes_max + 1)
    if len(body) > body_bytes_max:
        yield Piece(b"", 0, events.OVERSIZE)
    elif body.strip(_BLANK):
        yield Piece(body, 0)
