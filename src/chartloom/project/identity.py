"""Who is one person, by the site's own parameters: ``registry/persons/*.json``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.project.read import Finding, Project
from chartloom.registry.persons import Parameters, default_parameters, load

MATCHING_FOLDER: Final = "registry/persons"


def load_matching(project: Project) -> Parameters:
    """The parameters of the matcher: the site's own, else the built-in ones.

    Raises ``ConfigurationError`` for a file that is none, or if there are several: decisions of
    one site are made by one set.
    """
    found = sorted((project.folder / MATCHING_FOLDER).glob("*.json"))
    if not found:
        return default_parameters()
    where = f"{MATCHING_FOLDER}/{found[-1].name}"
    if len(found) > 1:
        raise ConfigurationError(
            f"There are {len(found)} sets of parameters of the matcher.",
            where=where,
            cure="Keep one; another one takes effect with `chartloom replay`.",
        )
    try:
        return load(found[0].read_bytes(), where)
    except ChartloomError as error:
        raise ConfigurationError(error.what, where=where, cure=error.cure) from None


def matching_findings(project: Project) -> Iterator[Finding]:
    """What is wrong with them, for ``chartloom check``."""
    try:
        load_matching(project)
    except ConfigurationError as error:
        yield Finding(error.where, 0, "", error.what, error.cure)
