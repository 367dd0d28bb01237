"""Asking before what cannot be undone."""

from __future__ import annotations

import sys

import typer


def be_sure(question: str, *, yes: bool, json: bool) -> None:
    """Asks; where nobody can be asked, ``--yes`` has to be said. Raises ``typer.Abort`` on a no."""
    if yes:
        return
    if json:
        raise typer.BadParameter(f"{question} With --json nobody is asked: add --yes.")
    try:
        said = typer.confirm(f"{question} Go on?")
    except typer.Abort as e:
        if sys.stdin.isatty():
            raise
        raise typer.BadParameter(
            f"{question} Without a terminal nobody is asked: add --yes."
        ) from e
    if not said:
        raise typer.Abort
