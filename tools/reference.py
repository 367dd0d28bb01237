"""Writes docs/reference/*.md from the code: settings, feed options, issue codes, commands.

.venv/bin/python tools/reference.py          # write
.venv/bin/python tools/reference.py --check  # fail if a page is not current
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import chartloom
from chartloom.cli import app
from chartloom.domain.issues import CATALOGUE
from chartloom.project.feed_model import FeedSettings
from chartloom.project.model import Settings
from chartloom.sources import OPTIONS

FOLDER = Path(__file__).parent.parent / "docs" / "reference"
_MADE = "<!-- Made by tools/reference.py; do not edit. -->\n"


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ").replace("``", "`")


def _rows(model: type[BaseModel], table: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _rows(kind, f"{table}{name}.")
            continue
        if field.is_required():
            default = "required"
        elif field.default is PydanticUndefined:
            default = "empty"
        else:
            default = f"`{field.default!r}`"
        yield f"| `{table}{name}` | {default} | {_cell(field.description or '')} |"


def settings() -> str:
    """The site folder's keys."""
    lines = [_MADE, "# Settings", "", "## `chartloom.toml`", "", "| key | default | meaning |"]
    lines += ["|---|---|---|", *_rows(Settings)]
    lines += ["", "## `feeds/<name>.toml`", "", "| key | default | meaning |", "|---|---|---|"]
    lines += list(_rows(FeedSettings))
    for source, options in OPTIONS.items():
        lines += ["", f"### `[{source}]`", "", "| key | default | meaning |", "|---|---|---|"]
        for option in options:
            default = "required" if option.default is None else f"`{option.default!r}`"
            lines.append(f"| `{option.key}` | {default} | {_cell(option.text)} |")
    return "\n".join(lines) + "\n"


def issues() -> str:
    """The catalogue of issue codes."""
    for module in pkgutil.walk_packages(chartloom.__path__, "chartloom."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    lines = [
        _MADE,
        "# Issue codes",
        "",
        "Findings in data. They carry places and codes, no values.",
    ]
    lines += ["", "| code | severity | what happened | what to do |", "|---|---|---|---|"]
    for code in sorted(CATALOGUE.values(), key=lambda c: c.code):
        lines.append(
            f"| `{code.code}` | {code.severity} | {_cell(code.title)} | {_cell(code.cure)} |"
        )
    return "\n".join(lines) + "\n"


def commands() -> str:
    """Every command with its options."""
    group = typer.main.get_command(app)
    context = typer.Context(group, info_name="chartloom")
    lines = [_MADE, "# Commands", ""]
    for name in group.list_commands(context):  # type: ignore[attr-defined]
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        lines += [f"## `chartloom {name}`", "", _cell(command.help or ""), ""]
        lines += ["| option | default | meaning |", "|---|---|---|"]
        for parameter in command.params:
            if parameter.name == "help":
                continue
            spelled = ", ".join(parameter.opts) if parameter.opts else parameter.name
            argument = parameter.param_type_name == "argument"
            default = "required" if parameter.required else f"`{parameter.default}`"
            shown = f"{parameter.name.upper()}" if argument else spelled
            lines.append(
                f"| `{shown}` | {default} | {_cell(getattr(parameter, 'help', '') or '')} |"
            )
        if command.epilog:
            lines += ["", *(f"    {part.strip()}" for part in command.epilog.split("·"))]
        lines.append("")
    return "\n".join(lines)


PAGES = {"settings.md": settings, "issues.md": issues, "commands.md": commands}


def main() -> None:
    """Writes or checks all pages."""
    stale = []
    for name, make in PAGES.items():
        path, text = FOLDER / name, make()
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(name)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale:
        sys.exit(f"not current: {', '.join(stale)}; run tools/reference.py")


if __name__ == "__main__":
    main()
