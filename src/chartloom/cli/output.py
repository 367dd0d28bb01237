"""How the command line speaks: tables that fit the terminal, JSON for machines, human times."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from chartloom.domain.codec import encode

OUT = Console()
ERR = Console(stderr=True)


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
