"""Private folders and files, written durably."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from chartloom.domain.errors import ConfigurationError


def private_folder(path: Path) -> None:
    """Makes the folder 0700, or raises if one that others can enter or own stands there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    stat = path.lstat()
    if stat.st_uid != os.geteuid() or path.is_symlink():
        raise ConfigurationError(
            "the folder belongs to somebody else.", where=str(path), cure="Choose another one."
        )
    if stat.st_mode & 0o077 and stat.st_mode & 0o777 != 0o711:
        raise ConfigurationError(
            "other users can enter the folder.", where=str(path), cure=f"Run: chmod 700 '{path}'"
        )


def write_private(path: Path, text: str) -> None:
    """Writes a 0600 file durably under its name."""
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
