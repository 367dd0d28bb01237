"""The key folder: what is gone, of another site or of another time is named, and not made anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.guard import Guard


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Guard.open(tmp_path / "keys")
    return tmp_path / "keys"


def refused(folder: Path, said: str) -> None:
    before = {f.name: f.read_bytes() for f in folder.iterdir()}
    with pytest.raises(ConfigurationError, match=said):
        Guard.open(folder)
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before


def test_the_key_that_signs_the_log_is_not_made_a_second_time(folder: Path) -> None:
    for names in (("audit.key",), ("audit.key", "audit.pub")):
        for name in names:
            (folder / name).unlink(missing_ok=True)
        refused(folder, "is gone")


def test_a_whole_pair_of_another_site_does_not_sign_here(folder: Path, tmp_path: Path) -> None:
    Guard.open(tmp_path / "other")
    for name in ("audit.key", "audit.pub"):
        shutil.copy(tmp_path / "other" / name, folder / name)
    refused(folder, "not this site's")


def test_halves_that_do_not_belong_together_do_not_sign(folder: Path, tmp_path: Path) -> None:
    Guard.open(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "audit.pub", folder / "audit.pub")
    refused(folder, "belong together")


def test_a_format_of_another_time_is_not_guessed_at(folder: Path) -> None:
    site = folder / "site.json"
    site.write_text(site.read_text().replace('"format":1', '"format":2'))
    refused(folder, "damaged|format")


@pytest.mark.parametrize("name", ["", "encryption.key", "grant.key", "blind.key", "audit.key"])
@pytest.mark.parametrize("mode", [0o010, 0o040, 0o001, 0o004])
def test_nobody_else_may_get_at_the_keys(folder: Path, name: str, mode: int) -> None:
    path = folder / name if name else folder
    path.chmod(path.stat().st_mode | mode)
    refused(folder, "other users")
