"""Decoded text of one message and the way back from characters to bytes."""

from __future__ import annotations

import codecs
import re
from array import array
from typing import Final

from chartloom.formats.hl7v2.charset import SINGLE_BYTE, STATEFUL, WIDE
from chartloom.formats.hl7v2.delimiters import DEFAULT, Delimiters
from chartloom.formats.hl7v2.escapes import unescape

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_HEX_AS_UTF8: Final = WIDE | STATEFUL | {"ascii"}
_STEP: Final = 256

#: The HL7 null: two quotes, a statement that there is no value any more.
NULL: Final = '""'

#: Segments whose first two fields are the delimiters themselves.
HEADERS: Final = frozenset({"MSH", "FHS", "BHS"})


class Source:
    """What all segments of one message share: bytes, text, delimiters and character set.

    Undecodable bytes are lone surrogates in ``text`` (PEP 383), so that it can be encoded again
    without loss; :meth:`plain` shows them as U+FFFD.
    """

    __slots__ = (
        "_marks",
        "_plain",
        "_table",
        "base",
        "codec",
        "data",
        "delimiters",
        "errors",
        "identity",
        "reversible",
        "tainted",
        "text",
    )

    def __init__(self, data: bytes, start: int, stop: int, codec: str) -> None:
        self.data = data
        self.base = start  #: byte offset of text[0]
        self.codec = codec
        self.errors = "surrogatepass" if codec in WIDE else "surrogateescape"
        self.delimiters: Delimiters = DEFAULT
        self.identity = True  #: character offsets are byte offsets (plus base)
        self.reversible = True  #: encoding the text gives the bytes
        self.tainted = False  #: the text holds undecodable bytes
        self._table: array[int] | None = None
        self._plain: bool | None = None
        self._marks: array[int] | None = None
        body = data[start:stop] if start or stop != len(data) else data
        if codec not in WIDE and body.isascii() and not (codec in STATEFUL and b"\x1b" in body):
            self.text = body.decode("ascii")
        else:
            self._decode(body)

    def _decode(self, body: bytes) -> None:
        codec = self.codec
        self.identity = codec in SINGLE_BYTE
        if codec in STATEFUL:
            self._decode_slowly(body)
        else:
            self.text = body.decode(codec, self.errors)
            # Some multi-byte sets have two codes for one character.
            if not (self.identity or codec == "utf-8" or codec in WIDE) and (
                self._encode(self.text) != body
            ):
                self._decode_slowly(body)
        self.tainted = _SURROGATE.search(self.text) is not None

    def _encode(self, text: str) -> bytes:
        try:
            return text.encode(self.codec, self.errors)
        except UnicodeEncodeError:
            return b""

    def _decode_slowly(self, body: bytes) -> None:
        """Byte by byte, noting where each character starts: for sets that do not encode back."""
        self.reversible = False
        decoder = codecs.getincrementaldecoder(self.codec)("strict")
        chars: list[str] = []
        starts = array("Q")
        begin = 0
        for end in range(1, len(body) + 1):
            try:
                got = decoder.decode(body[end - 1 : end], end == len(body))
            except UnicodeError:  # also raised for an endless escape sequence
                decoder.reset()
                first = end - 1 if self._is_shift(body[begin : end - 1]) else begin
                got = body[first:end].decode("ascii", "surrogateescape")
                starts.extend((begin, *range(first + 1, end)))
            else:
                alike = len(got) == end - begin  # bytes that were held back and passed as they are
                starts.extend(range(begin, end) if alike else [begin] * len(got))
            if got:
                chars.append(got)
                begin = end
        starts.append(len(body))
        self.text = "".join(chars)
        self._table = starts

    def _is_shift(self, piece: bytes) -> bool:
        """Whether the bytes only choose a character set, and mean no character themselves."""
        if not piece:
            return False
        try:
            return not piece.decode(self.codec)
        except UnicodeError:
            return False

    def byte_at(self, char: int) -> int:
        """Byte offset in ``data`` of the character at ``char``."""
        if self.identity:
            return self.base + char
        if self._table is not None:
            return self.base + self._table[char]
        marks = self._marks or self._make_marks()
        before = char // _STEP
        rest = self.text[before * _STEP : char]
        return marks[before] + len(rest.encode(self.codec, self.errors))

    def _make_marks(self) -> array[int]:
        """Byte offsets of every 256th character, so that any place is found at once."""
        marks = array("Q", [self.base])
        text, at = self.text, self.base
        for begin in range(0, len(text), _STEP):
            at += len(text[begin : begin + _STEP].encode(self.codec, self.errors))
            marks.append(at)
        self._marks = marks
        return marks

    def plain(self, text: str) -> str:
        """``text`` (escaped, of one leaf) unescaped and safe to store."""
        delimiters = self.delimiters
        if delimiters.split_escape in text:
            codec = self.codec
            text = unescape(text, delimiters, "utf-8" if codec in _HEX_AS_UTF8 else codec)
        elif not self.tainted:
            return text
        return self.clean(text)

    def clean(self, text: str) -> str:
        """``text`` with U+FFFD in place of undecodable bytes."""
        return _SURROGATE.sub("\ufffd", text)

    def is_plain(self) -> bool:
        """Whether every leaf's text is just as it stands: no escapes, nulls, undecodable bytes."""
        if self._plain is None:
            text, escape = self.text, self.delimiters.split_escape
            # The escape character itself stands in MSH-2.
            first = text.find(escape) + 1
            self._plain = not (self.tainted or text.find(escape, first) > 0 or NULL in text)
        return self._plain

    def value(self, raw: str) -> str:
        """The value of a leaf: its plain text, ``""`` for null."""
        return "" if raw == NULL else self.plain(raw)
