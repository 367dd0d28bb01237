"""Text and markup as lines, each with the bytes that it stands in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Final

import msgspec

#: A line longer than this is no line of a list; the rest of it is left out.
LINE_BYTES_MAX: Final = 2_000
#: Elements that begin a new line; everything else is part of one.
_BREAKS: Final = frozenset(
    (b"address", b"article", b"blockquote", b"body", b"br", b"caption", b"dd", b"div", b"dl",
     b"dt", b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"head", b"header", b"hr", b"html", b"item",
     b"li", b"list", b"ol", b"p", b"paragraph", b"section", b"table", b"tbody", b"text", b"thead",
     b"title", b"tr", b"ul")
)  # fmt: skip
#: Elements whose text is a heading of what follows.
_HEADS: Final = frozenset((b"h1", b"h2", b"h3", b"h4", b"h5", b"h6", b"caption"))
_CELLS: Final = frozenset((b"td", b"th"))
#: Elements whose content nobody reads.
_UNREAD: Final = frozenset((b"script", b"style", b"template", b"head"))
_UNREAD_ENDS: Final = {
    name: re.compile(rb"</" + name + rb"\b", re.IGNORECASE) for name in sorted(_UNREAD)
}
_NAME: Final = re.compile(rb"</?([A-Za-z][A-Za-z0-9]{0,20})(?=[\s/>])")
#: Where a tag, a comment or an instruction begins; any other "<" is a sign: "<5 mg".
_TAG: Final = re.compile(rb"<(?:[!?/]|[A-Za-z][A-Za-z0-9]{0,20}[\s/>])")
#: What stands between the cells of a row.
CELL: Final = " | "


class Line(msgspec.Struct, frozen=True):
    """One line. start, end: its bytes in the document. heading: markup says that it is one."""

    text: str
    start: int
    end: int
    heading: bool = False


def text_lines(data: bytes) -> Iterator[Line]:
    """The lines of plain text, UTF-8."""
    at = 0
    for raw in data.splitlines(keepends=True):
        kept = raw.rstrip(b"\r\n")[:LINE_BYTES_MAX]
        yield Line(kept.decode("utf-8", "replace"), at, at + len(kept))
        at += len(raw)


def markup_lines(data: bytes, offset: int = 0) -> Iterator[Line]:
    """The lines of HTML, or of the narrative of FHIR or CDA; whatever is broken is text.

    Rows of a table are lines, their cells stand apart. Nothing is built and nothing is fetched: one
    pass over the bytes, linear in their number. offset: where ``data`` begins in the document.
    """
    line = _Open(offset)
    at, size = 0, len(data)
    while at < size:
        begun = _TAG.search(data, at)
        tag = begun.start() if begun else size
        if tag > at:
            line.add(data, at, tag)
        if tag == size:
            break
        at = _end_of(data, tag)
        found = _NAME.match(data[tag : min(at, tag + 24)])
        name = found[1].lower() if found else b""
        closes = data[tag + 1 : tag + 2] == b"/"
        if name in _UNREAD and not closes and data[at - 2 : at] != b"/>":
            ends = _UNREAD_ENDS[name].search(data, at)
            at = ends.start() if ends else size
        elif name in _BREAKS:
            yield from line.close(heading=closes and name in _HEADS)
        elif name in _CELLS:
            line.cell(head=name == b"th")
    yield from line.close(heading=False)


def _end_of(data: bytes, tag: int) -> int:
    """Where a tag, a comment or an instruction ends."""
    if data.startswith(b"<!--", tag):
        end = data.find(b"-->", tag + 4)
        return len(data) if end < 0 else end + 3
    end = data.find(b">", tag)
    return len(data) if end < 0 else end + 1


class _Open:
    """The line that is being read."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._clear()

    def _clear(self) -> None:
        self._parts: list[str] = []
        self._head, self._only_heads = False, True
        self._start = self._end = -1
        self._bytes = 0

    def add(self, data: bytes, start: int, end: int) -> None:
        """Takes a piece of text; what is beyond the limit of a line is left out."""
        end = min(end, start + LINE_BYTES_MAX - self._bytes)
        if end <= start:
            return
        text = html.unescape(data[start:end].decode("utf-8", "replace"))
        if not text.strip() and (not self._parts or self._parts[-1] is CELL):
            return
        self._only_heads &= self._head
        self._parts.append(text)
        self._bytes += end - start
        self._start = start if self._start < 0 else self._start
        self._end = end

    def cell(self, *, head: bool) -> None:
        """A new cell of a row begins, or one ends; head: of a heading."""
        self._head = head
        if self._parts and self._parts[-1] is not CELL:
            self._parts.append(CELL)

    def close(self, *, heading: bool) -> Iterator[Line]:
        """The line, if it has any text; then a new one."""
        text = " ".join("".join(self._parts).split()).strip(" |")
        if text:
            heading = heading or self._only_heads
            yield Line(text, self._offset + self._start, self._offset + self._end, heading)
        self._clear()
