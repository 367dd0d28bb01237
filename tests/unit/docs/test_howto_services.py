"""What the page about services says works as it is typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "howto" / "services.md"


def _run(*words: str, cwd: Path) -> str:
    made = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout


def _chartloom(line: str, cwd: Path) -> str:
    return _run(sys.executable, "-m", "chartloom.cli", *shlex.split(line)[1:], cwd=cwd)


def test_as_it_is_typed(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    commands = re.findall(r"^    (chartloom .*)$", text, re.MULTILINE)
    (made,) = re.findall(r"`(chartloom init .*?)`", text)
    site = tmp_path / "my-hospital"
    _chartloom(made, tmp_path)
    feed, *clients = [code for kind, code in blocks if kind == "toml"]
    lab = site / "feeds" / "lab.toml"
    was = lab.read_text(encoding="utf-8")
    changed = re.sub(r"\[mllp\]\n(?:[^\[\n][^\n]*\n)*", feed, was)
    assert changed != was
    lab.write_text(changed, encoding="utf-8")
    (site / "clients.toml").write_text("\n".join(clients), encoding="utf-8")
    (keys,) = [code for kind, code in blocks if kind == "python"]
    _run(sys.executable, "-c", keys, cwd=tmp_path)
    (site / "clients").mkdir(exist_ok=True)
    (tmp_path / "clinic.jwks.json").rename(site / "clients" / "clinic.jwks.json")
    assert len(commands) == 2
    for command in commands:
        _chartloom(command, tmp_path)
    assert (site / "var" / "ca" / "leaves" / "lab-engine.pem").exists()
