"""The watched folder on disk: which files are complete, and moving them. Blocking; runs in threads.

``done/`` and ``failed/`` are inside the folder, hence on the same file system, so that a move is
one atomic rename. A crash before the move only means that the file is read again, and its messages
are recognised as duplicates.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

#: Names of files that are being written by common transfer tools.
_UNFINISHED: Final = (".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".writing")
DONE: Final = "done"
FAILED: Final = "failed"


class Look(NamedTuple):
    """What identifies a state of a file."""

    size_bytes: int
    modified_ns: int
    inode: int


class Reason(msgspec.Struct, frozen=True):
    """Why a file is in ``failed/``: written beside it. No values from the file."""

    code: str
    title: str
    cure: str
    offset: int  #: byte in the file
    landed_count: int  #: messages of the file that are in the log


class Folder:
    """See the module. settle_s: for how long a complete file must not have changed. marker: suffix
    of the empty file that says so instead ("" for none)."""

    def __init__(self, path: Path, pattern: str, settle_s: float, marker: str) -> None:
        self.path = path
        self._pattern, self._settle_s, self._marker = pattern, settle_s, marker
        self._seen: dict[str, tuple[Look, float]] = {}

    def prepare(self) -> None:
        """Makes ``done/`` and ``failed/``; raises ``OSError`` if the folder cannot be used."""
        if not self.path.is_dir():
            raise FileNotFoundError(2, "no such folder", str(self.path))
        for name in (DONE, FAILED):
            (self.path / name).mkdir(exist_ok=True)

    def complete(self) -> list[Path]:
        """Files that are complete, oldest first; raises ``OSError``."""
        now_s = time.monotonic()
        found: dict[str, Look] = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and not entry.name.startswith("."):
                    status = entry.stat(follow_symlinks=False)
                    found[entry.name] = Look(status.st_size, status.st_mtime_ns, entry.inode())
        names = [n for n in found if self._is_wanted(n)]
        for name in names:
            if self._seen.get(name, (None,))[0] != found[name]:
                self._seen[name] = (found[name], now_s)
        self._seen = {n: s for n, s in self._seen.items() if n in found}
        if self._marker:
            ready = [n for n in names if n + self._marker in found]
            self._drop_orphaned_markers(found)
        else:
            ready = [n for n in names if now_s - self._seen[n][1] >= self._settle_s]
        ready.sort(key=lambda n: (found[n].modified_ns, n))
        return [self.path / n for n in ready]

    def look(self, path: Path) -> Look:
        """The present state of a file; raises ``OSError``."""
        status = path.lstat()
        return Look(status.st_size, status.st_mtime_ns, status.st_ino)

    def wait_again(self, path: Path) -> None:
        """The file changed: it must be at rest for ``settle_s`` again."""
        self._seen.pop(path.name, None)

    def move(self, path: Path, to: str, reason: Reason | None = None) -> None:
        """Moves a file to ``done`` or ``failed``, never over another one; raises ``OSError``."""
        target = self.path / to / path.name
        number = 1
        while target.exists():
            number += 1
            target = self.path / to / f"{path.stem}.{number}{path.suffix}"
        if reason is not None:
            note = target.with_name(target.name + ".reason")
            note.write_bytes(msgspec.json.format(msgspec.json.encode(reason)) + b"\n")
        path.rename(target)
        if self._marker:
            path.with_name(path.name + self._marker).unlink(missing_ok=True)
        for folder in (target.parent, self.path):
            _sync(folder)
        self._seen.pop(path.name, None)

    def _is_wanted(self, name: str) -> bool:
        return (
            not name.endswith(_UNFINISHED)
            and not (self._marker and name.endswith(self._marker))
            and Path(name).match(self._pattern)
        )

    def _drop_orphaned_markers(self, found: dict[str, Look]) -> None:
        """A marker without its file is left from a crash after the file was moved; kept, it would
        declare the next file of that name complete before it is."""
        for name in found:
            declared = name.removesuffix(self._marker)
            # Both may have come while the folder was read, and only the marker was seen.
            if declared not in (name, *found) and not (self.path / declared).exists():
                (self.path / name).unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Makes a rename in ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
