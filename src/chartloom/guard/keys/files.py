"""Small secret files: private, whole or not there at all, never overwritten by accident."""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError

KEY_BYTES: Final = 32
_RESTORE: Final = "Restore it from the backup of the keys."


def private_folder(folder: Path, *, create: bool) -> None:
    """Makes sure that only this user gets at a folder. Raises ``ConfigurationError`` if not."""
    try:
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_private(folder)
    except OSError as error:
        raise ConfigurationError(
            f"the folder cannot be used ({error.strerror}).", where=str(folder), cure=_RESTORE
        ) from error


def read(path: Path) -> bytes:
    """The content of a secret file. Raises ``ConfigurationError``."""
    try:
        require_private(path)
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the file cannot be read ({error.strerror}).", where=str(path), cure=_RESTORE
        ) from error


def write(path: Path, content: bytes, *, replace: bool = False) -> None:
    """Writes durably and privately; the name appears only when the content is on disk.

    Raises ``ConfigurationError`` if the name is taken, unless ``replace``.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as f:
            f.write(content)
            f.flush()
            os.fsync(f.fileno())
        if replace:
            temporary.rename(path)
        else:
            os.link(temporary, path)
    except FileExistsError as error:
        raise ConfigurationError(
            "the file is there already.", where=str(path), cure="Try again."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else who asks for the same changes which files are in a folder; waits for them.

    Not to be nested. Raises ``ConfigurationError`` if the folder cannot be used.
    """
    try:
        fd = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise ConfigurationError(
            f"the folder cannot be used ({error.strerror}).", where=str(folder), cure=_RESTORE
        ) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def key_from_hex(text: bytes, where: Path) -> bytes:
    """A 256-bit key from hexadecimal text. Raises ``ConfigurationError`` without showing it."""
    try:
        key = bytes.fromhex(text.decode("ascii").strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            "the key is not 64 hexadecimal digits.", where=str(where), cure=_RESTORE
        )
    return key


def require_private(path: Path) -> None:
    """Raises ``ConfigurationError`` if other users may use a file or folder of keys."""
    mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        want = "700" if stat.S_ISDIR(mode) else "600"
        raise ConfigurationError(
            "other users can get at the keys.", where=str(path), cure=f"Run: chmod {want} '{path}'"
        )
