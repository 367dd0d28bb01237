"""The lock file names every direct dependency, within its bounds, with hashes and no index."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pinned() -> dict[str, Version]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", LOCK, re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in found}


def test_every_direct_dependency_is_locked_within_its_bounds() -> None:
    locked = pinned()
    for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"]:
        wanted = Requirement(text)
        assert locked[canonicalize_name(wanted.name)] in wanted.specifier, text


def test_every_pin_has_a_hash() -> None:
    entries = re.split(r"^(?=[A-Za-z0-9])", LOCK, flags=re.MULTILINE)
    named = [entry for entry in entries if re.match(r"[A-Za-z0-9._-]+==", entry)]
    assert len(named) == len(pinned()) > 40
    assert all("--hash=sha256:" in entry for entry in named)


def test_no_index_is_named() -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links", LOCK)
