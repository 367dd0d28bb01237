"""A site's own policies beside those that are shipped: what it lacks, and taking that over."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.policy import check_policies
from chartloom.guard.policy.shipped import TO_DECIDE, Compared, Standing, compare
from chartloom.project.read import Finding, Project

#: Beside the policies: shipped ones that this site does not want, and which text of them that was.
DECLINED_FILE: Final = "declined.csv"
_COLUMNS: Final = ("name", "digest", "reason")
_SAYS: Final = {
    Standing.LACKING: "A policy that is shipped is not here; what it permits or forbids is not",
    Standing.OLDER: "A policy is as it was shipped before",
    Standing.RETIRED: "A policy that was shipped once is not shipped any more",
}


def folder_of(project: Project) -> Path:
    """Where a site keeps its policies, if it has its own."""
    return project.folder / project.settings.access.policies


def compared(project: Project) -> list[Compared]:
    """All policies of a site beside those shipped; nothing if it has no folder of its own."""
    folder = folder_of(project)
    if not folder.is_dir():
        return []
    return compare(_texts(folder), {name: mark for name, mark, _ in _declined(folder)})


def policy_notes(project: Project) -> list[Finding]:
    """What a site has to decide about its policies: nothing of it is an error, and nothing of it
    is done by itself."""
    at = project.settings.access.policies
    return [
        Finding(
            f"{at}/{one.file}",
            one.line,
            one.name,
            f"{_SAYS[one.standing]} ({one.summary}).",
            f"See `chartloom policies show {one.name}`; then `adopt` or `decline` it.",
        )
        for one in compared(project)
        if one.standing in TO_DECIDE
    ]


def adopt(project: Project, name: str, *, replace: bool = False) -> Compared:
    """Writes the shipped policy of that name into the site's folder; what it was before.

    replace: also over a text that the site wrote itself. Raises ``ConfigurationError`` if there is
    nothing to do, or if the policies would not be in order afterwards: then nothing is written.
    """
    one = _one(project, name)
    if not one.ours:
        raise ConfigurationError(
            "No policy of this name is shipped.", where=name, cure="See `chartloom policies`."
        )
    if one.standing is Standing.SAME:
        raise ConfigurationError("This site has it as it is shipped.", where=name)
    if one.standing is Standing.CHANGED and not replace:
        raise ConfigurationError(
            "This site has changed this policy.",
            where=f"{one.file}:{one.line}",
            cure="Take over by hand what you want of it, or give --replace to lose the change.",
        )
    folder = folder_of(project)
    before = _texts(folder)
    after = _with(before.get(one.file, ""), one)
    issues = check_policies(before | {one.file: after})
    if issues:
        raise ConfigurationError(
            f"The policies would not be in order: {issues[0].code}.",
            where=issues[0].location,
            cure="Mend what `chartloom check` names first.",
        )
    _write(folder / one.file, after)
    _keep_declined(folder, [row for row in _declined(folder) if row[0] != name])
    return one


def decline(project: Project, name: str, reason: str) -> Compared:
    """Notes that the site does not want the shipped policy as it is now; a later text of it is
    told again. Raises ``ConfigurationError`` for one that nobody asks about."""
    one = _one(project, name)
    if one.standing not in TO_DECIDE:
        raise ConfigurationError(
            f"There is nothing to decide about it ({one.standing}).",
            where=name,
            cure="See `chartloom policies`.",
        )
    folder = folder_of(project)
    rows = [row for row in _declined(folder) if row[0] != name]
    _keep_declined(folder, [*rows, (name, one.digest, reason)])
    return one


def _one(project: Project, name: str) -> Compared:
    if not folder_of(project).is_dir():
        raise ConfigurationError(
            "This site has no policies of its own: the shipped ones hold.",
            where=project.settings.access.policies,
        )
    found = [one for one in compared(project) if one.name == name]
    if not found:
        raise ConfigurationError(
            "There is no such policy.", where=name, cure="See `chartloom policies`."
        )
    return found[0]


def _with(text: str, one: Compared) -> str:
    """A file with the shipped policy in the place of the site's, or at its end."""
    if one.theirs:
        assert one.theirs in text
        return text.replace(one.theirs, one.ours, 1)
    return f"{text.rstrip()}\n\n{one.ours}\n".lstrip()


def _texts(folder: Path) -> dict[str, str]:
    return {
        p.name: p.read_text(encoding="utf-8", errors="replace")
        for p in sorted(folder.glob("*.cedar"))
    }


def _declined(folder: Path) -> Iterator[tuple[str, str, str]]:
    path = folder / DECLINED_FILE
    if not path.is_file():
        return
    reader = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise ConfigurationError(
            "The list of declined policies has other columns.",
            where=str(path),
            cure=f"Its first line is: {','.join(_COLUMNS)}",
        )
    for row in reader:
        yield row["name"], row["digest"] or "", row["reason"] or ""


def _keep_declined(folder: Path, rows: list[tuple[str, str, str]]) -> None:
    path = folder / DECLINED_FILE
    if not rows and not path.exists():
        return
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(sorted(rows))
    _write(path, made.getvalue())


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
