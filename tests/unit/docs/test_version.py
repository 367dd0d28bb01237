"""The package, its metadata and the changelog name one version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import chartloom

ROOT = Path(__file__).resolve().parents[3]


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert newest
    assert project["version"] == chartloom.__version__ == newest[1]


def test_glossary_is_sorted_and_names_each_term_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"^\| \*\*(.+?)\*\*\s*(?:\((.+?)\))?", text, re.MULTILINE)
    keys = [(term.lower(), note) for term, note in terms]
    assert len(keys) > 50
    assert keys == sorted(set(keys))
