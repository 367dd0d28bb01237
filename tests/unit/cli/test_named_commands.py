"""What a page, a cure or an error tells people to type must be there to be typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from chartloom.cli import app

ROOT = Path(__file__).resolve().parents[3]
#: In quotation marks, or at the beginning of a line of an example.
_TYPED = re.compile(
    r"(?:[`'(]|^\s+(?:\.venv/bin/)?|\$\()chartloom ([a-z][a-z-]+)(?: ([a-z][a-z-]+))?", re.M
)


def _typed() -> Iterator[tuple[str, str, str]]:
    pages = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").rglob("*.md")]
    pages += [ROOT / "Makefile", *(ROOT / "changes").glob("*.md")]
    pages += list((ROOT / "src").rglob("*.py"))
    for page in sorted(pages):
        for found in _TYPED.finditer(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(ROOT)), found[1], found[2] or ""


def _missing(command: Any, first: str, second: str) -> bool:
    inner = command.commands.get(first)
    if inner is None:
        return True
    return bool(second) and second not in getattr(inner, "commands", {second: None})


def test_every_command_that_is_named_exists() -> None:
    command = typer.main.get_command(app)
    told = list(_typed())
    assert len(told) > 100
    wrong = [f"{page}: chartloom {a} {b}" for page, a, b in told if _missing(command, a, b)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("first", "second"), [("rebuild", ""), ("identity", "explain")])
def test_a_command_that_is_not_there_is_noticed(first: str, second: str) -> None:
    assert _missing(typer.main.get_command(app), first, second)
