"""The store: every port that the rooms above need, over one PostgreSQL."""

from __future__ import annotations

from chartloom.engines.postgres.commit import CommitPart
from chartloom.engines.postgres.landing import LandingPart


class PostgresStore(LandingPart, CommitPart):
    """Implements ``Landing``, ``Lanes``, ``Charts`` and ``Messages``.

    dsn: of the embedded server or any PostgreSQL >= 15. lanes: fixed when the store is made.
    Reads and ``land`` may be called from many threads; the methods of ``Lanes`` belong to one.
    """
