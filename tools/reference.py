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
from typing import Any

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


_EXITS = """\
## Exit codes

| code | meaning |
|---|---|
| 0 | It is done, and what was looked at is in order. |
| 1 | It ran, and there is something to act on: findings of a check, messages that were not \
accepted, nothing under that name, no message in a file, nobody left to export, a question answered \
with no. |
| 2 | It could not run: an option or argument is wrong, or the site, the store or a file does not \
permit it. The last lines say where, what, and what to do. |
| 130 | It was ended with Ctrl-C. |

With `--json` the codes are the same.
"""


def _cell(text: object) -> str:
    plain = str(text).replace("\\[", "[")  # as the terminal shows it
    return " ".join(plain.split()).replace("|", "\\|").replace("``", "`")


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
    return "\n".join([_MADE, "# Commands", "", _EXITS, *_group(group, "chartloom", 2)])


def _group(group: Any, name: str, level: int) -> Iterator[str]:
    context = typer.Context(group, info_name=name)
    for part in group.list_commands(context):
        command = group.get_command(context, part)
        yield from (f"{'#' * level} `{name} {part}`", "", _cell(command.help or ""), "")
        if hasattr(command, "list_commands"):
            yield from _group(command, f"{name} {part}", level + 1)
        else:
            yield from _options(command)


def _options(command: Any) -> Iterator[str]:
    shown = [p for p in command.params if p.name != "help"]
    if shown:
        yield from ("| option | default | meaning |", "|---|---|---|")
    for parameter in shown:
        spelled = ", ".join(parameter.opts) if parameter.opts else parameter.name
        argument = parameter.param_type_name == "argument"
        default = "required" if parameter.required else f"`{parameter.default}`"
        called = parameter.name.upper() if argument else spelled
        meaning = _cell(getattr(parameter, "help", "") or "")
        yield f"| `{called}` | {default} | {meaning} |"
    if command.epilog:
        yield from ("", *(f"    {part.strip()}" for part in command.epilog.split("·")))
    yield ""


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
