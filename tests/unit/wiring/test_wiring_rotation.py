"""Role logs stay bounded while their writer keeps them open."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from chartloom.wiring.rotation import rotate, rotate_all

WRITER = """
import sys, time
for i in range(3000):
    sys.stderr.write(f"line {i:06}\\n"); sys.stderr.flush()
    if i % 10 == 0: time.sleep(0.001)
"""


def test_a_process_that_never_reopens_its_log_is_rotated(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    with log.open("ab") as handle:
        writer = subprocess.Popen([sys.executable, "-c", WRITER], stderr=handle)
    sizes = []
    while writer.poll() is None:
        rotate(log, 4000, kept_count=2)
        sizes.append(log.stat().st_size)
        time.sleep(0.005)
    assert {p.name for p in tmp_path.iterdir()} == {"worker.log", "worker.log.1", "worker.log.2"}
    # In order, whole lines up to the instant of emptying, no holes of zeros, the last one there.
    text = b"".join((tmp_path / f"worker.log{n}").read_bytes() for n in (".2", ".1", ""))
    lines = text.decode().split("\n")[:-1]
    numbers = [int(line[5:]) for line in lines if len(line) == 11]
    assert numbers == sorted(numbers)
    assert len(numbers) >= len(lines) - 4
    assert b"\0" not in text
    assert numbers[-1] == 2999


def test_small_and_absent_logs_stay_as_they_are(tmp_path: Path) -> None:
    log = tmp_path / "serve.log"
    log.write_bytes(b"x" * 4000)
    rotate_all([log, tmp_path / "absent.log"])
    assert not rotate(log, 4000)
    assert [p.name for p in tmp_path.iterdir()] == ["serve.log"]


def test_no_more_than_the_number_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "ingest.log"
    for turn in b"abcde":
        log.write_bytes(bytes([turn]) * 10)
        assert rotate(log, 5, kept_count=2)
    assert {p.name: p.read_bytes()[:1] for p in tmp_path.iterdir()} == {
        "ingest.log": b"", "ingest.log.1": b"e", "ingest.log.2": b"d",
    }  # fmt: skip
