"""What protects the store and lies in it: subject keys, the audit log, used tokens, erasure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol

from psycopg import sql

from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Grant
from chartloom.domain.keys import Tombstone
from chartloom.engines.postgres.access import BEGIN_ACCESS
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.base import StoreBase
from chartloom.engines.postgres.calls import Prepared
from chartloom.engines.postgres.collisions import until_done
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.settling import Settler
from chartloom.engines.postgres.subject_keys import PostgresSubjectKeys
from chartloom.engines.postgres.used_tokens import PostgresUsedTokens
from chartloom.guard import SEAL_OVERHEAD_BYTES
from chartloom.guard.keys import Kek, KeyBroker

#: How soon every process notices a key that another destroyed.
FORGET_WITHIN_S: Final = 0.5

#: The log itself and the record of what became of it stay, unreadable: their order and number do
#: not depend on who was erased. The partitions are part of ``landing``.
_STAYS: Final = ("landing", "bundle", "outcome", "match_rules")

#: What batches write before they take the lock of all clusters is emptied before it is taken here,
#: in their order: see "Locks" in the README. All else is emptied under it.
_BEFORE_CLUSTERS: Final = ("resource", "view", "care", "person_label", "label_word")

#: The tables that stay and hold bodies, with their keys.
_LOGGED_BODIES: Final = (("landing", "position"), ("bundle", "position, ordinal"))
_OLD_BODIES: Final = """
SELECT {key}, octet_length(body) FROM {t}
WHERE source_patient = ANY (%s) AND get_byte(body, 0) = 1"""
_OVERWRITE: Final = "UPDATE {t} SET body = %b WHERE ({key}) = ({marks})"

_TABLES_OF_PATIENTS: Final = """
SELECT c.relname, array_agg(a.attname::text ORDER BY a.attname)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attname IN ('source_patient', 'surviving', 'prior', 'low', 'high') AND NOT a.attisdropped
    AND c.relname <> ALL (%s)
GROUP BY c.relname ORDER BY c.relname"""


class _Closes(Protocol):
    def close(self) -> None: ...


class KeepingPart(StoreBase):
    """Opens the other stores of a site on the same database; they are closed with this one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._opened: list[_Closes] = []
        self._erasing = Prepared()

    def subject_keys(self, *, keeping: bool = False) -> PostgresSubjectKeys:
        """Wrapped keys. keeping: to rotate and destroy them, which only the store's owner may."""
        connector = self._owner if keeping else self._as(self._owner, Role.WORKER)
        keys = PostgresSubjectKeys(connector, self._guard)
        self._opened.append(keys)
        return keys

    def audit_log(self) -> PostgresAuditLog:
        """The audit log."""
        log = PostgresAuditLog(self._as(self._owner, Role.SERVE), self._guard)
        self._opened.append(log)
        return log

    def used_tokens(self) -> PostgresUsedTokens:
        """Tokens that are good for one use."""
        used = PostgresUsedTokens(self._as(self._owner, Role.SERVE), self._guard, self._clock)
        self._opened.append(used)
        return used

    def use_subject_keys(self, kek: Kek, *, keeping: bool = False) -> KeyBroker:
        """From now on the guard seals with a key per subject, wrapped by ``kek``."""
        broker = KeyBroker(
            kek,
            self.subject_keys(keeping=keeping),
            self._guard,
            self._clock,
            forget_within_s=FORGET_WITHIN_S,
        )
        self._guard.use(broker)
        return broker

    def erase(self, grant: Grant, source_patients: Sequence[str]) -> dict[str, int]:
        """Removes every row about source patients whose keys were destroyed: what is derived, the
        fingerprints by which they are found, links, relations. How many by table.

        Their messages stay in the log, and nobody can read them; bodies that were sealed before the
        site had subject keys are overwritten. Whoever was one person with others only by way of
        them is so no more. Raises ``GrantRefused`` if the
        grant is not for everyone, or a key is still there.
        """
        self._verify_for_all(grant)
        kept = self._keeper().get(source_patients)
        if any(not isinstance(kept.get(s), Tombstone) for s in source_patients):
            raise GrantRefused("the key of this record is still there.", cure="Destroy it first.")
        removed = until_done(lambda: self._erased(grant, list(source_patients)))
        self._admin.close()
        return removed

    def _erased(self, grant: Grant, who: list[str]) -> dict[str, int]:
        """One transaction."""
        removed: dict[str, int] = {}
        settler = Settler(self._guard, self._bodies, self._erasing, self.parameters)
        with self._admin.use() as conn, self._under_claim(conn, settler):
            found = conn.execute(_TABLES_OF_PATIENTS, (list(_STAYS),)).fetchall()
            tables: dict[str, list[str]] = dict(found)
            for table, key in _LOGGED_BODIES:
                self._overwrite(conn, table, key, who)
            for table in _BEFORE_CLUSTERS:
                removed[table] = _emptied(conn, table, tables.pop(table), who)
            left = settler.leave(conn, grant, who)
            for table, columns in tables.items():
                removed[table] = _emptied(conn, table, columns, who)
            settler.resettle(conn, grant, left, self._clock.now_us())
        return {table: count for table, count in sorted(removed.items()) if count}

    @contextmanager
    def _under_claim(self, conn: Connection, settler: Settler) -> Iterator[None]:
        claimed = self._service()
        settler.ready(conn, claimed)
        with conn.transaction():
            conn.execute(BEGIN_ACCESS, claimed)
            yield

    def _overwrite(
        self, conn: Connection, table: str, key: str, source_patients: Sequence[str]
    ) -> None:
        """Bodies of before subject keys: their key is derived and cannot be destroyed."""
        names = {"t": sql.Identifier(table), "key": sql.SQL(key)}
        old = sql.SQL(_OLD_BODIES).format(**names)
        for *place, size in conn.execute(old, (list(source_patients),)).fetchall():
            plain = bytes(max(0, size - SEAL_OVERHEAD_BYTES))
            marks = sql.SQL(", ").join([sql.Placeholder()] * len(place))
            update = sql.SQL(_OVERWRITE).format(marks=marks, **names)
            conn.execute(update, (self._guard.seal_for_nobody(plain), *place))

    def close(self) -> None:
        """Closes everything that was opened from here as well."""
        for opened in self._opened:
            opened.close()
        super().close()

    def _keeper(self) -> PostgresSubjectKeys:
        return self.subject_keys(keeping=True)


def _emptied(conn: Connection, table: str, columns: Sequence[str], who: list[str]) -> int:
    """Removes the rows that name one of these; how many."""
    condition = sql.SQL(" OR ").join(
        sql.SQL("{} = ANY (%(who)s)").format(sql.Identifier(c)) for c in columns
    )
    query = sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), condition)
    return conn.execute(query, {"who": who}).rowcount
