"""A site that is opened: where its store is, and that what it needs to read it is there."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError, StoreDefect
from chartloom.project import Project, load_project, write_site
from chartloom.wiring import keys, site


@pytest.fixture
def project(tmp_path: Path) -> Project:
    write_site(tmp_path / "north", name="North")
    return load_project(tmp_path / "north")


class Keys:
    """Keys of a store, that are counted; or why they are not."""

    def __init__(self, found: dict[int, int] | Exception) -> None:
        self.found, self.closed = found, False

    def subject_keys(self, *, keeping: bool) -> Keys:
        return self

    def count_by_generation(self) -> dict[int, int]:
        if isinstance(self.found, Exception):
            raise self.found
        return self.found

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("found", "lost"),
    [({}, False), ({1: 2, 2: 1}, True), (ConfigurationError("none yet"), False),
     (StoreDefect("42P01"), False), (StoreDefect("42883"), False)],
)  # fmt: skip
def test_keys_that_nothing_unwraps_are_told(
    project: Project, monkeypatch: pytest.MonkeyPatch, found: Any, lost: bool
) -> None:
    monkeypatch.setattr(keys, "_is_there", lambda project: False)
    store: Any = Keys(found)
    if lost:
        with pytest.raises(ConfigurationError, match="key-encryption key is gone"):
            keys.use_kek(project, store, FakeClock())
    else:
        keys.use_kek(project, store, FakeClock())
    assert store.closed


def test_a_store_that_fails_otherwise_has_not_no_keys(project: Project) -> None:
    store: Any = Keys(StoreDefect("42501"))
    with pytest.raises(StoreDefect):
        keys._wrapped_count(store)
    assert store.closed


def test_a_variable_that_names_the_store_is_set(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimpleNamespace(store=SimpleNamespace(dsn_env="NORTH_DSN"))
    given: Any = SimpleNamespace(settings=settings, data_dir=project.data_dir)
    monkeypatch.setenv("NORTH_DSN", "host=/run/pg")
    assert site.dsn_of(given) == "host=/run/pg"
    for empty in (True, False):
        monkeypatch.setenv("NORTH_DSN", "") if empty else monkeypatch.delenv("NORTH_DSN")
        with pytest.raises(ConfigurationError, match="NORTH_DSN is not set"):
            site.dsn_of(given)
    assert site.dsn_of(project)


@pytest.mark.parametrize(("kept", "made", "lost"), [
    (True, True, False), (True, False, False), (False, False, False), (False, True, True),
])  # fmt: skip
def test_no_new_keys_are_made_over_a_store(
    project: Project, monkeypatch: pytest.MonkeyPatch, kept: bool, made: bool, lost: bool
) -> None:
    monkeypatch.setattr(site, "has_store", lambda dsn: made)
    opened: list[str] = []
    monkeypatch.setattr(site.Guard, "open", lambda *_: opened.append("keys") or 1 / 0)
    if kept:
        project.key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        (project.key_dir / "site.json").write_text("{}")
    raised = ConfigurationError if lost else ZeroDivisionError
    with pytest.raises(raised), site.open_site(project):
        pass
    assert opened == ([] if lost else ["keys"])
