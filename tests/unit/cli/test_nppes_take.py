"""``chartloom directory take``: what cannot be read or written is said, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.project import write_site

_HEADER = '"NPI","Entity Type Code","Name"\n'
_ROW = '"1234567893","1","OKAFOR"\n'
_TABLE = b"""source,key,npi,identifiers,family,given
hr,E17,1234567893,,Okafor,Ngozi
"""

Take = Callable[..., Path]


@pytest.fixture
def take(tmp_path: Path) -> Take:
    site = tmp_path / "site"
    write_site(site, name="North")
    (site / "registry" / "directory").mkdir(parents=True, exist_ok=True)
    (site / "registry" / "directory" / "practitioners.csv").write_bytes(_TABLE)

    def run(file: Path, out: Path = tmp_path / "out.csv") -> Path:
        command = ["directory", "take", str(file), "--out", str(out), "--site", str(site)]
        result = CliRunner().invoke(app, command)
        if result.exception is not None:
            raise result.exception
        return out

    return run


def test_rows_are_taken_and_not_what_somebody_wrote_into_one(take: Take, tmp_path: Path) -> None:
    file = tmp_path / "npi.csv"
    other = '"1679576722","1","x\n1234567893,1,EVIL\n"\n'
    file.write_text(_HEADER + other + _ROW)
    assert take(file).read_text() == "NPI,Entity Type Code,Name\n1234567893,1,OKAFOR\n"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (None, "No such file"),
        (_HEADER.encode() + b'"1234567893","1","\xff"\n', "no UTF-8"),
        (_HEADER.encode() + b'"1234567893","1","never closed\n', "never closed"),
        (b"a,b\n", "no file of NPPES"),
    ],
)
def test_what_cannot_be_read_is_said(
    take: Take, tmp_path: Path, content: bytes | None, what: str
) -> None:
    file, out = tmp_path / "npi.csv", tmp_path / "out.csv"
    out.write_text("as it was")
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=what) as error:
        take(file)
    assert error.value.cure
    assert out.read_text() == "as it was"
    assert not list(tmp_path.glob("*.part"))


def test_so_is_what_cannot_be_written(take: Take, tmp_path: Path) -> None:
    file = tmp_path / "npi.csv"
    file.write_text(_HEADER + _ROW)
    with pytest.raises(ConfigurationError, match="No such file"):
        take(file, tmp_path / "nowhere" / "out.csv")
    with pytest.raises(ConfigurationError, match="written over"):
        take(file, file)
    assert file.read_text() == _HEADER + _ROW
