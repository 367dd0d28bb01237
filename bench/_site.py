"""A real site for benchmarks: made in a temporary folder, started with ``chartloom up``."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.project import write_site
from chartloom.wiring import OpenSite

#: Below the ports that the kernel gives to clients.
_PORTS = range(20_000, 32_000)


def free_ports(count: int) -> int:
    """The first of ``count`` ports in a row that nobody uses: sites can run side by side."""
    for _ in range(1000):
        first = random.randrange(_PORTS.start, _PORTS.stop - count)
        with contextlib.ExitStack() as held, contextlib.suppress(OSError):
            for port in range(first, first + count):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
    raise SystemExit(f"there are no {count} free ports in a row")


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


def launch(site: Path) -> subprocess.Popen[bytes]:
    """``chartloom up``, not waited for; a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "chartloom.cli", "up", "--site", str(site)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


class NotStarted(Exception):
    """``chartloom up`` ended by itself; what it and its processes said."""


def start(site: Path) -> subprocess.Popen[bytes]:
    """``chartloom up``, ready; raises :class:`NotStarted`."""
    process = launch(site)
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line.decode())
        if line.startswith(b"Console"):
            threading.Thread(target=process.stdout.read, daemon=True).start()
            return process
    process.wait()
    said += [
        f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}\n"
        for log in sorted((site / "var").rglob("*.log"))
    ]
    raise NotStarted("the site did not start:\n" + "".join(said))


def stop(process: subprocess.Popen[bytes]) -> None:
    """Asks it to stop and waits."""
    process.send_signal(signal.SIGTERM)
    process.wait(60)


class Up(NamedTuple):
    """A site that is up: its folder, its supervisor, and the port of each feed in order."""

    site: Path
    process: subprocess.Popen[bytes]
    ports: tuple[int, ...]


def new_site(site: Path, workers: int, feeds: int = 1) -> tuple[int, ...]:
    """Writes a site with MLLP feeds on free ports; the ports."""
    first = free_ports(feeds + 1)
    write_site(
        site,
        name="Bench",
        first_port=first + 1,
        console_port=first,
        workers=workers,
        feeds=tuple(
            Feed(f"adt{n or ''}", "Bench", "bench@example.org", "mllp", Format.HL7V2)
            for n in range(feeds)
        ),
    )
    return tuple(range(first + 1, first + 1 + feeds))


@contextlib.contextmanager
def site_up(workers: int, feeds: int = 1) -> Iterator[Up]:
    """A fresh site with MLLP feeds in a folder of its own, up."""
    with tempfile.TemporaryDirectory(prefix="clbench") as folder:
        site = Path(folder) / "site"
        ports = new_site(site, workers, feeds)
        process = start(site)
        try:
            yield Up(site, process, ports)
        finally:
            stop(process)


def end_properly_when_terminated() -> None:
    """Makes TERM an exit, so that the site is stopped too and its folder goes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def drain(opened: OpenSite, timeout_s: float = 600) -> None:
    """Waits until every landed message is consumed."""
    end_s = time.monotonic() + timeout_s
    while opened.store.waiting(opened.grant()):
        if time.monotonic() > end_s:
            raise SystemExit("workers did not catch up")
        time.sleep(0.02)
