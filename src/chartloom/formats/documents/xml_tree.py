"""XML of strangers as a small tree with byte positions: nothing declared, nothing fetched, bounded.

A document type declaration is refused, and with it every entity that could grow or point somewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.parsers import expat

import msgspec

from chartloom.formats.documents.issues import Unread, UnreadError

DEPTH_MAX: Final = 150
ELEMENTS_MAX: Final = 60_000


class Element(msgspec.Struct):
    """An element. name: without its prefix. start, end: its bytes in the document."""

    name: str
    attributes: dict[str, str]
    start: int
    end: int = 0
    children: list[Element] = []
    text: str = ""

    def first(self, *path: str) -> Element | None:
        """The first element down a path of names."""
        found: Element | None = self
        for name in path:
            found = next((c for c in found.children if c.name == name), None) if found else None
        return found

    def all(self, name: str) -> Iterator[Element]:
        """The children of a name."""
        return (c for c in self.children if c.name == name)

    def each(self, name: str) -> Iterator[Element]:
        """Every element of a name below, in the order of the document."""
        waiting = [*reversed(self.children)]
        while waiting:
            element = waiting.pop()
            if element.name == name:
                yield element
            waiting.extend(reversed(element.children))

    def get(self, name: str) -> str:
        """An attribute; "" if it has none."""
        return self.attributes.get(name, "")


def parse(data: bytes) -> Element:
    """The root of a document; ``UnreadError`` if it is not read, with the reason."""
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartDoctypeDeclHandler = _refuse
    parser.EntityDeclHandler = _refuse
    parser.StartElementHandler = lambda name, given: builder.start(
        name, given, parser.CurrentByteIndex
    )
    parser.EndElementHandler = lambda _: builder.end(parser.CurrentByteIndex)
    parser.CharacterDataHandler = builder.words
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as broken:
        raise UnreadError(Unread.MALFORMED) from broken
    if builder.root is None:
        raise UnreadError(Unread.MALFORMED)
    _close(builder.root, data)
    return builder.root


def _refuse(*_: object) -> None:
    raise UnreadError(Unread.DECLARES_TYPES)


def _close(root: Element, data: bytes) -> None:
    """The position of an end tag is that of its beginning: to its end."""
    waiting = [root]
    while waiting:
        element = waiting.pop()
        closed = data.find(b">", element.end)
        element.end = len(data) if closed < 0 else closed + 1
        waiting.extend(element.children)


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def start(self, name: str, given: dict[str, str], at: int) -> None:
        self._count += 1
        if len(self._open) >= DEPTH_MAX or self._count > ELEMENTS_MAX:
            raise UnreadError(Unread.TOO_LARGE)
        attributes = {key.rpartition(":")[2]: value for key, value in given.items()}
        element = Element(name.rpartition(":")[2], attributes, at)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def end(self, at: int) -> None:
        element = self._open.pop()
        element.end, element.text = at, "".join(self._texts.pop())

    def words(self, text: str) -> None:
        if self._texts:
            self._texts[-1].append(text)
