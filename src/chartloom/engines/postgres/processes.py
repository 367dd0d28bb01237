"""Looking at the operating system's processes: whose postmaster is that?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def alive(pid: int) -> bool:
    """Whether a process with this id exists (a zombie does not count)."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return True
    return status.rpartition(b")")[2].split()[:1] in ([b"Z"], [b"X"])


def serves(pid: int, cluster: Path) -> bool:
    """Whether ``pid`` is a PostgreSQL process of the cluster in this folder.

    Every PostgreSQL process works in its data folder, so a process id that was given to somebody
    else after a crash is never mistaken for ours.
    """
    if not alive(pid):
        return False
    if sys.platform == "linux":
        try:
            return Path(os.readlink(f"/proc/{pid}/cwd")) == cluster.resolve()
        except OSError:
            return False
    listing = subprocess.run(  # noqa: S603
        ["/bin/ps", "-p", str(pid), "-o", "command="],
        capture_output=True,
        text=True,
        check=False,
    )
    return str(cluster) in listing.stdout


def all_serving(cluster: Path) -> list[int]:
    """Every PostgreSQL process of the cluster, also backends whose postmaster is gone."""
    if sys.platform != "linux":
        return []
    pids = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]
    return [
        pid for pid in pids if pid != os.getpid() and _is_postgres(pid) and serves(pid, cluster)
    ]


def _is_postgres(pid: int) -> bool:
    try:
        return Path(os.readlink(f"/proc/{pid}/exe")).name.split(" ")[0] == "postgres"
    except OSError:
        return False
