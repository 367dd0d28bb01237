"""Row-level security: what somebody gets who has a role's password, but no grant, or another one.

Tables are those that the server knows, not those that we remember: a new one is tested by itself.
"""

from __future__ import annotations

import contextlib
import hmac
import time

import msgspec
import psycopg
import pytest
from psycopg import errors, sql
from tests.support.batches import brief_grants, everyone, is_good, until_over
from tests.support.guarded_store import ROLES, begin, count, seen, tables
from tests.support.postgres import StoreFactory, as_role

from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Purpose
from chartloom.engines.postgres import PostgresStore, access, protection
from chartloom.engines.postgres.protection_rules import FUNCTIONS, OWNER, TABLES, Role

# Without a grant


def test_every_table_and_function_has_a_rule(owner: psycopg.Connection) -> None:
    ours = [t for t in tables(owner) if not t.startswith("landing_")]
    assert sorted(ours) == sorted(TABLES)
    query = "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    assert {row[0] for row in owner.execute(query).fetchall()} == set(FUNCTIONS)


@pytest.mark.parametrize("role", ROLES)
def test_without_a_grant_nothing_is_there(
    filled: PostgresStore, owner: psycopg.Connection, role: Role
) -> None:
    names = tables(owner)
    there = seen(owner, names)
    assert {"landing", "outcome", "bundle", "resource", "person", "link", "site"} <= set(there)
    with as_role(filled, role) as conn:
        assert seen(conn, names) == {}
        for name in names:
            change = sql.SQL("DELETE FROM {}").format(sql.Identifier(name))
            with contextlib.suppress(errors.InsufficientPrivilege):
                assert conn.execute(change).rowcount == 0
        last = conn.execute("SELECT last_value FROM pg_sequences").fetchall()
        assert [row for row in last if row[0] is not None] == []
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute("SELECT last_value FROM shard")
        stats = "SELECT tablename, attname FROM pg_stats WHERE schemaname = 'public'"
        owner.execute("ANALYZE")
        assert owner.execute(stats).fetchone()
        assert conn.execute(stats).fetchall() == []
        with pytest.raises(errors.InsufficientPrivilege):
            conn.execute("SELECT * FROM pg_statistic")
        queries = "SELECT query FROM pg_stat_activity WHERE usename <> current_user"
        shown = {row[0] for row in conn.execute(queries).fetchall()}
        assert shown <= {"<insufficient privilege>", ""}
        conn.execute("SET row_security = off")  # then it is an error, not a way in
        for name in names:
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(name)))
    assert seen(owner, names) == there


@pytest.mark.parametrize("role", ROLES)
def test_no_role_can_make_or_become_anything(filled: PostgresStore, role: Role) -> None:
    """So there is no function of one's own that a query could be made to call before a policy."""
    name = protection.role_name(filled.guard, OWNER)
    leak = """CREATE FUNCTION {}leak(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql
        AS $$BEGIN RAISE NOTICE '%', $1; RETURN true; END$$"""
    attempts = [
        *(leak.replace("{}", schema) for schema in ("", "public.", "pg_temp.")),
        "CREATE TABLE mine (a int)",
        "CREATE TEMP TABLE mine (a int)",
        "CREATE VIEW mine AS SELECT 1",
        "CREATE SCHEMA mine",
        "CREATE ROLE mine",
        f"SET ROLE {name}",
        f"SET SESSION AUTHORIZATION {name}",
        "ALTER TABLE resource DISABLE ROW LEVEL SECURITY",
        "DROP POLICY granted ON resource",
        "ALTER ROLE CURRENT_USER BYPASSRLS",
        "TRUNCATE resource",
        "COPY resource TO '/tmp/resource'",
        "COPY resource TO PROGRAM 'cat'",
        "SELECT pg_read_file('postgresql.conf')",
        "SELECT * FROM access_secret",
        "SELECT access_signed('', '')",
    ]
    with as_role(filled, role) as conn:
        for attempt in attempts:
            with pytest.raises((errors.InsufficientPrivilege, errors.InvalidSchemaName)):
                conn.execute(attempt.encode())


def test_a_role_of_another_site_gets_nowhere(
    store_factory: StoreFactory, filled: PostgresStore
) -> None:
    other = store_factory()
    dsn = psycopg.conninfo.conninfo_to_dict(filled.dsn)
    for role in ROLES:
        with as_role(other, role) as conn:
            here = psycopg.conninfo.make_conninfo(
                conn.info.dsn, dbname=dsn["dbname"], password=protection.password(other.guard, role)
            )
        with psycopg.connect(here, autocommit=True) as conn:
            assert {count(conn, t) for t in TABLES} == {None}
            with pytest.raises(errors.InsufficientPrivilege):
                conn.execute(access.BEGIN_ACCESS, ("", b""))


# With a grant that is not what it says


def test_a_grant_opens_its_own_transaction_only(filled: PostgresStore) -> None:
    grant = everyone(filled)
    setting = "SELECT current_setting('chartloom.access')"
    copy = "SELECT set_config('chartloom.access', %s, {})"
    with as_role(filled, Role.SERVE) as conn, as_role(filled, Role.SERVE) as other:
        begin(conn, filled, grant)
        assert count(conn, "resource") == 3
        (held,) = conn.execute(setting).fetchone() or ("",)
        other.execute("BEGIN")  # at the same time, on another connection
        other.execute(copy.format("true").encode(), (held,))
        assert count(other, "resource") == 0
        conn.execute("COMMIT")
        assert count(conn, "resource") == 0
        conn.execute(copy.format("false").encode(), (held,))
        assert count(conn, "resource") == 0
        conn.execute("BEGIN")
        assert count(conn, "resource") == 0
        conn.execute("ROLLBACK")


def test_an_edited_setting_opens_nothing(filled: PostgresStore) -> None:
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p1",), ())
    with as_role(filled, Role.SERVE) as conn:
        begin(conn, filled, grant)
        assert count(conn, "person") == 1
        (held,) = conn.execute("SELECT current_setting('chartloom.access')").fetchone() or ("",)
        for edited in (
            held.replace("p1", "*"),
            held.replace("p1", "p1,p2"),
            held.replace("TREAT", "HOPERAT"),
            held.replace(" 0 p1", " 255 p1"),
            "0" * 64 + held[64:],
            held[:64],
            held[64:],
            "",
            " ",
            "x" * 300,
        ):
            conn.execute("SELECT set_config('chartloom.access', %s, true)", (edited,))
            assert count(conn, "person") == 0, edited
        conn.execute("SELECT set_config('chartloom.access', %s, true)", (held,))
        assert count(conn, "person") == 1


def test_forged_edited_and_expired_claims_are_refused(filled: PostgresStore) -> None:
    text, mac = access.claim(filled.guard, filled.guard.mint("t", Purpose.TREATMENT, ("p1",)))
    expired = f"{int(time.time() * 1e6) - 1} g TREAT 255 *"
    attempts: list[tuple[str, bytes]] = [
        (text.replace("p1", "*"), mac),
        (text.replace("TREAT", "HOPERAT"), mac),
        (text, bytes(32)),
        (text, b""),
        (text, mac[:31]),
        (text, hmac.digest(bytes(32), text.encode(), "sha256")),
        (expired, filled.guard.claim_mac(expired)),
        ("", filled.guard.claim_mac("")),
        ("x", filled.guard.claim_mac("x")),
    ]
    for role in ROLES:
        with as_role(filled, role) as conn:
            for attempt in attempts:
                with pytest.raises((psycopg.OperationalError, psycopg.DataError)):
                    conn.execute(access.BEGIN_ACCESS, attempt)
            with pytest.raises(psycopg.Error):
                conn.execute("SELECT begin_access(NULL, NULL)")


def test_a_grant_that_expires_meanwhile_shows_nothing_more(filled: PostgresStore) -> None:
    with as_role(filled, Role.SERVE) as conn:
        for grant in brief_grants(filled.guard):
            begin(conn, filled, grant)
            there = count(conn, "resource")
            if is_good(filled.guard, grant):
                break
            conn.execute("ROLLBACK")
        assert there == 3
        until_over(filled.guard, grant)
        assert count(conn, "resource") == 0


@pytest.mark.parametrize("person", ["p 1", "p1,p2", "", "p\t1", "p\u00a01", "p\n"])
def test_a_person_that_cannot_be_written_down_is_refused(
    filled: PostgresStore, person: str
) -> None:
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p1", person))
    with pytest.raises(GrantRefused):
        filled.sections(grant, ["p1"])


def test_a_grant_that_nobody_signed_makes_no_claim(filled: PostgresStore) -> None:
    forged = msgspec.structs.replace(everyone(filled), actor="somebody else")
    with pytest.raises(GrantRefused):
        access.claim(filled.guard, forged)
