"""Escape sequences (HL7 v2 chapter 2, Use of Escape Sequences in Text Fields), both ways.

What cannot be understood is kept as it came: a lone escape character, an unterminated sequence,
a locally defined ``\\Z..\\``, hexadecimal data that is no text in the message's character set.
"""

from __future__ import annotations

import re
from typing import Final

from chartloom.formats.hl7v2.delimiters import Delimiters

_FORMAT: Final = re.compile(r"\.(br|sp|sk|in|ti|fi|nf|ce) ?([+-]?\d{0,2})", re.IGNORECASE)
#: Line breaks would end the segment, VT and FS would break MLLP framing, SUB is the end of a file
#: to some, and ESC would shift the character set of what follows.
_CONTROLS: Final = {
    "\r": "X0D",
    "\n": "X0A",
    "\x0b": "X0B",
    "\x1a": "X1A",
    "\x1b": "X1B",
    "\x1c": "X1C",
}

#: ``\\C2D41\\`` designates ISO 8859-1 for the right half, and so on (ISO 2022 final bytes).
_SINGLE_BYTE_SETS: Final = {
    b"\x2d\x41": "iso8859-1",
    b"\x2d\x42": "iso8859-2",
    b"\x2d\x43": "iso8859-3",
    b"\x2d\x44": "iso8859-4",
    b"\x2d\x4c": "iso8859-5",
    b"\x2d\x47": "iso8859-6",
    b"\x2d\x46": "iso8859-7",
    b"\x2d\x48": "iso8859-8",
    b"\x2d\x4d": "iso8859-9",
}


def escape(text: str, delimiters: Delimiters) -> str:
    """``text`` as it may stand in one leaf: the inverse of :func:`unescape`.

    Without an escape character in the message, characters that would act as delimiters become
    spaces: there is no way to send them.
    """
    d = delimiters
    special = {
        c: f"{d.escape}{body}{d.escape}" if d.escape else " "
        for c, body in (
            *_CONTROLS.items(),
            (d.truncation, "P"),
            (d.subcomponent, "T"),
            (d.repetition, "R"),
            (d.component, "S"),
            (d.field, "F"),
            (d.escape, "E"),
        )
        if c
    }
    if text == '""' and d.escape:  # not the null value, but these two characters
        return f"{d.escape}X2222{d.escape}"
    if special.keys().isdisjoint(text):
        return text
    return "".join([special.get(c, c) for c in text])


def unescape(text: str, delimiters: Delimiters, codec: str = "utf-8") -> str:
    """Plain text of one leaf. ``codec`` (a Python codec) is what ``\\X..\\`` is read in.

    ``\\.br\\`` and ``\\.sp\\`` become line feeds, ``\\.sk n\\`` spaces; indents, centring,
    wrapping and highlighting have no plain-text form and vanish. Takes linear time.
    """
    esc = delimiters.split_escape
    if esc not in text:
        return text
    parts = text.split(esc)
    known = delimiters.by_escape
    out = [parts[0]]
    shift = b""  # character set chosen by \C..\ or \M..\ for the text that follows
    i, last = 1, len(parts) - 1
    while i < last:  # parts[i] stands between two escape characters
        body = parts[i]
        plain = known.get(body)
        if plain is None:
            if body[:1] in ("C", "M") and (switch := _charset_switch(body)):
                shift, plain = switch, ""
            elif body[:1] in ("X", "x"):
                plain, i = _hexadecimal(parts, i, codec)
            else:
                plain = _formatting(body)
        if plain is None:  # the character at the front was only a character
            out.append(esc + body)
            i += 1
            continue
        out.append(plain)
        following = parts[i + 1]
        out.append(_shifted(following, shift, codec) if shift else following)
        i += 2
    if i == last:
        out.append(esc + parts[last])
    return "".join(out)


def _hex_bytes(body: str) -> bytes:
    """The bytes of ``X0D0A``; empty if it is not that."""
    if body[:1] not in ("X", "x") or len(body) < 3:
        return b""
    try:
        return bytes.fromhex(body[1:])
    except ValueError:
        return b""


def _hexadecimal(parts: list[str], i: int, codec: str) -> tuple[str | None, int]:
    """Text of the hexadecimal sequence at ``i``, and the index of the last sequence used for it.

    Vendors escape the bytes of one character one by one, so a sequence that is no text by itself
    is tried together with the ones that follow immediately; no character has more than 4 bytes.
    """
    data = _hex_bytes(parts[i])
    end = i
    for _ in range(4):
        try:
            return (data.decode(codec) or None), end
        except UnicodeDecodeError:
            if parts[end + 1] or end + 3 >= len(parts):
                break
            end += 2
            more = _hex_bytes(parts[end])
            if not more:
                break
            data += more
    return None, i


def _formatting(body: str) -> str | None:
    """What a formatting command does to plain text; None if ``body`` is none."""
    if body[:1] != ".":
        return None
    match = _FORMAT.fullmatch(body)
    if match is None:
        return None
    command, number = match[1].lower(), match[2]
    count = abs(int(number)) if number.strip("+-") else 1
    if command in ("br", "ce"):
        return "\n"
    if command == "sp":
        return "\n" * count
    return " " * count if command == "sk" else ""


def _charset_switch(body: str) -> bytes:
    """The ISO 2022 designation in ``C2842`` or ``M2442``; empty if it is none."""
    if len(body) not in ((5,) if body[0] == "C" else (5, 7)):
        return b""
    try:
        return bytes.fromhex(body[1:])
    except ValueError:
        return b""


def _shifted(text: str, shift: bytes, codec: str) -> str:
    """``text`` read in the designated character set; as it is where that is not possible."""
    try:
        raw = text.encode(codec, "surrogateescape")
        if target := _SINGLE_BYTE_SETS.get(shift):
            return raw.decode(target)
    except UnicodeError:
        return text
    for target in ("iso2022_jp_2", "iso2022_jp_ext"):
        try:
            decoded = (b"\x1b" + shift + raw).decode(target)
        except UnicodeError:
            continue
        if "\x1b" not in decoded:  # the designation was understood
            return decoded
    return text
