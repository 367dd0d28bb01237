"""The directory in the store: words of stewards, what nobody knows, tables as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from chartloom.domain.directory import DirectoryVersion, Unknown, UnknownReference
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.resource import FhirJson
from chartloom.domain.store import Batch
from chartloom.engines.postgres.access import entered
from chartloom.engines.postgres.arrays import packed
from chartloom.engines.postgres.calls import Step, call, int8
from chartloom.engines.postgres.lanes import LanesPart
from chartloom.engines.postgres.queries import STATE
from chartloom.guard import DIRECTORY_KIND, Guard

_WORDS: Final = f"""
    SELECT {STATE} FROM resource WHERE directory AND type = 'Basic'"""  # noqa: S608
_WORDS_SIZE: Final = """
    SELECT count(*), coalesce(max(version), 0) FROM resource WHERE directory AND type = 'Basic'"""
_UNKNOWN: Final = """
    SELECT feed, kind, id, (array_agg(body ORDER BY first_position, body))[1], sum(count)::int8,
        min(first_position), max(last_position)
    FROM unknown_reference GROUP BY feed, kind, id
    ORDER BY sum(count) DESC, feed, kind, id LIMIT %s"""
_VERSIONS: Final = "SELECT fingerprint, seen_us FROM directory_version ORDER BY seen_us DESC"
_FILES: Final = "SELECT body FROM directory_version WHERE fingerprint = %s"
_KNOWN: Final = "SELECT FROM directory_version WHERE fingerprint = %s"
_SAVE: Final = """
    INSERT INTO directory_version (seen_us, fingerprint, body) VALUES (%s, %s, %s)
    ON CONFLICT DO NOTHING"""
_BATCH: Final = call(
    "batch_unknown",
    ("int8", "text[]", "text[]", "text[]", "int4[]", "int8[]", "int8[]", "bytea[]"),
)
_COLUMNS: Final = ("text", "text", "text", "int4", "int8", "int8", "bytea")
_TABLES: Final = msgspec.msgpack.Decoder(dict[str, bytes])
_ONE: Final = msgspec.msgpack.Decoder(Unknown)


class DirectoryPart(LanesPart):
    """Implements ``DirectoryRecords``."""

    _said_so_far: tuple[tuple[int, int], list[FhirJson]] = ((-1, -1), [])

    def directory_words(self, grant: Grant) -> list[FhirJson]:
        """All words there are; opened once, and again when there are others."""
        with self._reading(grant) as conn:
            size = conn.execute(_WORDS_SIZE).fetchone()
            assert size is not None
            if self._said_so_far[0] != tuple(size):
                rows = conn.execute(_WORDS, binary=True).fetchall()
                found = [self._bodies.open_state(grant, *row).resource for row in rows]
                self._said_so_far = ((size[0], size[1]), found)
            return list(self._said_so_far[1])

    def unknown_references(self, grant: Grant, limit: int = 5000) -> list[UnknownReference]:
        """By feed, those that are named most often first."""
        with self._reading(grant) as conn:
            rows = conn.execute(_UNKNOWN, (limit,), binary=True).fetchall()
        found = []
        for feed, kind, id, sealed, count, first, last in rows:
            plain = self._guard.unseal(grant, "", DIRECTORY_KIND, f"{kind}/{id}", feed, sealed)
            found.append(UnknownReference(feed, _ONE.decode(plain), count, first, last))
        return found

    def directory_versions(self, grant: Grant) -> list[DirectoryVersion]:
        """The tables there were, latest first."""
        with self._reading(grant) as conn:
            return [DirectoryVersion(*row) for row in conn.execute(_VERSIONS).fetchall()]

    def directory_files(self, grant: Grant, fingerprint: str) -> dict[str, bytes]:
        """Tables as they were: name -> content. Raises ``NotFound``."""
        with self._reading(grant) as conn:
            row = conn.execute(_FILES, (fingerprint,), binary=True).fetchone()
        if row is None:
            raise NotFound("those tables of the directory were not kept.")
        return _TABLES.decode(
            self._guard.unseal(grant, "", DIRECTORY_KIND, "tables", fingerprint, row[0])
        )

    def save_directory(self, fingerprint: str, files: Mapping[str, bytes]) -> None:
        """Keeps tables under their fingerprint as of now; known ones are left alone."""
        with self._lane.use() as conn:
            self._first_day(conn)
            with entered(conn, self._service()):
                if conn.execute(_KNOWN, (fingerprint,)).fetchone() is None:
                    plain = msgspec.msgpack.encode(dict(sorted(files.items())))
                    sealed = self._guard.seal("", DIRECTORY_KIND, "tables", fingerprint, plain)
                    conn.execute(_SAVE, (self._clock.now_us(), fingerprint, sealed))


def unknown(guard: Guard, batch: Batch, shard: int) -> list[Step]:
    """What has to be written of what the messages of a batch named and nobody knows."""
    feed_of = {m.position: m.feed for m in batch.messages}
    found: dict[tuple[str, str, str], tuple[Unknown, list[int]]] = {}
    for d in batch.derived:
        if d.unknown and not d.quarantine:
            for one in d.unknown:
                key = (feed_of[d.position], one.kind, one.id)
                found.setdefault(key, (one, []))[1].append(d.position)
    if not found:
        return []
    rows = [
        (*key, len(at), min(at), max(at), _sealed(guard, key, one))
        for key, (one, at) in sorted(found.items())
    ]
    columns = zip(_COLUMNS, zip(*rows, strict=True), strict=True)
    return [(_BATCH, [int8(shard), *(packed(kind, column) for kind, column in columns)])]


def _sealed(guard: Guard, key: tuple[str, str, str], one: Unknown) -> bytes:
    feed, kind, id = key
    return guard.seal("", DIRECTORY_KIND, f"{kind}/{id}", feed, msgspec.msgpack.encode(one))
