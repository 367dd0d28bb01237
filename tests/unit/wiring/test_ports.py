"""Two sites made with the same defaults: neither starts over the other nor is taken for it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chartloom.cli import app
from chartloom.domain.errors import ConfigurationError
from chartloom.project import load_project, write_site
from chartloom.wiring.ports import is_up, need_free, need_up
from chartloom.wiring.supervisor import only_one


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which another program listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def site(folder: Path, *, first_port: int = 0, console_port: int = 8420) -> Path:
    first_port = first_port or 20_000 + os.getpid() % 5_000
    write_site(folder, name="North", first_port=first_port, console_port=console_port)
    return folder


def test_a_taken_port_of_a_feed_is_said_before_anything_starts(tmp_path: Path, taken: int) -> None:
    folder = site(tmp_path / "north", first_port=taken)
    with pytest.raises(ConfigurationError, match=f"Port {taken}, where feed ") as error:
        need_free(load_project(folder))
    assert error.value.where.startswith(str(folder / "feeds"))
    assert "--first-port" in error.value.cure
    result = CliRunner().invoke(app, ["up", "--site", str(folder)])
    assert isinstance(result.exception, ConfigurationError)
    assert not (folder / "var" / "postgres").exists()


def test_so_is_that_of_the_console(tmp_path: Path, taken: int) -> None:
    folder = site(tmp_path / "north", console_port=taken)
    with pytest.raises(ConfigurationError, match=f"Port {taken}, where the console is to listen"):
        need_free(load_project(folder))


def test_nothing_is_sent_to_who_else_listens(tmp_path: Path, taken: int) -> None:
    project = load_project(site(tmp_path / "north", first_port=taken))
    with pytest.raises(ConfigurationError, match=f"not up; nothing was sent.*port {taken}"):
        need_up(project)
    with only_one(project.data_dir / "run"):
        assert is_up(project)
        need_up(project)
    assert not is_up(project)
