"""One way to report a benchmark: a table for people, a JSON file for the record."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results"


def commit() -> str:
    """The version that is measured, ``+`` if it was changed since."""
    git = ["git", "-C", str(RESULTS.parent.parent), "describe", "--always", "--dirty=+"]
    return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()


class Report:
    """``Report("parse").row(what=..., msg_per_s=...).write()``; rows may have different keys."""

    def __init__(self, name: str, **about: Any) -> None:
        self.name = name
        self.about = about
        self.rows: list[dict[str, Any]] = []

    def row(self, **values: Any) -> Report:
        """Adds a line."""
        self.rows.append(values)
        return self

    def table(self) -> Table:
        """All rows under the union of their keys."""
        columns = list(dict.fromkeys(k for row in self.rows for k in row))
        table = Table(*columns, title=self.name, title_justify="left")
        for row in self.rows:
            table.add_row(*(_shown(row.get(c, "")) for c in columns))
        return table

    def write(self) -> Path:
        """Prints the table and writes ``bench/results/<date>-<name>.json``."""
        console = Console(width=None if os.isatty(1) else 160)
        console.print(self.table())
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{self.name}.json"
        self.save(path)
        return path

    def save(self, path: Path) -> None:
        """Writes what is there so far, whole or not at all: a campaign may be cut short."""
        machine = {
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "machine": platform.machine(),
        }
        content = {"name": self.name, "machine": machine, **self.about, "rows": self.rows}
        beside = path.with_suffix(".part")
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        beside.replace(path)


def _shown(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
