"""A site that is really up, and the command line that asks it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.support.patience import PATIENCE_S

from chartloom.cli import main

ADMIT = (
    "MSH|^~\\&|REG|NORTH|CHARTLOOM|NORTH|20260301083000+0100||ADT^A01^ADT_A01|M0001|P|2.5.1\r"
    "EVN|A01|20260301083000+0100\r"
    "PID|1||100001^^^NORTH^MR||Example^Erika^^^^^L||20150412|F|||Musterweg 1^^Berlin^^10115^DE\r"
    "PV1|1|I|PED^12^A^NORTH|E|||1234^Muster^Max^^^Dr||||||||||||V0001^^^NORTH^VN|||||||||||||||||||"
    "||||||20260301082500+0100\r"
    "ZPI|1|blue folder\r"
)
RESULT = (
    "MSH|^~\\&|LAB|NORTH|CHARTLOOM|NORTH|20260301100000+0100||ORU^R01^ORU_R01|L0001|P|2.5.1\r"
    "PID|1||100001^^^NORTH^MR||Example^Erika||20150412|F\r"
    "OBR|1|O1|F1|718-7^Hemoglobin^LN|||20260301093000+0100\r"
    "OBX|1|NM|718-7^Hemoglobin^LN||11.50|g/dL|11.5-15.5|N|||F\r"
)
#: An operator opens a chart with a reason only.
WHY = "to see what the test has sent"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def chartloom(*args: str, expect: int = 0) -> str:
    """What the command says; run in this process, for its start takes longer than what it does."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
    code: Any = 0
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        patch.object(sys, "argv", ["chartloom", *args]),
    ):
        try:
            main()
        except SystemExit as left:
            code = left.code or 0
    said, complained = (stream.buffer.getvalue().decode() for stream in (out, err))  # type: ignore[attr-defined]
    return _checked(args, code, said, complained, expect)


def chartloom_process(*args: str, expect: int = 0) -> str:
    """The same, as people start it."""
    command = [sys.executable, "-m", "chartloom.cli", *args]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return _checked(args, done.returncode, done.stdout, done.stderr, expect)


def _checked(args: tuple[str, ...], code: int, said: str, complained: str, expect: int) -> str:
    assert code == expect, (args, code, said, complained)
    return said + (complained if expect else "")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Path]:
    """``chartloom up``, ready; it must end well when it is asked to."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "chartloom.cli", "up", "--site", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"COLUMNS": "100"},
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.decode())
        if line.startswith(b"Console"):
            break
    assert process.poll() is None, "".join(said)
    try:
        yield folder
    finally:
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        code = process.wait(PATIENCE_S)
        process.stdout.close()
    assert code == 0, rest.decode()


def on_free_ports(site: Path, *feeds: str) -> None:
    """Leaves a new site these feeds (``inbox`` has no port), each on a port that nobody has."""
    for feed in (site / "feeds").glob("*.toml"):
        if feed.stem not in feeds:
            feed.unlink()
            continue
        lines = feed.read_text().splitlines()
        lines = [f"port = {free_port()}" if x.startswith("port =") else x for x in lines]
        feed.write_text("\n".join(lines) + "\n")
    settings = site / "chartloom.toml"
    settings.write_text(settings.read_text().replace("8420", str(free_port())))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A site that is up, with nothing in it."""
    folder = tmp_path_factory.mktemp("cli") / "north"
    chartloom("init", str(folder), "--zone", "Europe/Berlin")
    on_free_ports(folder, "adt", "lab", "fhir", "inbox")
    with running(folder):
        yield folder


def until(site: Path, *args: str) -> Any:
    """Asks until the answer is not empty."""
    end_s = time.monotonic() + PATIENCE_S
    while not (answer := json.loads(chartloom(*args, "--site", str(site), "--json"))):
        assert time.monotonic() < end_s, args
        time.sleep(0.05)
    return answer


def drained(site: Path) -> None:
    """Waits until every message is applied."""
    end_s = time.monotonic() + PATIENCE_S
    while any(f["waiting_count"] for f in until(site, "feeds")):
        assert time.monotonic() < end_s
        time.sleep(0.05)
