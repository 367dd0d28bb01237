"""The reference pages are what the code says, and every setting and issue code is described."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import chartloom
from chartloom.domain.issues import CATALOGUE

ROOT = Path(__file__).parents[3]


def test_reference_pages_are_current() -> None:
    done = subprocess.run(
        [sys.executable, "tools/reference.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_setting_has_a_meaning() -> None:
    for line in (ROOT / "docs/reference/settings.md").read_text().splitlines():
        if line.startswith("| `"):
            assert line.rstrip("| ").rsplit("|", 1)[1].strip(), line


def test_every_issue_code_says_what_to_do() -> None:
    for module in pkgutil.walk_packages(chartloom.__path__, "chartloom."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    assert CATALOGUE
    for code in CATALOGUE.values():
        assert code.title.endswith("."), code.code
        assert code.cure.strip(), code.code
