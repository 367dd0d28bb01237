"""What a site runs beside our own code, as a CycloneDX 1.5 bill of materials on standard output.

From what is installed here, following what ``pyproject.toml`` needs to run (no development tools).
Give it to a scanner that knows holes:
``python tools/components.py > bom.json; grype sbom:bom.json``.
"""

from __future__ import annotations

import importlib.metadata as installed
import json
import re
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

ROOT: Final = "chartloom"
PROJECT: Final = Path(__file__).parent.parent / "pyproject.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def plain(name: str) -> str:
    """A distribution's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def needs(name: str) -> set[str]:
    """What a distribution needs here: by name, without extras and other systems' parts."""
    return named(installed.requires(name) or ())


def named(requirements: Iterable[str]) -> set[str]:
    """The names in some requirements."""
    found = set()
    for line in requirements:
        what, _, marker = line.partition(";")
        if "extra" in marker:
            continue
        match = _NAME.match(what)
        if match is not None:
            found.add(plain(match[0]))
    return found


def components() -> dict[str, str]:
    """Name -> version of all that is needed to run, however far away."""
    found: dict[str, str] = {}
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    left = sorted(named(project["dependencies"]))
    while left:
        name = left.pop()
        if name in found:
            continue
        try:
            found[name] = installed.version(name)
        except installed.PackageNotFoundError:  # for another system or version
            continue
        left += sorted(needs(name))
    return dict(sorted(found.items()))


def bill() -> dict[str, Any]:
    """The bill of materials."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": ROOT,
                "version": installed.version(ROOT),
            }
        },
        "components": [
            {
                "type": "library",
                "name": name,
                "version": version,
                "purl": f"pkg:pypi/{name}@{version}",
            }
            for name, version in components().items()
        ],
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=1)
