"""The access rules in a site folder: policies, staff, sensitivity rules, windows."""

from __future__ import annotations

from collections.abc import Iterator

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.issues import CATALOGUE, Issue
from chartloom.guard.policy import Policies, Windows, builtin_texts, check_policies
from chartloom.guard.staff import Staff, read_staff
from chartloom.project.read import Finding, Project
from chartloom.project.sensitivity import load_labeller


def load_policies(project: Project) -> Policies:
    """The compiled policies of a site; the built-in ones if it has no folder of its own.

    Raises ``ConfigurationError`` with every finding.
    """
    return Policies(_policy_texts(project), grant_ttl_s=project.settings.access.grant_ttl_s)


def load_staff(project: Project) -> Staff:
    """Who works here; nobody if there is no list. Raises ``ConfigurationError``."""
    path = project.folder / project.settings.access.staff
    if not path.is_file():
        return Staff()
    staff, issues = read_staff(path.read_text(encoding="utf-8"), path.name)
    if issues:
        what = f"{len(issues)} thing(s) to mend in the list of staff: {issues[0].detail}"
        raise ConfigurationError(
            what, where=issues[0].location, cure=CATALOGUE[issues[0].code].cure
        )
    return staff


def windows(project: Project) -> Windows:
    """For how long care relations count."""
    access = project.settings.access
    return Windows(**{name: getattr(access, name) for name in Windows.__struct_fields__})


def access_findings(project: Project) -> Iterator[Finding]:
    """Everything wrong with the access rules, with file and line."""
    access = project.settings.access
    for issue in check_policies(_policy_texts(project)):
        yield _finding(issue, f"{access.policies}/")
    staff = project.folder / access.staff
    if staff.is_file():
        try:
            text = staff.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            yield Finding(access.staff, 0, "", "The file is not UTF-8.", "Save it as UTF-8.")
        else:
            for issue in read_staff(text, access.staff)[1]:
                yield _finding(issue, "")
    try:
        load_labeller(project)
    except ConfigurationError as error:
        file, _, line = error.where.partition(":")
        number = int(line) if line.isdigit() else 0
        yield Finding(f"{access.sensitivity}/{file}", number, "", error.what, error.cure)


def _policy_texts(project: Project) -> dict[str, str]:
    folder = project.folder / project.settings.access.policies
    if not folder.is_dir():
        return builtin_texts()
    return {
        p.name: p.read_text(encoding="utf-8", errors="replace")
        for p in sorted(folder.glob("*.cedar"))
    }


def _finding(issue: Issue, folder: str) -> Finding:
    file, _, line = issue.location.rpartition(":")
    known = CATALOGUE[issue.code]
    what = f"{known.title.rstrip('.')}: {issue.detail}." if issue.detail else known.title
    return Finding(folder + file, int(line) if line.isdigit() else 0, "", what, known.cure)
