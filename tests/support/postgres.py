"""A real embedded PostgreSQL for tests: one server per test run, one database per store.

With ``CHARTLOOM_TEST_DSN`` the stores are made on that server instead: its role needs the rights to
create databases and roles, and nothing more.

Ask for the fixture ``store_factory`` and call it. The fixtures stand in ``tests/conftest.py`` and
nowhere else: a module that imports them has a server of its own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg
import pytest
from psycopg import sql

from chartloom.domain.ports import Clock
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore
from chartloom.engines.postgres.protection import password, role_name
from chartloom.engines.postgres.protection_rules import OWNER, Role
from chartloom.guard import Guard, SystemClock
from chartloom.guard.keys import FileKek

_NUMBER = itertools.count(1)
DSN_VARIABLE = "CHARTLOOM_TEST_DSN"
_MEMORY = "/dev/shm"
_MEMORY_BYTES_MIN = 2 * 1024**3
#: Set: the given server is thrown away afterwards, so migrated databases to copy may stay on it.
TEMPLATES = "CHARTLOOM_TEST_TEMPLATES"


class Server(Protocol):
    """Where databases can be made."""

    @property
    def dsn(self) -> str: ...


@dataclass(frozen=True)
class GivenServer:
    """A server that somebody else runs."""

    dsn: str


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The server; its folder is short (socket paths are) and removed at the end."""
    if given := os.environ.get(DSN_VARIABLE):
        yield GivenServer(given)
        return
    folder = Path(tempfile.mkdtemp(prefix="chartloom-test-", dir=quick_folder()))
    server = EmbeddedPostgres(folder / "pg")
    server.start()
    # Durability is tested with servers of their own; here it would only cost time.
    with psycopg.connect(server.dsn, autocommit=True) as conn:
        conn.execute("ALTER SYSTEM SET fsync = off")
        conn.execute("SELECT pg_reload_conf()")
    yield server
    _forget_templates()
    server.stop()
    shutil.rmtree(folder)


def quick_folder() -> str | None:
    """Where files that need not outlive the machine are quickest: memory, if it has room."""
    try:
        room = shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES_MIN
    except OSError:
        return None
    return _MEMORY if room and os.access(_MEMORY, os.W_OK) else None


@dataclass(frozen=True)
class Template:
    """A migrated, empty database with its keys: it is copied much quicker than made."""

    database: str
    keys: Path


#: By server, by how many stores a test has already (two stores of one test share no keys), by
#: lanes and by the day that a store was made on: all else is the same whenever it is made.
_TEMPLATES: dict[tuple[str, int, int, int], Template] = {}
_TEMPLATES_MAX = 6
_DAY_US = 86_400_000_000


def _forget_templates() -> None:
    for template in _TEMPLATES.values():
        shutil.rmtree(template.keys.parent)
    _TEMPLATES.clear()


def _template(server: Server, number: int, lanes: int = 64, clock: Clock | None = None) -> Template:
    clock = clock or SystemClock()
    day = clock.now_us() // _DAY_US
    known = _TEMPLATES.get((server.dsn, number, lanes, day))
    if known is None:
        name = f"template_{os.getpid()}_{number}_{lanes}_{day}"
        keys = Path(tempfile.mkdtemp(prefix="chartloom-keys-")) / "keys"
        with psycopg.connect(server.dsn, autocommit=True) as conn:
            conn.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        dsn = psycopg.conninfo.make_conninfo(server.dsn, dbname=name)
        store = PostgresStore(dsn, Guard.open(keys, clock), clock, lanes)
        store.migrate()
        store.close()
        known = _TEMPLATES[server.dsn, number, lanes, day] = Template(name, keys)
    return known


class StoreFactory:
    """Makes empty stores, each in a database of its own with keys of its own."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server, self.folder = server, folder
        self._open: list[PostgresStore] = []
        #: With the number of the template that each could be copied from.
        self._databases: dict[str, int] = {}
        self._guards: list[Guard] = []

    def __call__(
        self, *, clock: Clock | None = None, lanes: int = 64, alone: bool = False
    ) -> PostgresStore:
        """A migrated, empty store. ``store.guard`` mints grants for it. alone: no other database
        knows its roles."""
        clock = clock or SystemClock()
        name = f"test_{os.getpid()}_{next(_NUMBER)}"
        number = next(n for n in itertools.count() if n not in self._databases.values())
        create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
        kept = isinstance(self.server, EmbeddedPostgres) or TEMPLATES in os.environ
        copied = kept and number < _TEMPLATES_MAX and not alone
        if copied:
            template = _template(self.server, number, lanes, clock)
            shutil.copytree(template.keys, self.folder / f"keys-{name}")
            copy = sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY")
            create += copy.format(sql.Identifier(template.database))
        with psycopg.connect(self.server.dsn, autocommit=True) as conn:
            conn.execute(create)
        self._databases[name] = number
        guard = Guard.open(self.folder / f"keys-{name}", clock)
        store = self.again(name, guard, clock=clock, lanes=lanes)
        if copied:
            self._protect(name, guard)
        else:
            self._guards.append(guard)
            store.migrate()
        # As a site has it: a key per subject. All stores of one guard ask this one's keys.
        store.use_subject_keys(FileKek(self.folder / f"kek-{name}", create=True), keeping=True)
        return store

    def _protect(self, database: str, guard: Guard) -> None:
        """What belongs to the database itself is not copied with it."""
        everybody = sql.SQL(", ").join(
            [sql.SQL("PUBLIC"), *(sql.Identifier(role_name(guard, role)) for role in Role)]
        )
        name = sql.Identifier(database)
        with psycopg.connect(self.server.dsn, autocommit=True) as conn:
            revoke = sql.SQL("REVOKE TEMPORARY, CREATE ON DATABASE {} FROM {}")
            conn.execute(revoke.format(name, everybody))
            for role in Role:
                who = sql.Identifier(role_name(guard, role))
                conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(name, who))

    def again(
        self, database: str, guard: Guard, *, clock: Clock | None = None, lanes: int = 64
    ) -> PostgresStore:
        """Another store object (another process, as it were) on the same database."""
        dsn = psycopg.conninfo.make_conninfo(self.server.dsn, dbname=database)
        store = PostgresStore(dsn, guard, clock or SystemClock(), lanes)
        self._open.append(store)
        return store

    def second(self, store: PostgresStore) -> PostgresStore:
        """A second store object beside ``store``, with its own connections."""
        dsn = psycopg.conninfo.conninfo_to_dict(store.dsn)
        return self.again(str(dsn["dbname"]), store.guard, clock=store.clock, lanes=store.lanes)

    def drop(self, store: PostgresStore) -> None:
        """Drops a store that is not needed any more, so that the next is made as quickly."""
        name = str(psycopg.conninfo.conninfo_to_dict(store.dsn)["dbname"])
        store.close()
        with psycopg.connect(self.server.dsn, autocommit=True) as conn:
            drop_database(conn, name)
        del self._databases[name]

    def close(self) -> None:
        """Closes all stores and drops their databases."""
        for store in self._open:
            store.close()
        with psycopg.connect(self.server.dsn, autocommit=True) as conn:
            for name in self._databases:
                drop_database(conn, name)
            for guard in self._guards:
                for role in (*Role, OWNER):
                    drop = sql.SQL("DROP ROLE IF EXISTS {}")
                    conn.execute(drop.format(sql.Identifier(role_name(guard, role))))


def as_role(store: PostgresStore, role: Role) -> psycopg.Connection:
    """A connection of one of the store's own roles, as somebody who stole its password has it."""
    login = {"user": role_name(store.guard, role), "password": password(store.guard, role)}
    dsn = psycopg.conninfo.make_conninfo(store.dsn, passfile=os.devnull, **login)
    return psycopg.connect(dsn, autocommit=True)


def drop_database(conn: psycopg.Connection, name: str) -> None:
    """Drops a database. An ordinary role may not end a superuser's autovacuum in it: it waits."""
    drop = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    for _ in range(100):
        try:
            conn.execute(drop)
        except psycopg.errors.InsufficientPrivilege:
            time.sleep(0.1)
        else:
            return
    conn.execute(drop)


@pytest.fixture
def store_factory(postgres_server: Server, tmp_path: Path) -> Iterator[StoreFactory]:
    """Makes stores for one test."""
    factory = StoreFactory(postgres_server, tmp_path)
    yield factory
    factory.close()


@pytest.fixture
def store(store_factory: Callable[..., PostgresStore]) -> PostgresStore:
    """One empty store."""
    return store_factory()
