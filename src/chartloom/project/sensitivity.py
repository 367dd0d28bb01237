"""The sensitivity rules in a site folder, over the built-in ones."""

from __future__ import annotations

from chartloom.normalize.sensitivity import Labeller, builtin, load_rules
from chartloom.project.read import Project


def load_labeller(project: Project) -> Labeller:
    """The sensitivity rules of a site over the built-in ones. Raises ``ConfigurationError``."""
    folder = project.folder / project.settings.access.sensitivity
    own = {p.name: p.read_bytes() for p in sorted(folder.glob("*.csv"))}
    return load_rules(own) if own else builtin()
