"""Signed heads: what the log was at a time, in a few bytes that can be kept where nobody can edit.

A head is one JSON line. Heads are chained to each other and signed with Ed25519. Whoever holds a
copy of them can later prove that nothing before was changed, taken out or put in.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chartloom.guard.audit.merkle import Frontier


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signed head. Bytes are hexadecimal, so that a line can be read by people and tools.

    size: how many events. root: RFC 6962 root over the events' hashes. last: hash of the last
    event. at_us: when it was signed. previous: SHA-256 of the head line before (64 zeros for the
    first). peaks: the tree's frontier (see ``Frontier``), from which it can be continued. key: the
    first 16 hexadecimal digits of the SHA-256 of the public key.
    """

    size: int
    root: str
    last: str
    at_us: int
    previous: str
    peaks: tuple[str, ...]
    key: str
    signature: str = ""

    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        unsigned = msgspec.structs.replace(self, signature="")
        return b"chartloom audit head 1\n" + msgspec.json.encode(unsigned)

    def line(self) -> bytes:
        """The head as a line of the file."""
        return msgspec.json.encode(self) + b"\n"

    def digest(self) -> str:
        """What the next head names as ``previous``."""
        return hashlib.sha256(self.line()).hexdigest()


NO_HEAD = "0" * 64


def key_id(public: Ed25519PublicKey) -> str:
    """Names a public key in heads."""
    return hashlib.sha256(public.public_bytes_raw()).hexdigest()[:16]


def sign_head(
    key: Ed25519PrivateKey, frontier: Frontier, last_hash: bytes, at_us: int, before: Head | None
) -> Head:
    """A signed head for the tree as it is now."""
    head = Head(
        size=frontier.size,
        root=frontier.root().hex(),
        last=last_hash.hex(),
        at_us=at_us,
        previous=before.digest() if before else NO_HEAD,
        peaks=tuple(p.hex() for p in frontier.peaks),
        key=key_id(key.public_key()),
    )
    return msgspec.structs.replace(head, signature=key.sign(head.signed_bytes()).hex())


def is_signed(head: Head, public: Ed25519PublicKey) -> bool:
    """Whether ``public``'s owner signed the head, and it is sound in itself."""
    try:
        public.verify(bytes.fromhex(head.signature), head.signed_bytes())
        frontier = Frontier(head.size, (bytes.fromhex(p) for p in head.peaks))
    except (InvalidSignature, ValueError):
        return False
    return head.key == key_id(public) and frontier.root().hex() == head.root


def read_heads(lines: Iterable[bytes]) -> Iterator[Head | None]:
    """The heads of a file; ``None`` for a line that is none."""
    for line in lines:
        try:
            head = msgspec.json.decode(line, type=Head)
        except msgspec.DecodeError:
            yield None
        else:
            yield head if line.rstrip(b"\n") + b"\n" == head.line() else None


class HeadFile:
    """The file of heads: appended and synced, made to be shipped to another place.

    A line that a crash left half written is cut off when the file is opened for appending. copy:
    another place, which gets every head as well.
    """

    def __init__(self, path: Path, copy: Path | None = None) -> None:
        self._path = path
        self._copy = copy
        #: Why the copy could not be brought up to date last time; ``""`` if it is.
        self.copy_lacks = ""

    def heads(self) -> list[Head | None]:
        """All heads; ``None`` for lines that are none."""
        try:
            with self._path.open("rb") as f:
                return list(read_heads(f))
        except FileNotFoundError:
            return []

    def last(self) -> Head | None:
        """The newest sound line, after a torn one at the end was cut off."""
        try:
            with self._path.open("r+b") as f:
                content = f.read()
                whole = content[: content.rfind(b"\n") + 1]
                if len(whole) < len(content):
                    f.truncate(len(whole))
                    os.fsync(f.fileno())
        except FileNotFoundError:
            return None
        start = whole.rfind(b"\n", 0, -1) + 1  # of an empty file: a line that is no head
        return next(read_heads([whole[start:]]))

    def append(self, head: Head) -> None:
        """Appends and syncs. Raises ``OSError``."""
        new = not self._path.exists()
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        with os.fdopen(fd, "ab") as f:
            f.write(head.line())
            f.flush()
            os.fsync(f.fileno())
        if new:
            folder = os.open(self._path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        if self._copy is not None:
            self._bring_up_to_date(self._copy)

    def _bring_up_to_date(self, copy: Path) -> None:
        """Appends what the copy lacks, and never changes what it has: it may lie where bytes can
        only be added. A copy that cannot be reached is caught up with next time."""
        try:
            with self._path.open("rb") as mine, copy.open("ab") as theirs:
                mine.seek(theirs.tell())
                theirs.write(mine.read())
                theirs.flush()
                os.fsync(theirs.fileno())
        except OSError as error:
            self.copy_lacks = error.strerror or type(error).__name__
        else:
            self.copy_lacks = ""
