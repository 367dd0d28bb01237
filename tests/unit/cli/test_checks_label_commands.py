"""What is typed about a label is refused before anything is said, unless it can be meant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

import chartloom.serve.labels
from chartloom.cli import labels
from chartloom.domain.errors import ConfigurationError, MadeAnew
from chartloom.serve.labels import Outcome


class Desk:
    """A site with some persons, and what happens at it."""

    def __init__(self, *persons: str, whole: bool = True) -> None:
        self.hits = [SimpleNamespace(person_id=id) for id in persons]
        self.whole, self.said = whole, 0
        self.opened, self.authority = SimpleNamespace(clock=None), None
        self.principal = self.asking = None

    def must_be_whole(self) -> None:
        if not self.whole:
            raise MadeAnew

    def find(self, person: str) -> list[Any]:
        return self.hits


def say(monkeypatch: pytest.MonkeyPatch, desk: Desk, label: str, reason: str) -> None:
    @contextmanager
    def open_(site: Path) -> Iterator[Desk]:
        yield desk

    def speak(*asked: Any) -> Outcome:
        desk.said += 1
        return Outcome.SET

    monkeypatch.setattr(labels, "_open", open_)
    monkeypatch.setattr(labels, "_door", lambda desk: None)
    monkeypatch.setattr(chartloom.serve.labels, "speak", speak)
    labels._say(Path(), "who", "x", label, "set", reason)


@pytest.mark.parametrize(
    ("desk", "label", "reason", "error"),
    [
        (Desk("p"), "HIV", "rule-missed", None),
        (Desk("p"), "explode", "rule-missed", "no such label"),
        (Desk("p"), "HIV", "explode", "no such reason"),
        (Desk("p", whole=False), "HIV", "rule-missed", MadeAnew),
        (Desk(), "HIV", "rule-missed", typer.Exit),
        (Desk("p", "q"), "HIV", "rule-missed", typer.Exit),
    ],
    ids=["said", "label", "reason", "made anew", "nobody", "two"],
)
def test_only_what_can_be_meant_is_said(
    monkeypatch: pytest.MonkeyPatch, desk: Desk, label: str, reason: str, error: Any
) -> None:
    if error is None:
        say(monkeypatch, desk, label, reason)
        assert desk.said == 1
        return
    if isinstance(error, str):
        with pytest.raises(ConfigurationError, match=error):
            say(monkeypatch, desk, label, reason)
    else:
        with pytest.raises(error):
            say(monkeypatch, desk, label, reason)
    assert desk.said == 0
