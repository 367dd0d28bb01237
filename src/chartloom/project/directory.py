"""People and places of a site: ``registry/directory/*.csv``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chartloom.domain.errors import ConfigurationError
from chartloom.project.read import Finding, Project
from chartloom.registry.directory import Directory, load_directory

DIRECTORY_FOLDER: Final = "registry/directory"


def load_site_directory(project: Project) -> Directory:
    """The directory of a site; empty if it has no tables. Raises ``ConfigurationError``."""
    paths = sorted((project.folder / DIRECTORY_FOLDER).glob("*.csv"))
    return load_directory({p.name: p.read_bytes() for p in paths if p.is_file()})


def directory_findings(project: Project) -> Iterator[Finding]:
    """What is wrong with them, for ``chartloom check``."""
    try:
        load_site_directory(project)
    except ConfigurationError as error:
        file, _, line = error.where.partition(":")
        number = int(line) if line.isdigit() else 0
        yield Finding(f"{DIRECTORY_FOLDER}/{file}", number, "", error.what, error.cure)
