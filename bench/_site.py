"""A real site for benchmarks: made in a temporary folder, started with ``chartloom up``."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.project import write_site
from chartloom.wiring import OpenSite

MLLP_PORT = 28610


def process_tree(root: int) -> list[int]:
    """A process and all its descendants."""
    children = defaultdict(list)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text()
                children[int(stat.rsplit(")", 1)[1].split()[1])].append(int(entry.name))
    found, queue = [], [root]
    while queue:
        pid = queue.pop()
        found.append(pid)
        queue.extend(children[pid])
    return found


def site_processes(root: int, site: Path) -> list[int]:
    """The process tree, and whatever else names the site's folder (the store)."""
    found = set(process_tree(root))
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if str(site).encode() in (entry / "cmdline").read_bytes():
                    found.update(process_tree(int(entry.name)))
    return sorted(found - {os.getpid()})


def cpu_s(root: int) -> dict[str, float]:
    """CPU seconds of a process tree by role, ended children included."""
    tick = os.sysconf("SC_CLK_TCK")
    used: dict[str, float] = defaultdict(float)
    for pid in process_tree(root):
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            role = "supervisor"
            if b"run" in command:
                role = command[command.index(b"run") + 1].decode()
            elif b"postgres" in command[0]:
                role = "postgres"
            used[role] += (int(fields[11]) + int(fields[12])) / tick
    return dict(used)


def start(site: Path) -> subprocess.Popen[bytes]:
    """``chartloom up``, ready."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "chartloom.cli", "up", "--site", str(site)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.decode())
        if line.startswith(b"Console"):
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process
    said += [
        f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}\n"
        for log in sorted((site / "var").rglob("*.log"))
    ]
    raise SystemExit("the site did not start:\n" + "".join(said))


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks it to stop and waits."""
    process.send_signal(signal.SIGTERM)
    process.wait(60)


@contextlib.contextmanager
def site_up(workers: int) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A fresh site with one MLLP feed, up."""
    with tempfile.TemporaryDirectory(prefix="clbench") as folder:
        site = Path(folder) / "site"
        feed = Feed("adt", "Bench", "bench@example.org", "mllp", Format.HL7V2)
        write_site(
            site,
            name="Bench",
            first_port=MLLP_PORT,
            console_port=MLLP_PORT - 1,
            workers=workers,
            feeds=(feed,),
        )
        process = start(site)
        try:
            yield site, process
        finally:
            stop(process)


def drain(opened: OpenSite, timeout_s: float = 600) -> None:
    """Waits until every landed message is consumed."""
    end_s = time.monotonic() + timeout_s
    while opened.store.waiting(opened.grant()):
        if time.monotonic() > end_s:
            raise SystemExit("workers did not catch up")
        time.sleep(0.02)
