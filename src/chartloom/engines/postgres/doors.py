"""Sessions and broken glass in the store: sealed, and behind row-level security."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from chartloom.domain import codec
from chartloom.domain.access import (
    GLASS_SUBJECT,
    SESSIONS_SUBJECT,
    Glass,
    SignedIn,
    StoredSession,
)
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.keys import SubjectShredded
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.calls import Statement, int8
from chartloom.engines.postgres.lookups import look
from chartloom.engines.postgres.store import PostgresStore

_PUT: Final = """
    INSERT INTO session (seen_us, until_us, key, source_patient, who, body)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (key) DO UPDATE SET seen_us = excluded.seen_us, body = excluded.body"""
_GET: Final = "SELECT seen_us, body FROM session WHERE key = %s"
_LIST: Final = "SELECT seen_us, body, key FROM session"
_CHANGE: Final = "UPDATE session SET seen_us = %s, body = %s WHERE key = %s"
_TOUCH: Final = "UPDATE session SET seen_us = greatest(seen_us, %s) WHERE key = %s"
_END: Final = "DELETE FROM session WHERE key = %s"
_END_OF: Final = "DELETE FROM session WHERE who = %s"
_TIDY: Final = "DELETE FROM session WHERE until_us <= %s OR seen_us <= %s"


class PostgresSessions:
    """Implements ``Sessions``."""

    def __init__(self, store: PostgresStore) -> None:
        self._store, self._guard = store, store.guard

    def put(self, grant: Grant, stored: StoredSession) -> None:
        """Keeps a session or its changed body."""
        session, body = stored.session, self._sealed(stored)
        who = self._guard.blind("session", session.subject)
        row = (stored.seen_us, session.until_us, stored.key, SESSIONS_SUBJECT, who, body)
        with self._store.entered(grant) as conn:
            conn.execute(_PUT, row)

    def _sealed(self, stored: StoredSession) -> bytes:
        plain = codec.encode(stored.session)
        return self._guard.seal(SESSIONS_SUBJECT, "session", stored.key.hex(), "1", plain)

    def get(self, grant: Grant, key: bytes) -> StoredSession | None:
        """The session under a key."""
        with self._store.entered(grant) as conn:
            row = conn.execute(_GET, (key,), binary=True).fetchone()
        if row is None:
            return None
        return self._stored(grant, key, row)

    def _stored(self, grant: Grant, key: bytes, row: Sequence[Any]) -> StoredSession:
        plain = self._guard.unseal(grant, SESSIONS_SUBJECT, "session", key.hex(), "1", row[1])
        return StoredSession(key, msgspec.json.decode(plain, type=SignedIn), row[0])

    def list(self, grant: Grant) -> builtins.list[StoredSession]:
        """All that are kept, those that are over too."""
        with self._store.entered(grant) as conn:
            rows = conn.execute(_LIST, binary=True).fetchall()
        return [self._stored(grant, bytes(row[2]), row) for row in rows]

    def change(self, grant: Grant, stored: StoredSession) -> bool:
        """Keeps its changed body; False if it ended meanwhile."""
        with self._store.entered(grant) as conn:
            row = (stored.seen_us, self._sealed(stored), stored.key)
            return conn.execute(_CHANGE, row).rowcount > 0

    def touch(self, grant: Grant, key: bytes, seen_us: int) -> None:
        """Remembers that it was used."""
        with self._store.entered(grant) as conn:
            conn.execute(_TOUCH, (seen_us, key))

    def end(self, grant: Grant, key: bytes) -> bool:
        """Removes it; False if it was not there."""
        with self._store.entered(grant) as conn:
            return conn.execute(_END, (key,)).rowcount > 0

    def end_of(self, grant: Grant, subject: str) -> int:
        """Removes all sessions of a person; how many."""
        with self._store.entered(grant) as conn:
            return conn.execute(_END_OF, (self._guard.blind("session", subject),)).rowcount

    def tidy(self, grant: Grant, now_us: int, idle_us: int) -> int:
        """Removes what is over; how many."""
        with self._store.entered(grant) as conn:
            return conn.execute(_TIDY, (now_us, now_us - idle_us)).rowcount


_GLASS: Final = """
    SELECT id, actor, patients, reason, started_us, until_us, reviewed_by, reviewed_us, outcome,
           body
    FROM glass"""
_GLASS_ADD: Final = """
    INSERT INTO glass (id, source_patient, actor, patients, reason, started_us, until_us, body)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
_GLASS_OPEN: Final = Statement(
    "glass_open",
    f"""{_GLASS}
    WHERE actor = $1 AND until_us > $2 AND patients <@ $3
    ORDER BY until_us DESC LIMIT 1""",
    ("text", "int8", "text[]"),
)
_GLASS_LIST: Final = f"""{_GLASS}
    WHERE actor = %(actor)s OR %(actor)s = '' ORDER BY started_us DESC, id LIMIT %(limit)s"""
_GLASS_REVIEW: Final = """
    UPDATE glass
    SET reviewed_by = %s, reviewed_us = %s, outcome = %s, until_us = least(until_us, %s)
    WHERE id = %s AND outcome = ''"""
_GLASS_END: Final = "UPDATE glass SET until_us = %(now)s WHERE id = %(id)s AND until_us > %(now)s"


#: In place of what was written about somebody whose key was destroyed.
_TEXT_DESTROYED: Final = "destroyed with the key of the person it was about"


class PostgresGlass:
    """Implements ``GlassRecords``. What was written is sealed under the patient's own key."""

    def __init__(self, store: PostgresStore) -> None:
        self._store, self._guard = store, store.guard

    def open_of(
        self, grant: Grant, actor: str, source_patients: Sequence[str], now_us: int
    ) -> Glass | None:
        """The open glass of ``actor`` for the person that these patients are, without its text."""
        with self._store.entered(grant) as conn:
            values = (actor.encode(), int8(now_us), packed("text", source_patients))
            (found,) = look(conn, (_GLASS_OPEN, values))
        return self._glass(None, found[0]) if found else None

    def add(self, grant: Grant, glass: Glass) -> None:
        """Keeps a new record, durably."""
        subject = glass.source_patients[0]
        body = self._guard.seal(subject, "glass", glass.id, "1", glass.text.encode())
        row = (
            *(glass.id, GLASS_SUBJECT, glass.actor, list(glass.source_patients), glass.reason),
            *(glass.started_us, glass.until_us, body),
        )
        with self._store.entered(grant) as conn:
            conn.execute(_GLASS_ADD, row)

    def list(self, grant: Grant, *, actor: str = "", limit: int = 200) -> builtins.list[Glass]:
        """Records, newest first, of one actor or all; texts only of patients the grant covers."""
        with self._store.entered(grant) as conn:
            values = {"actor": actor, "limit": limit}
            rows = conn.execute(_GLASS_LIST, values, binary=True).fetchall()
        return [self._glass(grant, row) for row in rows]

    def get(self, grant: Grant, glass_id: str) -> Glass:
        """One record; raises ``NotFound``."""
        with self._store.entered(grant) as conn:
            row = conn.execute(f"{_GLASS} WHERE id = %s", (glass_id,), binary=True).fetchone()
        if row is None:
            raise NotFound("there is no such record.")
        return self._glass(grant, row)

    def review(self, grant: Grant, glass_id: str, by: str, outcome: str, now_us: int) -> bool:
        """Closes the review and ends what is still open; False if it was reviewed before."""
        with self._store.entered(grant) as conn:
            values = (by, now_us, outcome, now_us, glass_id)
            return conn.execute(_GLASS_REVIEW, values).rowcount > 0

    def end(self, grant: Grant, glass_id: str, now_us: int) -> bool:
        """Ends emergency access before its time; False if it was over."""
        with self._store.entered(grant) as conn:
            return conn.execute(_GLASS_END, {"now": now_us, "id": glass_id}).rowcount > 0

    def _glass(self, grant: Grant | None, row: tuple[Any, ...]) -> Glass:
        id, actor, patients, reason, started, until, by, reviewed, outcome, body = row
        text = ""
        if grant is not None and self._guard.covers(grant, patients[0]):
            try:
                text = self._guard.unseal(grant, patients[0], "glass", id, "1", body).decode()
            except SubjectShredded:
                text = _TEXT_DESTROYED  # the record of the access stays, what was written does not
        return Glass(
            *(id, actor, tuple(patients), reason, text, started, until, by, reviewed, outcome)
        )
