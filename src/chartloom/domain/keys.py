"""What is kept of the keys that seal bodies: wrapped keys and the tombstones of destroyed ones."""

from __future__ import annotations

import msgspec

from chartloom.domain.errors import ChartloomError, NotFound

#: Subject under which bodies about the hospital are sealed: any valid grant opens them. Source
#: patient ids are UUIDs, so that none is ever equal to it.
DIRECTORY_SUBJECT = "directory"


class WrappedKey(msgspec.Struct, frozen=True):
    """A subject's key as it is stored: readable only by whoever holds the key-encryption key.

    subject: source patient id, ``""`` (no patient) or :data:`DIRECTORY_SUBJECT`. generation: which
    generation of the key-encryption key wraps it. wrapped: AES-KW (RFC 3394) ciphertext.
    """

    subject: str
    generation: int
    wrapped: bytes
    created_at_us: int


class Tombstone(msgspec.Struct, frozen=True):
    """What is left of a destroyed key, so that a late message cannot silently make a new one.

    by: pseudonymous id of who did it. reason: a code, never free text.
    """

    subject: str
    destroyed_at_us: int
    by: str
    reason: str


class StaleGeneration(ChartloomError):
    """A key was wrapped by a generation that has been replaced; wrap it by the newest one."""


class SubjectShredded(NotFound):
    """The subject's key was destroyed: nothing of it can be read or sealed any more.

    ``subjects`` names the ids. Messages about them belong into quarantine.
    """

    def __init__(self, subjects: tuple[str, ...]) -> None:
        super().__init__(
            "the key of this record was destroyed.",
            cure="Nothing brings it back; a new record needs a new identifier.",
        )
        self.subjects = subjects
