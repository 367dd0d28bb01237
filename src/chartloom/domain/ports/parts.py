"""Small things that everybody is handed: time, sealing, and who holds a grant."""

from __future__ import annotations

from typing import Protocol

from chartloom.domain.grant import Grant


class Clock(Protocol):
    """Time, handed in so that tests and replays own it."""

    def now_us(self) -> int:
        """UTC in microseconds since 1970."""
        ...


class Sealer(Protocol):
    """Seals bodies at rest. ``subject`` is the source patient id, or ``""`` for no patient.

    kind, id and version are authenticated with the body, so that a sealed body cannot be moved to
    another row.
    """

    def seal(self, subject: str, kind: str, id: str, version: str, plain: bytes) -> bytes:
        """Ciphertext for ``plain``."""
        ...

    def unseal(
        self, grant: Grant, subject: str, kind: str, id: str, version: str, sealed: bytes
    ) -> bytes:
        """The plain bytes; raises ``GrantRefused`` if the grant does not cover ``subject``."""
        ...

    def blind(self, field: str, value: str) -> bytes:
        """16-byte keyed hash for equality look-ups on ``field``."""
        ...


class GrantVerifier(Protocol):
    """Checks that a grant was minted by this site and still holds."""

    def verify(self, grant: Grant) -> None:
        """Raises ``GrantRefused`` if not."""
        ...


class GrantCoverage(Protocol):
    """Checks whom a grant covers."""

    def verify(self, grant: Grant) -> None:
        """Raises ``GrantRefused`` if the grant does not hold."""
        ...

    def covers(self, grant: Grant, subject: str) -> bool:
        """Whether a grant that holds covers a source patient ("": needs one for everyone)."""
        ...
