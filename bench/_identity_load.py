"""Many records of patients in a store at once, by the same code that writes them one by one.

Records, keys, seals and subject keys are made as the worker makes them; only the rows go in by
COPY, and the index of keys is built at the end. Decisions between records of one person are made
and loaded too; those between records of different persons (a few reviews) are not.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from chartloom.domain.ids import make_id
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.deciding import Decider
from chartloom.engines.postgres.matching import Changed, MatchIndex, key_numbers
from chartloom.engines.postgres.queries_identity import PARAMETERS, PARAMETERS_PUT
from chartloom.registry.persons import Outcome, decide, pair_of, standardise
from chartloom.simulate.identity import PROFILES, Labelled, generate

NAMESPACE = UUID(int=4)
WORLD = 20_000
_CHUNK = 2_000
#: Rows of two columns as COPY reads them; millions of them go in.
_COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_KEY_ROW = struct.Struct("!hiqii").pack


def labelled(count: int, held_back: int) -> Iterator[tuple[list[Labelled], list[Labelled]]]:
    """World after world until there are ``count`` records: (to load, to arrive later)."""
    loaded, seed = 0, 5_000
    worlds = max(1, count // int(WORLD * 1.6))
    later = -(-held_back // worlds)
    while loaded < count:
        some = [_of_world(seed, x) for x in generate(seed, WORLD, PROFILES["desk"])]
        now = some[: max(0, len(some) - later)][: count - loaded]
        yield now, some[len(some) - later :]
        loaded += len(now)
        seed += 1


def _of_world(seed: int, one: Labelled) -> Labelled:
    """Systems number their patients from 1 on in every world; here the numbers are others."""
    numbers = [_numbered(seed, i) for i in one.patient.get("identifier", ())]
    return msgspec.structs.replace(one, patient={**one.patient, "identifier": numbers})


def _numbered(seed: int, identifier: dict[str, Any]) -> dict[str, Any]:
    codes = {c.get("code") for c in identifier.get("type", {}).get("coding", ())}
    if codes.isdisjoint({"MR", "PI"}):
        return identifier
    return {**identifier, "value": f"{seed}-{identifier['value']}"}


def patient_id(world: int, one: Labelled) -> str:
    """As normalisation makes them."""
    return make_id(NAMESPACE, "reg", "Patient", str(world), one.id)


class Loader:
    """Loads chunk by chunk; :meth:`finish` builds the index."""

    def __init__(self, store: PostgresStore) -> None:
        self.store, self.conn = store, psycopg.connect(store.dsn, autocommit=True)
        self._index = MatchIndex(store.guard)
        self._decider = Decider(store.guard, store._bodies, store.parameters)
        self.number = 0
        self.decisions = 0
        self.keys = 0
        self.conn.execute("SET synchronous_commit = off")
        self.conn.execute("ALTER TABLE match_key DROP CONSTRAINT match_key_pkey")
        fingerprint = (store.parameters.fingerprint,)
        self.conn.execute(PARAMETERS_PUT.encode(), fingerprint)
        row = self.conn.execute(PARAMETERS.encode(), fingerprint).fetchone()
        assert row is not None
        self._version = row[0]

    def load(self, world: int, some: Sequence[Labelled]) -> None:
        """Records of one world."""
        some = sorted(some, key=lambda one: one.person)
        for start in range(0, len(some), _CHUNK):
            self._chunk(world, some[start : start + _CHUNK])

    def _chunk(self, world: int, some: Sequence[Labelled]) -> None:
        changed = [self._changed(patient_id(world, one), one) for one in some]
        self.store.guard.prepare([c.patient for c in changed], unseen=True)
        persons: dict[str, list[Changed]] = {}
        for one, c in zip(some, changed, strict=True):
            persons.setdefault(one.person, []).append(c)
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
            self._people(persons.values())

    def _changed(self, patient: str, one: Labelled) -> Changed:
        record = standardise(one.patient)
        digest = self._index.digest(one.patient)
        return Changed(patient, 1, digest, record, key_numbers(self.store.guard, record))

    def _people(self, persons: Any) -> None:
        rows, clusters = [], []
        for members in persons:
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
        self.conn.execute("SET maintenance_work_mem = '512MB'")
        self.conn.execute("ALTER TABLE match_key ADD PRIMARY KEY (key, number)")
        self.conn.execute(
            f"ALTER TABLE match_record ALTER COLUMN number RESTART WITH {self.number + 1}".encode()
        )
        self.conn.execute("VACUUM ANALYZE match_record, match_key, identity_decision, person")
        self.conn.execute("CHECKPOINT")

    def sizes(self) -> dict[str, int]:
        """Bytes of tables and indexes."""
        query = """
            SELECT relname, pg_total_relation_size(oid), pg_indexes_size(oid) FROM pg_class
            WHERE relname IN ('match_record', 'match_key', 'identity_decision', 'subject_key')"""
        found: dict[str, int] = {}
        for name, total, indexes in self.conn.execute(query).fetchall():
            found |= {f"{name}_mb": total // 1_000_000, f"{name}_indexes_mb": indexes // 1_000_000}
        return found
