"""Names come from messages: in the terminal they are words and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rich.console import Console

import chartloom.cli
from chartloom.cli.output import OUT, Table

EVIL = "Evil [/nope] [bold]x[/] [link=http://a.b]y \x1b[2J\u202etxt"


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.setattr(OUT, "width", 200)
    return OUT


def test_a_cell_is_never_markup(wide: Console, capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("Name")
    table.add_row(EVIL)
    wide.print(table)
    out = capsys.readouterr().out
    assert "Evil [/nope] [bold]x[/] [link=http://a.b]y <U+001B>[2J<U+202E>txt" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_whatever_is_printed_steers_no_terminal(
    wide: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    wide.print("Name: a\x1b]0;title\x07b\u2066c\x9bd", markup=False, highlight=False)
    assert capsys.readouterr().out == "Name: a<U+001B>]0;titleb<U+2066>c<U+009B>d\n"


def test_every_command_makes_its_tables_so() -> None:
    """A table of the library reads markup in its cells."""
    folder = Path(chartloom.cli.__file__).parent
    for file in folder.glob("*.py"):
        if file.name == "grid.py":
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "rich.table"), file
