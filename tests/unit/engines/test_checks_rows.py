"""What of a row that is not there, of another, or of too wide a query, comes out of the store."""

from __future__ import annotations

import importlib.resources
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import ChartloomError, ConfigurationError, NotFound, StoreUnavailable
from chartloom.engines.postgres import excerpts, migrate
from chartloom.engines.postgres.bodies import Bodies
from chartloom.engines.postgres.care import patients_of
from chartloom.engines.postgres.probe import ProbePart
from chartloom.engines.postgres.protection import _knows_password
from chartloom.engines.postgres.subject_keys import PostgresSubjectKeys

GRANT: Any = object()


class Answers:
    """A connection that answers every question with these rows."""

    def __init__(self, *rows: tuple[Any, ...]) -> None:
        self.rows = list(rows)

    def execute(self, *asked: Any, **more: Any) -> Answers:
        return self

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self.rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self.rows[0] if self.rows else None

    def transaction(self) -> Any:
        return nullcontext()


def test_who_is_asked_for_is_who_is_told_not_what_that_is_part_of() -> None:
    conn: Any = Answers(("p", "bed", "attending", 1, 9))
    parents = {"bed": "ward", "ward": "house"}
    assert {r.who for r in patients_of(conn, ["ward"], parents)} == {"ward"}
    assert {r.who for r in patients_of(conn, ["ward", "bed"], parents)} == {"ward", "bed"}


def test_a_role_that_is_not_there_knows_no_password() -> None:
    nobody: Any = Answers()
    assert _knows_password(nobody, "cl_serve", "secret") is False


def test_no_two_migrations_have_one_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sql").mkdir()
    for name in ("0001_one.sql", "0002_two.sql"):
        (tmp_path / "sql" / name).write_text("SELECT 1")
    monkeypatch.setattr(importlib.resources, "files", lambda package: tmp_path)
    assert [n for n, *_ in migrate.migrations()] == [1, 2]
    (tmp_path / "sql" / "0002_another.sql").write_text("SELECT 2")
    with pytest.raises(ConfigurationError, match="two migrations have the number 0002"):
        migrate.migrations()


def test_of_a_message_of_which_no_part_is_open_nothing_is_told() -> None:
    body: Any = SimpleNamespace(excerpt=None)
    with pytest.raises(NotFound):
        excerpts.detail([(0, "p", body)], 7)
    with pytest.raises(NotFound):
        excerpts.detail([], 7)


def test_a_state_whose_first_word_is_lost_is_damaged() -> None:
    bodies: Any = Bodies.__new__(Bodies)
    with pytest.raises(ChartloomError):
        bodies._open_said(GRANT, "a", (1, "p", 0), None)


@pytest.mark.parametrize("rows", [[], [("on",)], [("off",)]], ids=str)
def test_a_store_that_cannot_be_written_to_is_told(rows: list[tuple[str]]) -> None:
    @contextmanager
    def use() -> Any:
        yield Answers(*rows)

    part: Any = ProbePart.__new__(ProbePart)
    part._landing = SimpleNamespace(use=use)
    if rows == [("off",)]:
        part.check_writable()
        return
    with pytest.raises(StoreUnavailable, match="read-only"):
        part.check_writable()


def test_keys_and_tombstones_are_counted_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    keys: Any = PostgresSubjectKeys.__new__(PostgresSubjectKeys)
    monkeypatch.setattr(keys, "_rows", lambda query: [(0, 3), (1, 5), (2, 7)])
    assert keys.destroyed_count() == 3
    assert keys.count_by_generation() == {1: 5, 2: 7}
