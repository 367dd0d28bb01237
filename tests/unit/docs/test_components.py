"""What runs beside our own code: each component has its reason, and nothing else comes along."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_spec = importlib.util.spec_from_file_location("components", ROOT / "tools" / "components.py")
assert _spec is not None
assert _spec.loader is not None
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


def direct() -> dict[str, str]:
    """Name -> requirement of what we ask for ourselves."""
    return {tool.plain(re.split(r"[\[<>=~!; ]", r)[0]): r for r in PROJECT["dependencies"]}


def test_the_bill_of_materials_holds_what_runs_and_no_tools() -> None:
    found = tool.components()
    assert {n for n in direct() if "python_version" not in direct()[n]} <= found.keys()
    tools = ("pytest", "ruff", "mypy", "hypothesis", "playwright", "deptry", "splink")
    assert found.keys().isdisjoint(tools)
    bill = tool.bill()
    assert bill["bomFormat"] == "CycloneDX"
    assert {c["purl"] for c in bill["components"]} == {
        f"pkg:pypi/{name}@{version}" for name, version in found.items()
    }


def test_every_component_that_we_ask_for_has_its_reason_and_its_bounds() -> None:
    said = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = {
        tool.plain(name)
        for row in re.findall(r"^\| ([^|]+) \| [^|]+ \| [^|]+ \| [^|]+ \|$", said, re.MULTILINE)
        for name in re.findall(r"[A-Za-z][\w.-]+", row)
    }
    assert direct().keys() <= rows
    for requirement in direct().values():
        assert ">=" in requirement, requirement
