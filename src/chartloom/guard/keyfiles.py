"""The site's keys on disk: made once, together, durably; then only read.

One folder (0700) holds one file (0600) per key and ``site.json`` with the site namespace. The
namespace file is written last: once it exists the keys may have been used, so a key that is missing
then is an error and is never silently made anew.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.keys.files import require_private, write

KEY_SIZE_BYTES = 32
_SITE = "site.json"
_AUDIT_LOST = (
    "Put audit.key and audit.pub back from the copy of the key folder. No new key was made: it "
    "could not go on with the heads of the old one. If there is no copy, keep the heads and "
    "the log as they are, and remove audit_key from site.json to begin anew knowingly; "
    "`chartloom audit verify` goes on telling that the key changed."
)
_RESTORE = "Restore the key folder from its backup; without these keys the data is unreadable."


class SiteKeys(msgspec.Struct, frozen=True):
    """The secrets of one site. Never logged: ``repr`` shows none of them.

    encryption: wraps or derives the keys that seal bodies. grant: signs grants. blind: makes
    searchable fingerprints. namespace: the site's random UUID, base of all deterministic ids.
    audit: Ed25519 seed that signs heads of the audit log.
    """

    encryption: bytes
    grant: bytes
    blind: bytes
    namespace: UUID
    audit: bytes = b""

    def __repr__(self) -> str:
        return "SiteKeys(...)"


class _Site(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """audit_key: the public half of the key that signs heads; "" for a site that had none yet."""

    format: int
    namespace: UUID
    audit_key: str = ""


_FILES = ("encryption", "grant", "blind")
#: Came later: made once, when the site's file names none. After that never again: another key would
#: sign as if nothing had happened, and nobody could tell what was signed before.
_AUDIT = "audit.key"
_AUDIT_PUBLIC = "audit.pub"


def load_or_create(folder: Path) -> SiteKeys:
    """The keys in ``folder``, made first when it has none.

    Raises ``ConfigurationError`` when files are missing, damaged, or readable by others.
    """
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the key folder cannot be made ({error.strerror})",
            where=str(folder),
            cure="Choose a folder that this user may write.",
        ) from error
    require_private(folder)
    with _locked(folder):
        if not (folder / _SITE).exists():
            _create(folder)
        _ensure_audit_key(folder)
        return _load(folder)


def _create(folder: Path) -> None:
    for name in _FILES:
        # Left over from a creation that was interrupted: unused, for the site file comes last.
        if not (path := folder / f"{name}.key").exists():
            write(path, secrets.token_bytes(KEY_SIZE_BYTES).hex().encode() + b"\n")
    write(folder / _SITE, msgspec.json.encode(_Site(format=1, namespace=uuid4())) + b"\n")


def _ensure_audit_key(folder: Path) -> None:
    """Makes the key that signs the audit log for a site that never had one, and says so in the
    site's file; raises ``ConfigurationError`` if it had one that is gone or another.

    The public half is written in hexadecimal, for those who verify the log elsewhere.
    """
    site = _read_site(folder)
    path, public_path = folder / _AUDIT, folder / _AUDIT_PUBLIC
    if not site.audit_key:
        if not path.exists() and not public_path.exists():
            write(path, secrets.token_bytes(KEY_SIZE_BYTES).hex().encode() + b"\n")
    elif not path.exists():
        raise ConfigurationError(
            "the key that signs the audit log is gone.", where=str(path), cure=_AUDIT_LOST
        )
    public = Ed25519PrivateKey.from_private_bytes(_read_key(path)).public_key()
    named = public.public_bytes_raw().hex()
    if site.audit_key not in ("", named):
        raise ConfigurationError(
            "the key that signs the audit log is not this site's.",
            where=str(path),
            cure=_AUDIT_LOST,
        )
    if not public_path.exists():
        write(public_path, named.encode() + b"\n")
    _read_audit_key(folder)  # the halves belong together, or nothing is said of them
    if not site.audit_key:
        site.audit_key = named
        write(folder / _SITE, msgspec.json.encode(site) + b"\n", replace=True)


def _read_audit_key(folder: Path) -> bytes:
    key = _read_key(folder / _AUDIT)
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    if public != _read_key(folder / _AUDIT_PUBLIC):
        raise ConfigurationError(
            "the two halves of the key do not belong together.",
            where=str(folder / _AUDIT),
            cure=_RESTORE,
        )
    return key


def _load(folder: Path) -> SiteKeys:
    keys = {name: _read_key(folder / f"{name}.key") for name in _FILES}
    keys["audit"] = _read_audit_key(folder)
    site = _read_site(folder)
    return SiteKeys(namespace=site.namespace, **keys)


def _read_site(folder: Path) -> _Site:
    path = folder / _SITE
    try:
        site = msgspec.json.decode(_read(path), type=_Site)
    except msgspec.DecodeError as error:
        raise ConfigurationError("the file is damaged.", where=str(path), cure=_RESTORE) from error
    if site.format != 1:
        raise ConfigurationError(
            "the keys were written by a newer version.", where=str(path), cure="Upgrade Chartloom."
        )
    return site


def _read_key(path: Path) -> bytes:
    try:
        key = bytes.fromhex(_read(path).decode("ascii").strip())
    except ValueError as error:
        raise ConfigurationError("the key is damaged.", where=str(path), cure=_RESTORE) from error
    if len(key) != KEY_SIZE_BYTES:
        raise ConfigurationError("the key is damaged.", where=str(path), cure=_RESTORE)
    return key


def _read(path: Path) -> bytes:
    try:
        require_private(path)
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError("the file is missing.", where=str(path), cure=_RESTORE) from error
    except PermissionError as error:
        raise ConfigurationError(
            "the file cannot be read.", where=str(path), cure="Run as the user who owns it."
        ) from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
