"""One number for everything derived: equal before and after a replay, whatever the order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from chartloom.domain import codec
from chartloom.domain.grant import Grant
from chartloom.engines.postgres import queries_read
from chartloom.engines.postgres.access import BEGIN_SNAPSHOT, claim, entered
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.queries import STATE_WIDTH

_FETCH = 1000
_MODULUS = 1 << 256


class DigestPart(StoreBase):
    """A check over the whole store, for replays and tests."""

    def digest(self, grant: Grant) -> str:
        """SHA-256 based digest of all derived content, opened: states, views, bundles, persons,
        links, identifiers, outcomes. When and by which worker it was applied does not count.

        Needs a grant for everyone. Reads everything: minutes for a large store.
        """
        self._verify_for_all(grant)
        total = 0
        claimed = claim(self._guard, grant)
        # A connection without time limit, and one snapshot for all tables.
        with self._reading_all.use() as conn:
            self._first_day(conn)
            with entered(conn, claimed, BEGIN_SNAPSHOT):
                for item in self._items(conn, grant):
                    digest = hashlib.sha256(codec.encode_sorted(item)).digest()
                    total += int.from_bytes(digest, "big")
        return f"{total % _MODULUS:064x}"

    def _items(self, conn: Connection, grant: Grant) -> Iterator[Any]:
        for row in _stream(conn, queries_read.DIGEST_STATES):
            state = self._bodies.open_state(grant, *row[:STATE_WIDTH])
            yield "state", state.resource, state.stamps, row[1:3], row[5], row[STATE_WIDTH:]
        for row in _stream(conn, queries_read.DIGEST_VIEWS):
            view = self._bodies.open_view(grant, *row)
            yield "view", view.key, view.total, view.entries
        for position, ordinal, patient, *sealed in _stream(conn, queries_read.DIGEST_BUNDLES):
            body = self._bodies.open_bundle(grant, position, ordinal, patient, *sealed)
            # What is cut out of the message says when it was applied, and by which version.
            yield "bundle", position, patient, msgspec.structs.replace(body, excerpt=None)
        for number, query in enumerate(queries_read.DIGEST_PLAIN):
            for row in _stream(conn, query):
                yield "plain", number, row


def _stream(conn: Connection, query: str) -> Iterator[tuple[Any, ...]]:
    with conn.cursor(name="digest", binary=True) as cursor:
        cursor.itersize = _FETCH
        cursor.execute(query.encode())
        yield from cursor
