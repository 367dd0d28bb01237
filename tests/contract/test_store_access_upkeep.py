"""Protection stays as it was made: every change is noticed, migrating changes nothing, older sites
are taken over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg import sql
from tests.support.batches import arrival, everyone
from tests.support.guarded_store import tables
from tests.support.postgres import StoreFactory, drop_database

from chartloom.domain.errors import ChartloomError, ConfigurationError
from chartloom.engines.postgres import PostgresStore, migrate, protection, queries
from chartloom.engines.postgres.protection_rules import FUNCTIONS, OWNER, TABLES, Role

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
    store = store_factory(alone=True)
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
        conn.execute("INSERT INTO outbox_consumer VALUES ('lake', 0)")
        store.migrate()
        owners = (
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relkind IN ('r', 'p')"
        )
        here = " AND relnamespace = 'public'::regnamespace"
        owner = protection.role_name(store.guard, OWNER)
        assert conn.execute((owners + here).encode()).fetchall() == [(owner,)]
        assert protection.problems(conn, store.guard) == []
    store.acknowledge_outbox("lake", 1)
    assert store.land([arrival(1)])[0].position == 1
