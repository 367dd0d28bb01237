"""Row-level security: what somebody gets who has a role's password, but no grant, or another one.

Tables are those that the server knows, not those that we remember: a new one is tested by itself.
"""

from __future__ import annotations

import contextlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import errors, sql
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient
from tests.support.postgres import StoreFactory, as_role, drop_database

from chartloom.domain.errors import ChartloomError, ConfigurationError, GrantRefused
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.issues import Issue
from chartloom.domain.message import MessageState
from chartloom.domain.resource import Contribution, LinkEvent, LinkKind, PatientIdentifier
from chartloom.domain.store import MessageFilter, ReplayScope
from chartloom.engines.postgres import PostgresStore, access, migrate, protection, queries
from chartloom.engines.postgres.protection_rules import FUNCTIONS, OWNER, TABLES, Role
from chartloom.guard import SystemClock

ROLES = list(Role)


@pytest.fixture
def filled(store: PostgresStore) -> PostgresStore:
    """Rows in every table that the hot path writes: p1 and p2 applied, p3 waits, one in retry."""
    store.land([arrival(i, f"p{1 + i % 2}") for i in range(6)])
    messages = store.pending(everyone(store), store.claim("w", 64), 100)
    outcomes = [
        derived(
            m,
            patient(m.source_patient, m.source_patient),
            Contribution({"resourceType": "Practitioner", "id": "dr"}, "", directory=True),
            identifiers=[PatientIdentifier(m.source_patient, "family", "", m.source_patient)],
            links=[LinkEvent(LinkKind.LINK, "p1", "p2", "A24")] if n == 0 else [],
            issues=[Issue("code", "PID-3")],
            quarantine="why" if n == 5 else "",
        )
        for n, m in enumerate(messages)
    ]
    apply(store, batch_of(messages, outcomes))
    store.save_project_version("abc", {"a": b"b"})
    store.add_outbox_consumer("lake")
    assert store.retry(everyone(store), ReplayScope()) == 1
    store.land([arrival(9, "p3")])
    return store


@pytest.fixture
def owner(filled: PostgresStore) -> Iterator[psycopg.Connection]:
    with psycopg.connect(filled.dsn, autocommit=True) as conn:
        yield conn


def tables(conn: psycopg.Connection) -> list[str]:
    """All that holds rows: tables, partitions, views of any kind."""
    query = """SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relnamespace = 'public'::regnamespace ORDER BY relname"""
    return [row[0] for row in conn.execute(query).fetchall()]


def count(conn: psycopg.Connection, table: str) -> int | None:
    """How many rows are seen, None if none may be looked at."""
    try:
        row = conn.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        ).fetchone()
    except errors.InsufficientPrivilege:
        return None
    return row[0] if row else None


def seen(conn: psycopg.Connection, names: list[str]) -> dict[str, int]:
    """Tables of which something is seen."""
    return {t: n for t in names if (n := count(conn, t))}


def begin(conn: psycopg.Connection, store: PostgresStore, grant: Grant) -> None:
    conn.execute("BEGIN")
    conn.execute(access.BEGIN_ACCESS, access.claim(store.guard, grant))


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
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ttl_s=1.5)
    with as_role(filled, Role.SERVE) as conn:
        begin(conn, filled, grant)
        assert count(conn, "resource") == 3
        time.sleep(1.6)
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


# With a grant for less


def test_a_grant_for_one_person_shows_that_person(
    filled: PostgresStore, owner: psycopg.Connection
) -> None:
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p1",), ("*",))
    with as_role(filled, Role.SERVE) as conn:
        begin(conn, filled, grant)
        for table in ("outcome", "bundle", "view", "person", "identifier", "record_number"):
            query = f"SELECT DISTINCT source_patient FROM {table}"
            assert conn.execute(query.encode()).fetchall() in ([("p1",)], []), table
        found = conn.execute("SELECT id FROM resource ORDER BY id").fetchall()
        assert found == [("dr",), ("p1",)]  # what is about the hospital is open to any grant
        assert count(conn, "link") == 0  # it names p2 as well
        assert count(conn, "outbox") == 0


def test_labels_hide_what_the_grant_does_not_cover(
    filled: PostgresStore, owner: psycopg.Connection
) -> None:
    changed = ("resource", "outcome", "bundle", "view")
    for table in changed:
        statement = f"UPDATE {table} SET labels = 4 WHERE source_patient = 'p1'"
        owner.execute(statement.encode())
    whole = {t: count(owner, t) for t in changed}
    applied = count(owner, "outcome")
    for labels, all_there in ((("HIV",), True), (("PSY", "ETH"), False), ((), False)):
        grant = filled.guard.mint("tester", Purpose.TREATMENT, labels=labels)
        with as_role(filled, Role.SERVE) as conn:
            begin(conn, filled, grant)
            for table in changed:
                n = count(conn, table)
                assert (n == whole[table]) == all_there or whole[table] == 0, table
            # Never what waits (p3, and the one in retry), for nobody knows what it holds.
            landed = conn.execute("SELECT source_patient FROM landing").fetchall()
            assert {"p3"}.isdisjoint(row[0] for row in landed)
            assert (len(landed) == applied) == all_there
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p3",), ("*",))
    with as_role(filled, Role.SERVE) as conn:
        begin(conn, filled, grant)
        assert count(conn, "landing") == 1


def test_ports_answer_under_narrow_grants(filled: PostgresStore) -> None:
    """The store's own reads go through the same door."""
    grant = filled.guard.mint("tester", Purpose.TREATMENT, ("p1",), ("*",))
    assert list(filled.states(grant, ["p1", "p2", "dr"])) == ["p1", "dr"]
    assert {v.key.source_patient for v in filled.sections(grant, ["p1", "p2"])} <= {"p1"}
    assert filled.person(grant, "p1").source_patients == ("p1",)
    rows = filled.search(grant, MessageFilter(state=MessageState.APPLIED))
    assert {r.source_patient for r in rows} == {"p1"}


# Somebody changes the store

MUTATIONS: dict[str, Callable[[str], str]] = {
    "the policy is gone": lambda t: f"DROP POLICY granted ON {t}",
    "it lets all through": lambda t: f"ALTER POLICY granted ON {t} USING (true)",
    "it lets all be written": lambda t: f"ALTER POLICY granted ON {t} WITH CHECK (true)",
    "it is for somebody else": lambda t: f"ALTER POLICY granted ON {t} TO pg_read_all_data",
    "there is one more": lambda t: f"CREATE POLICY more ON {t} USING (true)",
    "row-level security is off": lambda t: f"ALTER TABLE {t} DISABLE ROW LEVEL SECURITY",
    "everybody may read": lambda t: f"GRANT SELECT ON {t} TO PUBLIC",
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_each_change_of_each_table_is_noticed(
    filled: PostgresStore, owner: psycopg.Connection, what: str
) -> None:
    assert protection.problems(owner, filled.guard) == []
    for table in tables(owner):
        policy = "POLICY granted" in MUTATIONS[what](table)
        if policy and (table not in TABLES or not TABLES[table].rule.value):
            continue
        with owner.transaction(force_rollback=True):
            owner.execute(MUTATIONS[what](table).encode())
            with pytest.raises(ConfigurationError, match="not protected"):
                protection.verify_protection(owner, filled.guard)


def other_changes(store: PostgresStore) -> list[str]:
    serve = protection.role_name(store.guard, Role.SERVE)
    return [
        f"GRANT UPDATE (body) ON resource TO {serve}",
        f"REVOKE SELECT ON resource FROM {serve}",
        f"GRANT USAGE ON SEQUENCE shard TO {serve}",
        f"GRANT {protection.role_name(store.guard, OWNER)} TO {serve}",
        f"GRANT pg_read_all_data TO {serve}",
        f"ALTER ROLE {serve} CREATEROLE",
        f"ALTER ROLE {serve} INHERIT",
        f"GRANT CREATE ON SCHEMA public TO {serve}",
        "CREATE SCHEMA s; GRANT CREATE ON SCHEMA s TO PUBLIC",
        "GRANT EXECUTE ON FUNCTION land_new TO PUBLIC",
        "DROP FUNCTION next_shard",
        "CREATE FUNCTION f() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1'",
        "CREATE VIEW all_of_it AS SELECT * FROM resource; GRANT SELECT ON all_of_it TO PUBLIC",
        "CREATE MATERIALIZED VIEW m AS SELECT * FROM resource; GRANT SELECT ON m TO PUBLIC",
        "ALTER TABLE resource OWNER TO CURRENT_USER",
    ]


def test_other_ways_round_are_noticed(filled: PostgresStore, owner: psycopg.Connection) -> None:
    for change in other_changes(filled):
        with owner.transaction(force_rollback=True):
            owner.execute(change.encode())
            assert protection.problems(owner, filled.guard), change


def test_the_store_does_not_work_unprotected_until_it_is_put_right(
    store_factory: StoreFactory, filled: PostgresStore, owner: psycopg.Connection
) -> None:
    owner.execute("ALTER TABLE bundle DISABLE ROW LEVEL SECURITY")
    uses: list[Callable[[PostgresStore], Any]] = [
        lambda s: s.land([arrival(50)]),
        lambda s: s.claim("w2", 64),
        lambda s: s.feeds(everyone(s)),
        lambda s: s.digest(everyone(s)),
    ]
    for use in uses:
        with pytest.raises(ChartloomError, match="not protected"):
            use(store_factory.second(filled))
    filled.migrate()
    for use in uses:
        use(store_factory.second(filled))


# Putting it there


def test_migrating_again_changes_nothing(filled: PostgresStore, owner: psycopg.Connection) -> None:
    look = """SELECT (SELECT sum(xmin::text::bigint) FROM pg_policy),
        (SELECT sum(xmin::text::bigint) FROM pg_class WHERE relname = ANY(%s)),
        (SELECT sum(xmin::text::bigint) FROM pg_proc WHERE proname = ANY(%s)),
        (SELECT sum(xmin::text::bigint) FROM access_secret)"""
    names = (list(TABLES), list(FUNCTIONS))
    before = owner.execute(look, names).fetchone()
    filled.migrate()
    assert owner.execute(look, names).fetchone() == before


def test_what_an_administrator_has_to_run(
    store_factory: StoreFactory, postgres_server: Any
) -> None:
    """The DSN's role may not make roles: it says what to do, and that is enough."""
    admin = psycopg.connect(postgres_server.dsn, autocommit=True)
    # With roles that no other database knows; nothing is left of it but its guard and its name.
    store = store_factory(clock=SystemClock())
    name = f"plain_{store.guard.namespace.hex[:8]}"
    guard = store.guard
    database = psycopg.conninfo.conninfo_to_dict(store.dsn)["dbname"]
    store.close()
    with admin:
        drop_database(admin, str(database))
        for role in (*Role, OWNER):
            admin.execute(
                sql.SQL("DROP ROLE {}").format(sql.Identifier(protection.role_name(guard, role)))
            )
        admin.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'plain'".encode())
        admin.execute(f"GRANT {name} TO CURRENT_USER".encode())
        admin.execute(f"CREATE DATABASE {database} OWNER {name}".encode())
        try:
            dsn = psycopg.conninfo.make_conninfo(
                store.dsn, user=name, password="plain", passfile="/dev/null"
            )
            plain = PostgresStore(dsn, guard, store.clock)
            with pytest.raises(ConfigurationError, match="may not make the roles") as caught:
                plain.migrate()
            statements = caught.value.cure.split("\n", 1)[1]
            assert protection.password(guard, Role.SERVE) not in statements
            admin.execute(statements.encode())
            plain.migrate()
            plain.migrate()
            plain.land([arrival(1)])
            assert len(plain.pending(everyone(plain), plain.claim("w", 64), 10)) == 1
            plain.rebuild(everyone(plain))
            plain.close()
        finally:
            drop_database(admin, str(database))
            for role in (*Role, OWNER):
                admin.execute(
                    sql.SQL("DROP ROLE IF EXISTS {}").format(
                        sql.Identifier(protection.role_name(guard, role))
                    )
                )
            admin.execute(f"DROP ROLE {name}".encode())
            admin.execute(f"CREATE DATABASE {database}".encode())


def test_a_site_from_before_is_taken_over(store: PostgresStore) -> None:
    """Tables that the DSN's role made, with rows in them, change owner and are protected."""
    before = [m for m in migrate.migrations() if m[0] < 5]
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute("DROP SCHEMA public CASCADE")
        conn.execute("CREATE SCHEMA public")
        conn.execute(queries.VERSION_TABLE)
        for number, name, text in before:
            conn.execute(text.encode())
            conn.execute("INSERT INTO schema_version VALUES (%s, %s)", (number, name))
        day = store.clock.now_us() // 86_400_000_000
        site = (store.guard.namespace, store.guard.fingerprint, store.lanes, day)
        conn.execute(queries.SITE_INSERT, site)
        conn.execute(
            "CREATE TABLE landing_20200101 PARTITION OF landing FOR VALUES FROM (-2) TO (-1)"
        )
        conn.execute("INSERT INTO person VALUES ('p1', 'p1')")
        store.migrate()
        owners = (
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relkind IN ('r', 'p')"
        )
        here = " AND relnamespace = 'public'::regnamespace"
        owner = protection.role_name(store.guard, OWNER)
        assert conn.execute((owners + here).encode()).fetchall() == [(owner,)]
        assert protection.problems(conn, store.guard) == []
    assert store.person(everyone(store), "p1").source_patients == ("p1",)
    assert store.land([arrival(1)])[0].position == 1
