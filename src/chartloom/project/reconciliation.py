"""Reconciliation in a site folder: rules (``reconciliation/``) and formulary (``registry/``)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chartloom.chart.reconcile.rules import Rules, load_rules
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.issues import Issue
from chartloom.project.directory import Fresh
from chartloom.project.read import Finding, Project
from chartloom.registry.formulary import Formulary, builtin_formulary, load_formulary

RULES_FOLDER: Final = "reconciliation"
FORMULARY_FOLDER: Final = "registry/formulary"


def load_reconciliation_rules(project: Project) -> Rules:
    """The rules of a site over the built-in ones. Raises ``ConfigurationError``."""
    return load_rules(_files(project.folder / RULES_FOLDER, "*.toml", "*.csv"))


def load_site_formulary(project: Project) -> tuple[Formulary, list[Issue]]:
    """The formulary of a site over the built-in one, and which of its rows refer to nothing.

    Raises ``ConfigurationError``.
    """
    own = _files(project.folder / FORMULARY_FOLDER, "*.csv")
    return load_formulary(own) if own else (builtin_formulary(), [])


def fresh_formulary(project: Project) -> Fresh[Formulary]:
    """The formulary as it stands in the site's folder. Raises ``ConfigurationError`` at first."""
    folder = project.folder / FORMULARY_FOLDER
    return Fresh(lambda: sorted(folder.glob("*.csv")), lambda: load_site_formulary(project)[0])


def reconciliation_findings(project: Project) -> Iterator[Finding]:
    """What is wrong with either, for ``chartloom check``."""
    for folder, load in (
        (RULES_FOLDER, load_reconciliation_rules),
        (FORMULARY_FOLDER, load_site_formulary),
    ):
        try:
            load(project)
        except ConfigurationError as error:
            file, _, line = error.where.partition(":")
            number = int(line) if line.isdigit() else 0
            yield Finding(f"{folder}/{file}", number, "", error.what, error.cure)


def _files(folder: Path, *patterns: str) -> dict[str, bytes]:
    paths = sorted(p for pattern in patterns for p in folder.glob(pattern))
    return {p.name: p.read_bytes() for p in paths if p.is_file()}
