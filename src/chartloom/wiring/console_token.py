"""The console's token: the secret from which sign-in links are made."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from chartloom.domain.errors import ConfigurationError
from chartloom.project import Project


def _file(project: Project) -> Path:
    return project.data_dir / "run" / "console-token"


def make_console_token(project: Project) -> str:
    """Makes the token if there is none (a file of mode 0600), and returns it."""
    path = _file(project)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        fresh.replace(path)
    return console_token(project)


def console_token(project: Project) -> str:
    """The token of this site; raises ``ConfigurationError`` if ``up`` never ran."""
    try:
        return _file(project).read_text()
    except FileNotFoundError as e:
        raise ConfigurationError(
            "There is no console token yet.",
            where=str(_file(project)),
            cure="Start the site with `chartloom up`.",
        ) from e
