"""The key-encryption key: generations of it, where they come from, and wrapping with them.

A generation is a random 256-bit key that wraps subject keys by AES-KW (RFC 3394). Wrapping happens
here, in memory, whatever keeps the generation: a file, an environment variable, or a key service
that wraps it (see :mod:`chartloom.guard.keys.rooted`). So the first message of a new patient
costs microseconds and no request.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Final, Protocol

import msgspec
from cryptography.hazmat.primitives.keywrap import (
    InvalidUnwrap,
    aes_key_unwrap,
    aes_key_wrap,
)

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.guard.keys.files import KEY_BYTES, alone, key_from_hex, private_folder, read, write

#: The environment variable that :class:`EnvironmentKek` reads unless told another.
VARIABLE: Final = "CHARTLOOM_KEK"


class KekDescription(msgspec.Struct, frozen=True):
    """What may be shown of a key-encryption key. kind: ``file``, ``environment``, ``aws-kms`` ...

    where: folder, variable, or key service and key name. No secret is in it.
    """

    kind: str
    where: str
    generation: int
    generations: tuple[int, ...]


class KeyDamaged(ChartloomError):
    """A wrapped key does not open: it was changed, moved, or wrapped by another key."""


class GenerationUnknown(ChartloomError):
    """A key is wrapped by a generation that is not here (any more)."""


class Kek(Protocol):
    """A key-encryption key with its generations. Thread-safe."""

    @property
    def generation(self) -> int:
        """The generation that wraps; the highest."""
        ...

    def wrap(self, keys: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """Wraps keys (lengths: multiples of 8 bytes, at least 16); the generation that did it."""
        ...

    def unwrap(self, generation: int, wrapped: Sequence[bytes]) -> list[bytes]:
        """The keys. Raises ``GenerationUnknown`` or ``KeyDamaged``."""
        ...

    def rotate(self) -> int:
        """Makes a new generation, durably, and wraps with it from now on; its number."""
        ...

    def destroy(self, generation: int) -> None:
        """Destroys an old generation: whatever is still wrapped by it is lost, in backups too."""
        ...

    def reload(self) -> None:
        """Sees generations that another process made or destroyed."""
        ...

    def describe(self) -> KekDescription:
        """For people."""
        ...


class LocalKek(ABC):
    """Wraps in memory with generations that a subclass keeps."""

    kind: str

    def __init__(self, where: str) -> None:
        self._where = where
        self._lock = Lock()
        self._keys: dict[int, bytes] = {}

    @property
    def generation(self) -> int:
        """The generation that wraps; the highest."""
        return max(self._keys)

    def wrap(self, keys: Sequence[bytes]) -> tuple[int, list[bytes]]:
        """Wraps keys with the newest generation."""
        generation, kek = max(self._keys.items())
        return generation, [aes_key_wrap(kek, key) for key in keys]

    def unwrap(self, generation: int, wrapped: Sequence[bytes]) -> list[bytes]:
        """The keys; looks once for a generation that another process may have made."""
        kek = self._keys.get(generation)
        if kek is None:
            self.reload()
            kek = self._keys.get(generation)
        if kek is None:
            raise GenerationUnknown(
                f"generation {generation} of the key-encryption key is not here.",
                where=self._where,
                cure="It was destroyed, or its key must be restored from the backup of the keys.",
            )
        try:
            return [aes_key_unwrap(kek, w) for w in wrapped]
        except InvalidUnwrap as error:
            raise KeyDamaged(
                "a wrapped key does not open.",
                where=f"generation {generation}",
                cure="Restore the row from a backup; it was changed.",
            ) from error

    def rotate(self) -> int:
        """Makes a new generation."""
        with self._lock:
            self._reload()
            number = max(self._keys, default=0) + 1
            key = secrets.token_bytes(KEY_BYTES)
            self._keep(number, key)
            self._keys = {**self._keys, number: key}
        return number

    def destroy(self, generation: int) -> None:
        """Destroys an old generation. The newest is never destroyed."""
        with self._lock:
            self._reload()
            if generation not in self._keys:
                return
            if generation == max(self._keys):
                raise ConfigurationError(
                    "the generation in use cannot be destroyed.",
                    where=self._where,
                    cure="Rotate first.",
                )
            self._drop(generation)
            self._keys = {g: k for g, k in self._keys.items() if g != generation}

    def reload(self) -> None:
        """Sees what other processes made or destroyed."""
        with self._lock:
            self._reload()

    def describe(self) -> KekDescription:
        """For people."""
        generations = tuple(sorted(self._keys))
        return KekDescription(self.kind, self._where, generations[-1], generations)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._where!r})"

    @abstractmethod
    def _reload(self) -> None:
        """Reads the kept generations into ``_keys``."""

    @abstractmethod
    def _keep(self, generation: int, key: bytes) -> None:
        """Keeps a new generation durably; must fail if the number is taken."""

    @abstractmethod
    def _drop(self, generation: int) -> None:
        """Destroys what is kept of a generation; nothing happens if it is gone."""


class FileKek(LocalKek):
    """Generations in files ``<number>.key`` (hex, 0600) of a folder (0700).

    Raises ``ConfigurationError`` when the folder or a file is damaged or open to other users.
    """

    kind = "file"
    _suffix = ".key"

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        super().__init__(str(folder))
        self._folder = folder
        private_folder(folder, create=create)
        self._reload()
        if not self._keys and create:
            self._make_first()
        if not self._keys:
            raise ConfigurationError(
                "there is no key-encryption key.",
                where=str(folder),
                cure="Restore the folder from the backup of the keys.",
            )

    def _reload(self) -> None:
        known = self._keys
        found: dict[int, bytes] = {}
        for number, path in self._files().items():
            try:
                found[number] = known.get(number) or self._open(number, path)
            except ConfigurationError:
                if path.exists():
                    raise
                # Destroyed by another process in this very moment.
        if found or not known:
            self._keys = found

    def _files(self) -> dict[int, Path]:
        """The files of generations. A folder is not read in one moment: while another process makes
        a generation and destroys the one before, one look may see neither. Two equal looks hold,
        and that there are none is believed when nobody can change it."""
        found = self._look()
        while found:
            seen, found = found, self._look()
            if found == seen:
                return found
        with alone(self._folder):
            return self._look()

    def _look(self) -> dict[int, Path]:
        paths = self._folder.glob(f"*{self._suffix}")
        return {int(p.stem): p for p in paths if p.stem.isascii() and p.stem.isdigit()}

    def _make_first(self) -> None:
        """Makes generation 1, unless another process was quicker."""
        with self._lock:
            key = secrets.token_bytes(KEY_BYTES)
            content = self._close(1, key)
            with alone(self._folder):
                if not self._look():
                    write(self._path(1), content)
                    self._keys = {1: key}
                    return
            self._reload()

    def _open(self, generation: int, path: Path) -> bytes:
        return key_from_hex(read(path), path)

    def _close(self, generation: int, key: bytes) -> bytes:
        return key.hex().encode() + b"\n"

    def _path(self, generation: int) -> Path:
        return self._folder / f"{generation}{self._suffix}"

    def _keep(self, generation: int, key: bytes) -> None:
        content = self._close(generation, key)
        with alone(self._folder):
            write(self._path(generation), content)

    def _drop(self, generation: int) -> None:
        with alone(self._folder):
            self._path(generation).unlink(missing_ok=True)


class EnvironmentKek(LocalKek):
    """Generations in a variable: ``1:<64 hex digits>,2:<64 hex digits>``; the highest wraps.

    Whoever sets the variable rotates: add a generation, restart, rewrap, take the old one out.
    """

    kind = "environment"

    def __init__(self, environ: Mapping[str, str], variable: str = VARIABLE) -> None:
        super().__init__(variable)
        for entry in environ.get(variable, "").split(","):
            number, colon, text = entry.strip().partition(":")
            if not colon or not number.isascii() or not number.isdigit():
                raise self._refused("is missing or not in the form 1:<64 hex digits>.")
            if int(number) in self._keys:
                raise self._refused("has a generation twice.")
            self._keys[int(number)] = key_from_hex(text.encode(), Path(variable))

    def _refused(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the variable {what}",
            where=self._where,
            cure="Set it from a secret store, for example to 1: and 32 random bytes in hex.",
        )

    def _reload(self) -> None:
        """Nothing: a process's environment does not change while it runs."""

    def _keep(self, generation: int, key: bytes) -> None:
        raise self._refused("cannot be changed from here: add a generation to it and restart.")

    def _drop(self, generation: int) -> None:
        raise self._refused("cannot be changed from here: take the generation out and restart.")
