"""The configuration of the embedded server, and why it is so."""

from __future__ import annotations

import os
from pathlib import Path

#: Sized for a small machine that does everything (2 cores, 24 GB), with ``shared_buffers`` by
#: :func:`shared_buffers_mb`; a site overrides single values in ``local.conf`` beside the cluster's
#: ``postgresql.conf``.
SETTINGS: dict[str, str] = {
    # Durability: what was acknowledged survives. Never weakened here.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Memory.
    "huge_pages": "off",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "effective_cache_size": "4GB",
    "wal_buffers": "16MB",
    # Checkpoints far apart: every first change of a page after one writes the whole page to WAL.
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "off",  # sealed bodies do not compress
    # Short indexed statements only: planning for parallelism or JIT costs more than it gives.
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "max_parallel_maintenance_workers": "1",
    "max_worker_processes": "4",
    "io_method": "sync",
    "random_page_cost": "1.1",
    "max_connections": "60",
    "autovacuum_max_workers": "2",
    "autovacuum_naptime": "20s",
    "autovacuum_vacuum_cost_delay": "2ms",
    "idle_in_transaction_session_timeout": "5min",
    # No value of a row may reach a log: no statements, no parameters, no DETAIL lines.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
    "log_min_messages": "warning",
    "log_checkpoints": "on",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "lc_messages": "C",
    "password_encryption": "scram-sha-256",
}

_HEADER = "# Written by Chartloom at every start. Put changes into local.conf, in this folder.\n"

#: Only the socket, only with the password: there is no way in by trust.
HBA = "# Written by Chartloom at every start.\nlocal all all scram-sha-256\n"


#: What a container may use, where there is a limit.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory_bytes() -> int:
    """What this machine has, or what the container may use of it."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in map(Path, _LIMITS):
        text = path.read_text().strip() if path.is_file() else ""
        if text.isdecimal():
            found = min(found, int(text))
    return found


def shared_buffers_mb(memory: int) -> int:
    """An eighth of the memory, from 256 MB to 1 GB: the keys by which a million records are found
    stay at hand, of which each new record touches some twenty pages. What is not used takes none.
    """
    return max(256, min(1024, memory // 8 // 2**20))


def configuration() -> str:
    """The text of ``postgresql.conf``."""
    own = SETTINGS | {"shared_buffers": f"{shared_buffers_mb(memory_bytes())}MB"}
    lines = [f"{name} = {quote(value)}" for name, value in own.items()]
    return _HEADER + "\n".join(lines) + "\ninclude 'local.conf'\n"


def quote(value: str) -> str:
    """A value as the configuration file wants it."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
