"""Every function of the store that acts as its owner looks at the claim first.

The functions are those that the server knows: a new one that takes a claim is tested by itself.
They are called by a superuser, whom no missing privilege keeps out: only the claim does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors, sql

from chartloom.domain.grant import Purpose
from chartloom.engines.postgres import PostgresStore, access

#: Of the log: not even a grant for everyone reads it for another purpose.
FOR_OPERATIONS = {"audit_read", "audit_now", "require_audit_reader"}
REFUSED = (errors.InsufficientPrivilege, errors.InvalidAuthorizationSpecification)


@pytest.fixture
def superuser(store: PostgresStore) -> Iterator[psycopg.Connection]:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        yield conn


def taking_claims(conn: psycopg.Connection) -> list[tuple[str, list[str]]]:
    """Functions whose first arguments are claim and mac, with the types of the others."""
    query = """SELECT p.proname, p.proargtypes::regtype[]::text[] FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
            AND p.proargnames[1:2] = ARRAY['claim', 'mac']
            AND p.proname NOT IN ('access_signed', 'begin_access') ORDER BY p.proname"""
    return [(name, types[2:]) for name, types in conn.execute(query).fetchall()]


def bad_claims(store: PostgresStore) -> dict[str, tuple[object, object]]:
    """Claims that are none: made up, over, of another site; and one for a single person."""

    def of(persons: tuple[str, ...]) -> tuple[str, bytes]:
        return access.claim(store.guard, store.guard.mint("t", Purpose.OPERATIONS, persons))

    text, mac = of(("*",))
    over = f"{int(time.time() * 1e6) - 1} {text.partition(' ')[2]}"
    return {
        "made up": (text, bytes(32)),
        "of another grant": (text, of(("*",))[1]),
        "over": (over, store.guard.claim_mac(over)),
        "longer": (text.replace(" ", "0 ", 1), mac),
        "for one": of(("p1",)),
        "for some": of(("p1", "p2")),
        "no mac": (text, None),
        "nothing": (None, None),
    }


def call(conn: psycopg.Connection, name: str, types: list[str], claim: object) -> None:
    nothing = sql.SQL("").join(
        sql.SQL(", NULL::{}").format(sql.SQL(t))  # type: ignore[arg-type]
        for t in types
    )
    statement = sql.SQL("SELECT {}(%s::text, %s::bytea{})").format(sql.Identifier(name), nothing)
    conn.execute(statement, claim)


def test_without_a_claim_for_everyone_no_function_does_anything(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    functions = taking_claims(superuser)
    assert len(functions) > 12
    for why, claim in bad_claims(store).items():
        for name, types in functions:
            try:
                call(superuser, name, types, claim)
            except REFUSED:
                continue
            pytest.fail(f"{name} believes a claim that is {why}")


def test_the_log_is_read_for_operations_only(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    functions = dict(taking_claims(superuser))
    assert functions.keys() >= FOR_OPERATIONS
    for purpose in Purpose:
        claim = access.claim(store.guard, store.guard.mint("t", purpose))
        for name in FOR_OPERATIONS:
            arguments = functions[name]
            if purpose is Purpose.OPERATIONS:
                call(superuser, name, arguments, claim)
            else:
                with pytest.raises(errors.InsufficientPrivilege):
                    call(superuser, name, arguments, claim)


@pytest.mark.parametrize("statement", ["SELECT next_shard()", "SELECT keep_partitions(20000)"])
def test_what_is_done_for_the_services_is_done_for_no_narrower_grant(
    store: PostgresStore, superuser: psycopg.Connection, statement: str
) -> None:
    for persons in ((), ("p1",), ("p1", "p2"), ("*",)):
        superuser.execute("BEGIN")
        if persons:
            grant = store.guard.mint("t", Purpose.OPERATIONS, persons)
            superuser.execute(access.BEGIN_ACCESS, access.claim(store.guard, grant))
        if persons == ("*",):
            superuser.execute(statement.encode())
        else:
            with pytest.raises(errors.InvalidAuthorizationSpecification):
                superuser.execute(statement.encode())
        superuser.execute("ROLLBACK")


def test_every_day_of_the_log_is_secured_by_itself(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    query = """SELECT count(*), count(*) FILTER (WHERE relrowsecurity) FROM pg_class
        WHERE relname ~ '^landing_' AND relkind = 'r'"""
    days, secured = superuser.execute(query).fetchone() or (0, 0)
    today = int(time.time() // 86_400)
    superuser.execute("BEGIN")
    grant = store.guard.mint("t", Purpose.OPERATIONS)
    superuser.execute(access.BEGIN_ACCESS, access.claim(store.guard, grant))
    superuser.execute("SELECT keep_partitions(%s)", (today + 5,))
    more, more_secured = superuser.execute(query).fetchone() or (0, 0)
    superuser.execute("ROLLBACK")
    assert days == secured > 0
    assert more == more_secured > days


def resting_on(conn: psycopg.Connection, check: str) -> list[tuple[str, list[str]]]:
    """Functions that call ``check`` first, with the types of their arguments."""
    query = r"""SELECT p.proname, p.proargtypes::regtype[]::text[] FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.proname <> %(check)s
            AND p.prosrc ~ ('PERFORM (public\.)?' || %(check)s || '\(') ORDER BY p.proname"""
    return list(conn.execute(query, {"check": check}).fetchall())


def test_a_batch_is_written_for_everyone_and_with_every_label_only(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    functions = resting_on(superuser, "require_all")
    assert {"batch_write", "batch_end", "batch_persons"} <= {name for name, _ in functions}
    for persons, labels in (((), ()), (("p1",), ("*",)), (("p1", "p2"), ("*",)), (("*",), ())):
        for name, types in functions:
            superuser.execute("BEGIN")
            if persons:
                grant = store.guard.mint("t", Purpose.OPERATIONS, persons, labels)
                superuser.execute(access.BEGIN_ACCESS, access.claim(store.guard, grant))
            nothing = sql.SQL(", ").join(sql.SQL("NULL::{}").format(sql.SQL(t)) for t in types)  # type: ignore[arg-type]
            statement = sql.SQL("SELECT {}({})").format(sql.Identifier(name), nothing)
            try:
                superuser.execute(statement)
            except REFUSED:
                superuser.execute("ROLLBACK")
                continue
            pytest.fail(f"{name} writes for {persons} with {labels}")


def test_what_is_read_for_a_batch_takes_every_label(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    functions = resting_on(superuser, "require_all_of")
    assert {"current_states", "current_views", "pending_messages"} <= {n for n, _ in functions}
    for persons, labels in ((("*",), ()), (("p1",), ("*",)), (("*",), ("HIV",))):
        grant = store.guard.mint("t", Purpose.OPERATIONS, persons, labels)
        for name, types in functions:
            with pytest.raises(REFUSED):
                call(superuser, name, types[2:], access.claim(store.guard, grant))


def test_nothing_is_written_of_whom_a_key_was_destroyed_meanwhile(
    store: PostgresStore, superuser: psycopg.Connection
) -> None:
    """The batch was folded when fewer keys were destroyed than now."""
    ((name, types),) = [f for f in resting_on(superuser, "require_all") if f[0] == "batch_end"]
    ((epoch,),) = superuser.execute("SELECT epoch FROM subject_key_state").fetchall()
    nothing = sql.SQL(
        ", "
    ).join(
        sql.SQL("'{{}}'::{}").format(sql.SQL(t))  # type: ignore[arg-type]
        for t in types[1:]
    )
    statement = sql.SQL("SELECT {}(%s::bigint, {})").format(sql.Identifier(name), nothing)
    good = access.claim(store.guard, store.guard.mint("t", Purpose.OPERATIONS))

    def end(known_epoch: int) -> None:
        with superuser.transaction():
            superuser.execute(access.BEGIN_ACCESS, good)
            superuser.execute(statement, (known_epoch,))

    end(epoch)
    end(-1)  # a site without such keys
    with pytest.raises(psycopg.Error) as refused:
        end(epoch + 1)
    assert refused.value.sqlstate == "CL005"
