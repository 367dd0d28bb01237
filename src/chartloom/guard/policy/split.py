"""Cuts Cedar text into statements, so that every finding has a line."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

#: What a semicolon may hide in, and the semicolon itself.
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|;', re.DOTALL)


class Statement(msgspec.Struct, frozen=True):
    """One policy as it stands in a file. ``line`` is that of its first word, counted from 1."""

    file: str
    line: int
    text: str

    @property
    def where(self) -> str:
        """For ``Issue.location``."""
        return f"{self.file}:{self.line}"


def statements(file: str, text: str) -> Iterator[Statement]:
    """The statements of a file, in order; what follows the last semicolon too, if it is any."""
    begin = 0
    for token in _TOKEN.finditer(text):
        if token[0] == ";":
            yield _statement(file, text, begin, token.end())
            begin = token.end()
    if _blank(text[begin:]) != len(text) - begin:
        yield _statement(file, text, begin, len(text))


def _blank(text: str) -> int:
    """How many characters of space and comments come first."""
    found = re.match(r"(?:\s+|//[^\n]*)*", text)
    return found.end() if found else 0


def _statement(file: str, text: str, begin: int, end: int) -> Statement:
    begin += _blank(text[begin:end])
    return Statement(file, text.count("\n", 0, begin) + 1, text[begin:end])
