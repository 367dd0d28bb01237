"""Key-encryption keys in files and in an environment variable."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.keys import (
    EnvironmentKek,
    FileKek,
)

# Where generations are kept


def test_files_are_private_and_numbered(tmp_path: Path) -> None:
    kek = FileKek(tmp_path / "kek", create=True)
    kek.rotate()
    assert sorted(p.name for p in (tmp_path / "kek").iterdir()) == ["1.key", "2.key"]
    for path in (tmp_path / "kek").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "kek").stat().st_mode & 0o777 == 0o700
    assert kek.describe().generations == (1, 2)
    assert kek.describe().generation == 2
    text = (tmp_path / "kek" / "1.key").read_text().strip()
    assert text not in repr(kek) + repr(kek.describe())


def test_open_or_damaged_files_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "kek"
    with pytest.raises(ConfigurationError):
        FileKek(folder)
    FileKek(folder, create=True)
    (folder / "1.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        FileKek(folder)
    (folder / "1.key").chmod(0o600)
    folder.chmod(0o755)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        FileKek(folder)
    folder.chmod(0o700)
    (folder / "1.key").write_text("12ab")
    with pytest.raises(ConfigurationError, match=r"1\.key"):
        FileKek(folder)


def test_generations_made_by_two_processes_never_clash(tmp_path: Path) -> None:
    folder = tmp_path / "kek"
    one, two = FileKek(folder, create=True), FileKek(folder)
    assert (one.rotate(), two.rotate(), one.rotate()) == (2, 3, 4)
    two.reload()
    generation, wrapped = one.wrap([bytes(32)])
    assert two.unwrap(generation, wrapped) == [bytes(32)]


def test_a_variable_holds_generations() -> None:
    first, second = os.urandom(32), os.urandom(32)
    old = EnvironmentKek({"CHARTLOOM_KEK": f"1:{first.hex()}"})
    new = EnvironmentKek({"CHARTLOOM_KEK": f"1:{first.hex()}, 2:{second.hex()}"})
    generation, wrapped = old.wrap([bytes(32)])
    assert new.unwrap(generation, wrapped) == [bytes(32)]
    assert new.wrap([bytes(32)])[0] == 2
    assert first.hex() not in repr(new)
    assert new.describe().where == "CHARTLOOM_KEK"
    for call in (new.rotate, lambda: new.destroy(1)):
        with pytest.raises(ConfigurationError, match="restart"):
            call()


@pytest.mark.parametrize("value", ["", "x", "1", "1:zz", "1:00", "a:" + "00" * 32])
def test_a_wrong_variable_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        EnvironmentKek({"CHARTLOOM_KEK": value})
    assert "00" not in str(refused.value)


def test_a_generation_cannot_stand_twice_in_a_variable() -> None:
    key = "00" * 32
    with pytest.raises(ConfigurationError, match="twice"):
        EnvironmentKek({"CHARTLOOM_KEK": f"1:{key},1:{key}"})
