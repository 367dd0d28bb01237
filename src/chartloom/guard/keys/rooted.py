"""Generations that a key service keeps safe: each lies here wrapped by the service's root key."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Protocol

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.keys.files import read, write
from chartloom.guard.keys.kek import FileKek, KekDescription, KeyDamaged


class RootKey(Protocol):
    """A key in a key service. It never leaves the service; only generations are sent to it."""

    kind: str

    def encrypt(self, plain: bytes, context: str) -> str:
        """Ciphertext, as the service writes it; ``context`` is bound to it where it can be."""
        ...

    def decrypt(self, sealed: str, context: str) -> bytes:
        """Plain bytes. Raises ``KeyServiceRefused`` or ``ServiceUnavailable``."""
        ...

    def renew(self, sealed: str, context: str) -> str:
        """The same under the root key's newest version."""
        ...

    def rotate(self) -> None:
        """Asks the service for a new version of the root key."""
        ...

    def where(self) -> str:
        """Service and key name, for people."""
        ...


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    root: str
    sealed: str
    check: str


class RootedKek(FileKek):
    """Generations in files ``<number>.wrapped``, each opened once by the key service.

    The service is asked at start and when a generation is made; while it is down, running processes
    go on and nothing new can start.
    """

    _suffix = ".wrapped"

    def __init__(self, root: RootKey, folder: Path, *, create: bool = False) -> None:
        self._root = root
        self.kind = root.kind
        super().__init__(folder, create=create)

    def describe(self) -> KekDescription:
        """For people: names the key service too."""
        plain = super().describe()
        return msgspec.structs.replace(plain, where=f"{self._root.where()} in {self._where}")

    def renew_root(self) -> int:
        """A new version of the root key; every kept generation is wrapped by it. How many."""
        self._root.rotate()
        with self._lock:
            self._reload()
            for generation in self._keys:
                kept = self._kept(self._path(generation))
                kept.sealed = self._root.renew(kept.sealed, _context(generation))
                write(self._path(generation), msgspec.json.encode(kept) + b"\n", replace=True)
            return len(self._keys)

    def _open(self, generation: int, path: Path) -> bytes:
        kept = self._kept(path)
        key = self._root.decrypt(kept.sealed, _context(generation))
        if len(key) != 32 or not hmac.compare_digest(kept.check, _check(key)):
            raise KeyDamaged("the key service opened another key.", where=str(path))
        return key

    def _kept(self, path: Path) -> _Kept:
        try:
            return msgspec.json.decode(read(path), type=_Kept)
        except msgspec.DecodeError as error:
            raise ConfigurationError(
                "the file is damaged.", where=str(path), cure="Restore it from the backup."
            ) from error

    def _close(self, generation: int, key: bytes) -> bytes:
        sealed = self._root.encrypt(key, _context(generation))
        return msgspec.json.encode(_Kept(self._root.kind, sealed, _check(key))) + b"\n"


def _context(generation: int) -> str:
    return f"chartloom generation {generation}"


def _check(key: bytes) -> str:
    return hmac.digest(key, b"chartloom generation check 1", "sha256").hex()
