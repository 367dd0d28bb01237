"""Numbered migrations under a lock, and the day partitions of the log."""

from __future__ import annotations

import hashlib
import importlib.resources
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

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
    """(number, name, SQL), in order. No two have one number."""
    folder = importlib.resources.files("chartloom.engines.postgres").joinpath("sql")
    found = [(m, f) for f in folder.iterdir() if (m := _NAME.fullmatch(f.name))]
    known = sorted((int(m[1]), m[2], f.read_text("utf-8")) for m, f in found)
    for (number, name, _), (following, other, _) in pairwise(known):
        if number == following:
            raise ConfigurationError(
                f"two migrations have the number {number:04}: {name} and {other}.",
                cure="Install Chartloom again.",
            )
    return known


def migrate(conn: Connection, guard: Guard, lanes: int, now_us: int) -> None:
    """Brings the schema up to date; safe to run from several processes at once.

    Every migration that is not on record is applied, in the order of their numbers, wherever its
    number stands among those that are: branches land in any order. All of it, or nothing.

    Raises ``ConfigurationError`` when the server is too old, the schema is newer than this
    version, a migration on record is not the one that this version has, or the store was made
    with other keys.
    """
    if conn.info.server_version < SERVER_VERSION_MIN:
        raise ConfigurationError("the PostgreSQL server is older than 15.", cure="Upgrade it.")
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
        conn.execute(queries.VERSION_TABLE)
        conn.execute(queries.VERSION_CHECKSUMS)
        known = migrations()
        recorded = conn.execute(queries.VERSIONS).fetchall()
        _check_recorded(recorded, known)
        held = {number: digest for number, _, digest in recorded}
        for number, name, text in known:
            if number not in held:
                conn.execute(text.encode())
                if recorded:
                    protection.adopt(conn, guard)
            if held.get(number) is None:
                conn.execute(queries.VERSION_PUT, (number, name, checksum(text)))
        _settle_site(conn, guard, lanes, now_us)
        protection.install(conn, guard)
        conn.execute(BEGIN_ACCESS, ServiceClaims(guard, "migration").current())
        keep_partitions(conn, now_us // _DAY_US)


def checksum(text: str) -> bytes:
    """By which a migration is told from another of the same number."""
    return hashlib.sha256(text.encode()).digest()


def _check_recorded(
    recorded: Sequence[Sequence[Any]], known: Sequence[tuple[int, str, str]]
) -> None:
    """Raises ``ConfigurationError`` when a row (number, name, checksum or None) of the record is
    not among ``known``."""
    mine = {number: (name, checksum(text)) for number, name, text in known}
    for number, name, digest in recorded:
        if number not in mine:
            raise ConfigurationError(
                f"the store was made by a newer version of Chartloom: it has {number:04} {name}.",
                cure="Upgrade Chartloom.",
            )
        here, content = mine[number]
        if here != name or (digest is not None and bytes(digest) != content):
            raise ConfigurationError(
                f"migration {number:04} ({name}) of the store is not the one of this version"
                f" ({here}).",
                cure="Use the version of Chartloom that the store was last used with, or a newer.",
            )


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
