"""Many records of patients in a store at once, by the same code that writes them one by one.

Records, keys, seals and subject keys are made as the worker makes them; only the rows go in by
COPY, and the index of keys is built at the end. Decisions between records of one person are made
and loaded too; those between records of different persons (a few reviews) are not. Who is who is
kept beside it (``bench.truth``), so that what the store decides later can be judged.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from uuid import UUID

import psycopg

from chartloom.domain.ids import make_id
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.deciding import Decider
from chartloom.engines.postgres.matching import Changed, MatchIndex, key_numbers
from chartloom.engines.postgres.queries_identity import PARAMETERS, PARAMETERS_PUT
from chartloom.registry.persons import Outcome, decide, pair_of, standardise
from chartloom.simulate.identity import PROFILES, Labelled, by_person

NAMESPACE = UUID(int=4)
SEED: Final = 5_000
#: Of persons, so many arrive once more, or for the first time, when all others are there.
_LATER_MAX: Final = 25_000
_CHUNK = 2_000
#: Rows of two columns as COPY reads them; millions of them go in.
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_KEY_ROW = struct.Struct("!hiqii").pack


def labelled(records: int, noise: str) -> Iterator[tuple[list[Labelled], list[Labelled]]]:
    """Person by person of one world, until there are ``records``: (to load, to arrive later)."""
    loaded, people = 0, int(records * 0.62) + 50
    one_of = max(6, people // _LATER_MAX)
    for some in by_person(SEED, people, PROFILES[noise]):
        later = some[-1:] if some and _hashed(some[-1].person) % one_of == 0 else []
        now = some[: len(some) - len(later)]
        yield now, later
        loaded += len(now)
        if loaded >= records:
            return


def _hashed(person: str) -> int:
    return int.from_bytes(hashlib.blake2b(person.encode(), digest_size=4).digest())


def patient_id(record_id: str) -> str:
    """Of a record that was loaded."""
    return make_id(NAMESPACE, "reg", "Patient", record_id)


class Loader:
    """Loads chunk by chunk; :meth:`finish` builds the index."""

    def __init__(self, store: PostgresStore) -> None:
        self.store, self.conn = store, psycopg.connect(store.dsn, autocommit=True)
        self._index = MatchIndex(store.guard)
        self._decider = Decider(store.guard, store._bodies, store.parameters)
        self.number = 0
        self.decisions = 0
        self.keys = 0
        self._waiting: list[list[Labelled]] = []
        self.conn.execute("SET synchronous_commit = off")
        self.conn.execute("ALTER TABLE match_key DROP CONSTRAINT match_key_pkey")
        self.conn.execute("CREATE SCHEMA bench")
        self.conn.execute('CREATE TABLE bench.truth (source_patient text COLLATE "C", person text)')
        fingerprint = (store.parameters.fingerprint,)
        self.conn.execute(PARAMETERS_PUT.encode(), fingerprint)
        row = self.conn.execute(PARAMETERS.encode(), fingerprint).fetchone()
        assert row is not None
        self._version = row[0]

    def put(self, records: list[Labelled]) -> None:
        """Records of one person."""
        self._waiting.append(records)
        if len(self._waiting) >= _CHUNK:
            self._chunk(self._waiting)
            self._waiting = []

    def _chunk(self, persons: Sequence[list[Labelled]]) -> None:
        people = [[self._changed(one) for one in some] for some in persons]
        changed = [c for some in people for c in some]
        self.store.guard.prepare([c.patient for c in changed], unseen=True)
        seal = self.store._bodies.seal_match
        with self.conn.transaction():
            first = self.number + 1
            with self.conn.cursor().copy(
                "COPY match_record (position, number, source_patient, digest, body, keys)"
                " FROM STDIN (FORMAT binary)"
            ) as copy:
                copy.set_types(["int8", "int4", "text", "bytea", "bytea", "int8[]"])
                for n, c in enumerate(changed, first):
                    body = seal(c.patient, c.digest, c.record)
                    copy.write_row((c.position, n, c.patient, c.digest, body, list(c.keys)))
            text = "COPY match_key (key, number) FROM STDIN (FORMAT binary)"
            with self.conn.cursor().copy(text) as copy:
                rows = [
                    _KEY_ROW(2, 8, k, 4, n) for n, c in enumerate(changed, first) for k in c.keys
                ]
                copy.write(_COPY_HEAD + b"".join(rows) + _COPY_END)
                self.keys += len(rows)
            self.number += len(changed)
            self.told(one for some in persons for one in some)
            self._people(people)

    def told(self, some: Iterable[Labelled]) -> None:
        """Keeps who they are."""
        with self.conn.cursor().copy("COPY bench.truth FROM STDIN") as copy:
            for one in some:
                copy.write_row((patient_id(one.id), one.person))

    def _changed(self, one: Labelled) -> Changed:
        record = standardise(one.patient)
        digest = self._index.digest(one.patient)
        return Changed(patient_id(one.id), 1, digest, record, key_numbers(self.store.guard, record))

    def _people(self, people: Iterable[list[Changed]]) -> None:
        rows, clusters = [], []
        for members in people:
            linked = {c.patient: c.patient for c in members}
            for i, a in enumerate(members):
                for b in members[i + 1 :]:
                    if set(a.keys).isdisjoint(b.keys):
                        continue
                    decision = decide(a.record, b.record, self.store.parameters)
                    if decision.outcome is Outcome.NEW:
                        continue
                    pair = pair_of(a.patient, b.patient)
                    rows.append(self._decider._row(pair, decision, 1))
                    if decision.outcome is Outcome.LINK:
                        low, high = sorted((linked[a.patient], linked[b.patient]))
                        linked = {k: low if v == high else v for k, v in linked.items()}
            clusters += linked.items()
        self.decisions += len(rows)
        with self.conn.cursor().copy(
            "COPY identity_decision (position, weight, version, apart, low, high, outcome, rule,"
            " guard, evidence) FROM STDIN"
        ) as copy:
            for row in rows:
                copy.write_row((*row[:2], self._version, *row[3:]))
        with self.conn.cursor().copy("COPY person (source_patient, person_id) FROM STDIN") as copy:
            for pair in clusters:
                copy.write_row(pair)

    def finish(self) -> None:
        """Index, statistics, numbers."""
        self._chunk(self._waiting)
        self.conn.execute("SET maintenance_work_mem = '1GB'")
        self.conn.execute("ALTER TABLE match_key ADD PRIMARY KEY (key, number)")
        self.conn.execute(
            f"ALTER TABLE match_record ALTER COLUMN number RESTART WITH {self.number + 1}".encode()
        )
        self.conn.execute("CREATE INDEX ON bench.truth (source_patient)")
        self.conn.execute(
            "VACUUM ANALYZE match_record, match_key, identity_decision, person, subject_key,"
            " bench.truth"
        )
        self.conn.execute("CHECKPOINT")


def sizes(conn: psycopg.Connection) -> dict[str, int]:
    """Bytes of tables and indexes."""
    query = """
        SELECT relname, pg_total_relation_size(oid), pg_indexes_size(oid) FROM pg_class
        WHERE relname IN ('match_record', 'match_key', 'identity_decision', 'subject_key')"""
    found: dict[str, int] = {}
    for name, total, indexes in conn.execute(query).fetchall():
        found |= {f"{name}_mb": total // 1_000_000, f"{name}_indexes_mb": indexes // 1_000_000}
    return found
