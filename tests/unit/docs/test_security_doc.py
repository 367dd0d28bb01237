"""``docs/security.md`` names tests: each must be there, and every section must say something."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CHAPTERS = range(1, 18)


def test_every_test_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)
    assert len(named) > 80
    for path, name in sorted(set(named)):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
        functions |= {n.name for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef)}
        assert name in functions, f"{path}::{name}"


def test_every_section_is_tested_or_says_why_not() -> None:
    rows = re.findall(r"^\| (V[\d.]+) \| [^|]+ \| ([^|]+) \|$", TEXT, re.MULTILINE)
    assert {int(section[1:].split(".")[0]) for section, _ in rows} == set(CHAPTERS)
    assert len({section for section, _ in rows}) == len(rows)
    for section, where in rows:
        tested = "::test_" in where
        said = where.startswith(("open", "n/a: ")) or where.endswith("no test")
        said |= where.endswith("no test of completeness")
        assert tested or said, section


def test_every_file_named_is_there() -> None:
    for path in re.findall(r"`((?:bench|tests|docs)/[\w/.-]+\.(?:py|md|txt))`", TEXT):
        assert (ROOT / path).exists(), path
