"""Finding MSH, the delimiters and the character set: what must be known before anything else."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from chartloom.formats.hl7v2 import codes
from chartloom.formats.hl7v2.charset import WIDE, choose_codec, codec_for
from chartloom.formats.hl7v2.delimiters import NEVER, delimiters
from chartloom.formats.hl7v2.findings import Findings
from chartloom.formats.hl7v2.source import Source

#: What may stand in front of MSH without being anybody's content.
_PREFIX: Final = re.compile(rb"(?:\xef\xbb\xbf|[\x0b\s\x00])*")
#: MSH at the start of a line, followed by something that can separate fields.
_MSH: Final = re.compile(rb"(?:\A|(?<=[\r\n\x0b\x1c])|(?<=\xef\xbb\xbf))MSH[^A-Za-z0-9\r\n]")
NOT_A_SEPARATOR: Final = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789\r\n"
)
_NOT_A_SEPARATOR_BYTE: Final = frozenset(c.encode()[0] for c in NOT_A_SEPARATOR)
_LINE_END: Final = re.compile(rb"[\r\n]")
_SUFFIX: Final = b"\r\n\x0b\x1c\x1a"


def find_header(data: bytes) -> int:
    """Byte offset of MSH in a message of one byte per ASCII character; -1 if there is none."""
    if data[:3] == b"MSH" and len(data) > 3 and data[3] not in _NOT_A_SEPARATOR_BYTE:
        return 0
    prefix = _PREFIX.match(data)
    begin = prefix.end() if prefix else 0
    if _MSH.match(data[begin : begin + 4]):
        return begin
    anywhere = _MSH.search(data)
    return anywhere.start() if anywhere else -1


def _wide_start(data: bytes) -> tuple[int, str]:
    """Byte offset of MSH and codec of a message in UTF-16 or UTF-32; (-1, "") if it is none."""
    if b"\x00" not in data[:64]:
        return -1, ""
    for codec in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        bom = "\ufeff".encode(codec)
        start = len(bom) if data.startswith(bom) else 0
        if data.startswith("MSH".encode(codec), start):
            return start, codec
    return -1, ""


def _declared(data: bytes, start: int) -> str:
    """MSH-18, read before the character set is known (in which it can only be ASCII)."""
    end = _LINE_END.search(data, start)
    fields = data[start : end.start() if end else len(data)].split(data[start + 3 : start + 4])
    return fields[17].decode("ascii", "replace") if len(fields) > 17 else ""


@lru_cache(maxsize=256)
def message_codec(
    declared: str, repetition: str, has_escape: bool, charset: str
) -> tuple[str, str]:
    """Codec and problem (see ``choose_codec``) for raw MSH-18 and the feed's ``charset``."""
    names = [name.strip() for name in declared.split(repetition or NEVER)]
    return choose_codec(names, has_escape, codec_for(charset) or "utf-8")


def read_source(data: bytes, charset: str, found: Findings) -> Source | None:
    """The decoded message with its delimiters, from MSH on; None if there is no usable MSH.

    For a message in ASCII, ``codec`` is not final: :func:`settle_codec` must follow.
    """
    start = find_header(data)
    if start < 0:
        return _read_wide(data, found)
    if start and data[:start].strip(b"\xef\xbb\xbf\x0b\x00 \t\r\n"):
        found.add(codes.BYTES_BEFORE_HEADER, "", (0, start))
    stop = len(data.rstrip(_SUFFIX))
    if data.isascii() and b"\x1b" not in data:
        return _with_delimiters(Source(data, start, stop, "ascii"), found)
    repetition = data[start + 5 : start + 6].decode("ascii", "replace")
    codec, problem = message_codec(_declared(data, start), repetition, b"\x1b" in data, charset)
    if problem:
        code = codes.CHARSET_UNKNOWN if problem == "unknown" else codes.CHARSET_CONTRADICTED
        found.add(code, "MSH-18")
    return _with_delimiters(Source(data, start, stop, codec), found)


def settle_codec(source: Source, header: list[str], charset: str) -> None:
    """Gives a message in ASCII the codec that its escape sequences and its answer are written in.

    header: the fields of MSH.
    """
    declared = header[18] if len(header) > 18 else ""
    codec, _ = message_codec(declared, source.delimiters.repetition, False, charset)
    source.codec = "ascii" if codec in WIDE else codec


def _read_wide(data: bytes, found: Findings) -> Source | None:
    start, codec = _wide_start(data)
    if start < 0:
        return None
    unit = 4 if "32" in codec else 2
    stop = start + (len(data) - start) // unit * unit
    try:
        source = Source(data, start, stop, codec)
    except UnicodeDecodeError:  # UTF-32 beyond the last code point
        return None
    return _with_delimiters(source, found)


def _with_delimiters(source: Source, found: Findings) -> Source | None:
    """Reads MSH-1 and MSH-2 into the source; None if nothing separates the fields."""
    text = source.text
    separator = text[3:4]
    if not separator or separator.isalnum() or separator in "\r\n":
        return None
    end = 4
    while end < len(text) and end < 16 and text[end] not in (separator, "\r", "\n"):
        end += 1
    encoding = text[4:end]
    if not 1 <= len(encoding) <= 5:
        span = (source.byte_at(4), source.byte_at(end))
        found.add(codes.ENCODING_CHARACTERS, "MSH-2", span)
    source.delimiters = delimiters(separator, encoding[:5])
    if source.delimiters.ambiguous:
        span = (source.byte_at(3), source.byte_at(end))
        found.add(codes.DELIMITERS_AMBIGUOUS, "MSH-2", span)
    return source
