"""Numbered migrations under a lock, and the day partitions of the log."""

from __future__ import annotations

import importlib.resources
import re

import psycopg

from chartloom.domain.errors import ConfigurationError
from chartloom.engines.postgres import protection, queries
from chartloom.engines.postgres.access import BEGIN_ACCESS, ServiceClaims
from chartloom.engines.postgres.connect import SERVER_VERSION_MIN, Connection
from chartloom.guard import Guard

#: Any number that nobody else locks.
_MIGRATION_LOCK = 0x63686172746C6F6D
_NAME = re.compile(r"(\d{4})_(\w+)\.sql")

#: Each day of the log owns this many positions: day 3 begins at 3,000,000,001.
POSITIONS_PER_DAY = 1_000_000_000
_DAY_US = 86_400_000_000


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL), in order."""
    folder = importlib.resources.files("chartloom.engines.postgres").joinpath("sql")
    found = [(m, f) for f in folder.iterdir() if (m := _NAME.fullmatch(f.name))]
    return sorted((int(m[1]), m[2], f.read_text("utf-8")) for m, f in found)


def migrate(conn: Connection, guard: Guard, lanes: int, now_us: int) -> None:
    """Brings the schema up to date; safe to run from several processes at once.

    Raises ``ConfigurationError`` when the server is too old, the schema is newer than this
    version, or the store was made with other keys.
    """
    if conn.info.server_version < SERVER_VERSION_MIN:
        raise ConfigurationError("the PostgreSQL server is older than 15.", cure="Upgrade it.")
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        conn.execute(queries.VERSION_TABLE)
        row = conn.execute("SELECT coalesce(max(version), 0) FROM schema_version").fetchone()
        current: int = row[0] if row else 0
        known = migrations()
        if current > known[-1][0]:
            raise ConfigurationError(
                "the store was made by a newer version of Chartloom.", cure="Upgrade Chartloom."
            )
        for number, name, text in known:
            if number > current:
                conn.execute(text.encode())
                conn.execute("INSERT INTO schema_version VALUES (%s, %s)", (number, name))
        _settle_site(conn, guard, lanes, now_us)
        protection.install(conn, guard)
        conn.execute(BEGIN_ACCESS, ServiceClaims(guard, "migration").current())
        keep_partitions(conn, now_us // _DAY_US)


def _settle_site(conn: Connection, guard: Guard, lanes: int, now_us: int) -> None:
    today = now_us // _DAY_US
    conn.execute(queries.SITE_INSERT, (guard.namespace, guard.fingerprint, lanes, today))
    conn.execute(queries.LANES_INSERT, (lanes,))
    check_site(conn, guard, lanes)


def check_site(conn: Connection, guard: Guard, lanes: int) -> None:
    """Raises ``ConfigurationError`` when keys or number of lanes are not those of the store."""
    try:
        row = conn.execute(queries.SITE).fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    if row is None:
        raise ConfigurationError("the store has no schema yet.", cure="Run: chartloom up")
    if (row[0], bytes(row[1])) != (guard.namespace, guard.fingerprint):
        raise ConfigurationError(
            "the store was made with other keys than those in the key folder.",
            cure="Restore the key folder that belongs to this store.",
        )
    if row[2] != lanes:
        raise ConfigurationError(
            f"the store has {row[2]} lanes, not {lanes}.", cure="The number of lanes is fixed."
        )


def first_day(conn: Connection) -> int:
    """The site's first day, in days since 1970."""
    row = conn.execute("SELECT first_day FROM site").fetchone()
    assert row is not None
    return int(row[0])


def keep_partitions(conn: Connection, today: int) -> int:
    """Makes the partitions from ``today`` on for a few days, in a transaction under a claim; the
    last day that has one."""
    row = conn.execute(queries.PARTITIONS, (today,)).fetchone()
    assert row is not None
    return int(row[0])


def position_floor(first: int, now_us: int) -> int:
    """The first position of a moment's day."""
    return max(0, now_us // _DAY_US - first) * POSITIONS_PER_DAY + 1


def day_of(first: int, position: int) -> int:
    """The day (since 1970) whose range a position lies in."""
    return first + position // POSITIONS_PER_DAY
