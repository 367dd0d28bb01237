"""What the banner and the summary of a chart show of its lists."""

from __future__ import annotations

import msgspec

from chartloom.chart.reconcile import Line, ListKind, Role, why
from chartloom.serve import words
from chartloom.serve.lists.line_words import line_words
from chartloom.serve.lists.reading import Lists
from chartloom.serve.lists.shown import status_words


def active_allergies(lists: Lists) -> list[Line]:
    """What the banner warns of, and what it says that there is none of."""
    lines = lists.of[ListKind.ALLERGIES].lines
    return [_soft(line) for line in lines if line.status == "active"]


def doubtful_allergies(lists: Lists) -> list[str]:
    """The names of what the banner may not keep silent about: somebody has to look."""
    lines = lists.of[ListKind.ALLERGIES].lines
    open_ = [x for x in lines if x.status == "unknown" and x.detail.get("substance") != "none"]
    return [x.text for x in open_]


def current(lists: Lists, kind: str) -> list[Line]:
    """Lines that hold, or may hold."""
    lines = lists.of[ListKind(kind)].lines
    return [_soft(line) for line in lines if line.status in ("active", "on-hold", "unknown")]


def reason_of(kind: str, line: Line) -> str:
    """Why a line has its status, in words."""
    return why(ListKind(kind), Role.REASON, line.reason)


def words_of(kind: str, line: Line) -> str:
    """What matters of a line besides its name and status."""
    return line_words(ListKind(kind), line)


def status_of(line: Line) -> str:
    """The status of a line in a word or two."""
    return status_words(line)


def _soft(line: Line) -> Line:
    """For templates: what was not said is an empty text."""
    return msgspec.structs.replace(line, detail=words.soft(line.detail))
