"""``[identity] records``: declared, written, found not to fit."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.project import load_project, write_site
from chartloom.project.identity import declare_records, load_matching, with_records
from chartloom.registry.persons import among, default_parameters
from chartloom.wiring.doctor import identity_records


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_site(tmp_path / "site", name="North")
    return tmp_path / "site"


def test_what_is_declared_is_in_force(folder: Path) -> None:
    usual = load_matching(load_project(folder))
    assert usual == among(default_parameters(), 100_000)
    declare_records(folder, 1_000_000)
    now = load_matching(load_project(folder))
    assert now.records == 1_000_000
    assert now.link_far > usual.link_far
    declare_records(folder, 10_000)
    assert load_matching(load_project(folder)) == default_parameters()


@pytest.mark.parametrize(
    "text",
    [
        '[site]\nname = "A"\n',
        '[site]\nname = "A"\n\n[identity]\n',
        '[site]\nname = "A"\n[identity] # who\nrecords = 100_000  # n\n\n[store]\nrecords = 3\n',
        '[identity]\n# records = 5\n[site]\nname = "A"',
    ],
)
def test_nothing_else_of_the_settings_changes(text: str) -> None:
    before, after = tomllib.loads(text), tomllib.loads(with_records(text, 2_000_000))
    assert after.pop("identity") == {"records": 2_000_000}
    before.pop("identity", None)
    assert after == before
    for line in text.splitlines():
        assert line in with_records(text, 2_000_000) or line.startswith("records")


@pytest.mark.parametrize("count", [10**24, 999, -1])
def test_what_cannot_be_is_not_written(folder: Path, count: int) -> None:
    text = (folder / "chartloom.toml").read_text()
    with pytest.raises(ConfigurationError, match="cannot be the number"):
        declare_records(folder, count)
    assert (folder / "chartloom.toml").read_text() == text


def test_settings_that_are_written_otherwise_stay(folder: Path) -> None:
    file = folder / "chartloom.toml"
    text = file.read_text() + '\n["identity"]\nrecords = 5000\n'
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="cannot be changed"):
        declare_records(folder, 1_000_000)
    assert file.read_text() == text


def test_the_command_says_what_changes_and_what_to_do(folder: Path) -> None:
    result = CliRunner().invoke(
        app, ["identity", "records", "1000000", "--site", str(folder)], terminal_width=200
    )
    assert result.exit_code == 0, result.output
    among_million = among(default_parameters(), 1_000_000)
    assert f"{among_million.link + among_million.link_far:g}" in result.output
    assert "replay" in result.output
    again = CliRunner().invoke(app, ["identity", "records", "1000000", "--site", str(folder)])
    assert "replay" not in again.output


def test_the_doctor_finds_a_number_that_does_not_fit() -> None:
    found = identity_records(1_130_000, 100_000, 100_000)
    assert not found.ok
    assert "chartloom identity records 1000000" in found.cure
    assert identity_records(300_000, 100_000, 100_000).ok
    assert identity_records(0, 1_000, 100_000).ok
