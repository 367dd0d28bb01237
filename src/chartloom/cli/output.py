"""How the command line speaks: tables that fit the terminal, JSON for machines, human times.

Names and texts come from messages, and anybody may have written them. In a table they are words,
never markup; and wherever they stand, characters that would steer the terminal or turn writing
round are drawn by their numbers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from chartloom.cli.grid import UNSEEN as _UNSEEN
from chartloom.cli.grid import Table, plain
from chartloom.domain.codec import encode

__all__ = ["ERR", "OUT", "Table", "age", "plain", "print_json", "sparkline", "when"]


class _Drawn:
    """Something that is printed, with what would not be seen."""

    def __init__(self, shown: ConsoleRenderable) -> None:
        self._shown = shown

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Segment]:
        for segment in console.render(self._shown, options):
            if segment.control is None and _UNSEEN.search(segment.text):
                segment = Segment(plain(segment.text), segment.style)
            yield segment


class _DrawAll(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Drawn(one) for one in renderables]


def _console(*, stderr: bool = False) -> Console:
    made = Console(stderr=stderr, emoji=False)
    made.push_render_hook(_DrawAll())
    return made


OUT = _console()
ERR = _console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output, one line, decimals exact."""
    sys.stdout.buffer.write(encode(value) + b"\n")
    sys.stdout.flush()


def when(at_us: int) -> str:
    """A UTC time for people; ``-`` for none."""
    if not at_us:
        return "-"
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def age(at_us: int, now_us: int) -> str:
    """How long ago, in the largest fitting unit; ``never`` for no time."""
    if not at_us:
        return "never"
    seconds = max(0, (now_us - at_us) // 1_000_000)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def sparkline(values: tuple[int, ...]) -> str:
    """A row of block characters, scaled to its highest value."""
    top = max(values, default=0)
    if not top:
        return "·" * len(values)
    return "".join(" ▁▂▃▄▅▆▇█"[(v * 8 + top - 1) // top] for v in values)
