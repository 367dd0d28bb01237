"""Nouns of what messages named and the tables of a site do not know."""

from __future__ import annotations

import msgspec


class Unknown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A person, place or drug that one message named and that the tables of the site do not have.

    kind: ``Practitioner``, ``Organization``, ``Location`` or ``Drug``. id: of the resource that the
    message made of it; of a drug made of its code. number: ``system|value``. name: as it was
    written; of drugs none is kept, for such a text may say anything.
    """

    kind: str
    id: str
    number: str = ""
    name: str = ""


class UnknownReference(msgspec.Struct, frozen=True):
    """How often the messages of a feed named it, and the first and the last of them (positions)."""

    feed: str
    unknown: Unknown
    count: int
    first_position: int
    last_position: int


class DirectoryVersion(msgspec.Struct, frozen=True):
    """Tables of the directory as they were from a moment on (UTC microseconds)."""

    fingerprint: str
    seen_us: int
