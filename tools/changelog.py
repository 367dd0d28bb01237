"""Gathers the lines of ``changes/`` into a section of CHANGELOG.md, and removes them there.

    .venv/bin/python tools/changelog.py 0.2.0                  # into "0.2.0 (unreleased)"
    .venv/bin/python tools/changelog.py 0.2.0 --on 2026-12-01  # the release of that day

A section that is there already gets what came since.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
#: What a fragment's number stands for.
ISSUES: Final = {
    "2": "Messages in, charts out",
    "3": "Access, audit, protection",
    "4": "Identity, master data, reconciliation",
}
_FIRST: Final = {"clinical": 0, "fix": 1}
_WIDTH: Final = 118


def points(text: str) -> list[str]:
    """The points of a fragment: its bullets, or what stands before them as one."""
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("- "):
            found.append(line[2:].strip())
        elif line.strip():
            if found:
                found[-1] += " " + line.strip()
            else:
                found.append(line.strip())
    return found


def wrapped(point: str) -> str:
    """A bullet of Markdown in lines that fit."""
    lines, line = [], "-"
    for word in point.split():
        if len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line = " "
        line += " " + word
    return "\n".join([*lines, line])


def gathered(folder: Path) -> dict[str, list[str]]:
    """Issue -> its points: first what clinicians see, then what was wrong, then the rest."""
    found: dict[str, list[str]] = {}
    files = [(f, *f.name.split(".")[:2]) for f in folder.glob("[0-9]*.md")]
    for file, issue, topic in sorted(files, key=lambda f: (f[1], _FIRST.get(f[2], 2), f[2])):
        mark = {"clinical": "**Clinical.** ", "fix": "**Fix.** "}.get(topic, "")
        said = points(file.read_text(encoding="utf-8"))
        found.setdefault(issue, []).extend(wrapped(mark + point) for point in said)
    return found


def with_section(page: str, version: str, when: str, found: dict[str, list[str]]) -> str:
    """The page with the points in the version's section, which is made if it is not there."""
    start = re.search(rf"^## {re.escape(version)} .*$", page, re.MULTILINE)
    if start is None:
        first = re.search(r"^## ", page, re.MULTILINE)
        at = first.start() if first else len(page)
        page = page[:at].rstrip("\n") + f"\n\n## {version} ({when})\n\n" + page[at:]
        start = re.search(rf"^## {re.escape(version)} .*$", page, re.MULTILINE)
        assert start is not None
    page = page[: start.start()] + f"## {version} ({when})" + page[start.end() :]
    for issue, told in found.items():
        end = re.compile(r"^## |\Z", re.MULTILINE).search(page, start.start() + 3)
        assert end is not None
        title = f"### {ISSUES.get(issue, f'Issue {issue}')}"
        section = page[start.start() : end.start()].rstrip("\n")
        if title in section:
            before, _, after = section.partition(title)
            own, heading, rest = after.partition("\n### ")
            section = f"{before}{title}{own.rstrip()}\n" + "\n".join(told)
            section += f"\n{heading}{rest}" if heading else ""
        else:
            section += f"\n\n{title}\n\n" + "\n".join(told)
        page = page[: start.start()] + section + "\n\n" + page[end.start() :].lstrip("\n")
    return page.rstrip("\n") + "\n"


def main() -> None:
    """Writes the page, then removes the fragments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version")
    parser.add_argument("--on", default="unreleased", help="day of the release")
    said = parser.parse_args()
    page, folder = ROOT / "CHANGELOG.md", ROOT / "changes"
    found = gathered(folder)
    text = with_section(page.read_text(encoding="utf-8"), said.version, said.on, found)
    page.write_text(text, encoding="utf-8")
    for file in folder.glob("[0-9]*.md"):
        file.unlink()
    print(f"{sum(map(len, found.values()))} points are in {said.version} ({said.on}).")


if __name__ == "__main__":
    main()
