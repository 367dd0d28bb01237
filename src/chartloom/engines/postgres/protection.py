"""Roles, ownership, privileges and policies: compared with the rules, and put right.

``install`` runs at every start and does nothing where all is as it should be. ``verify_protection``
is asked by every process before it touches a row: it does not work on a store that lost a policy.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from base64 import b64decode
from typing import Any

from psycopg import errors, sql

from chartloom.domain.errors import ConfigurationError
from chartloom.engines.postgres import queries_protection as queries
from chartloom.engines.postgres.connect import Connection
from chartloom.engines.postgres.protection_rules import (
    FUNCTIONS,
    OWNER,
    TABLES,
    Role,
    Rule,
    privileges,
)
from chartloom.guard import Guard

_log = logging.getLogger(__name__)

_SHOWN_MAX = 5
_BLOCK_BYTES = 64
POLICY = "granted"


def role_name(guard: Guard, role: str) -> str:
    """The role's name in the cluster, which may hold the databases of several sites."""
    return f"cl_{guard.namespace.hex[:8]}_{role}"


def password(guard: Guard, role: Role) -> str:
    """The password of a role: it follows from the site's keys and is kept nowhere."""
    return guard.database_secret(f"role {role}").hex()


# Looking


def verify_protection(conn: Connection, guard: Guard) -> None:
    """Raises ``ConfigurationError`` if anything that keeps rows apart is not as it should be."""
    if found := problems(conn, guard):
        more = f" and {len(found) - _SHOWN_MAX} more" if len(found) > _SHOWN_MAX else ""
        raise ConfigurationError(
            f"the store is not protected: {'; '.join(found[:_SHOWN_MAX])}{more}.",
            cure="Find out who changed it; then stop the site and run: chartloom up",
        )


def problems(conn: Connection, guard: Guard) -> list[str]:
    """What differs from the rules, in words without values of rows."""
    found = [
        *_role_problems(conn, guard),
        *_relation_problems(conn, guard),
        *_privilege_problems(conn, guard),
        *_function_problems(conn, guard),
    ]
    names = [role_name(guard, r) for r in Role]
    found += [what for (what,) in conn.execute(queries.CREATORS, {"roles": names}).fetchall()]
    return found


def _role_problems(conn: Connection, guard: Guard) -> list[str]:
    names = {role_name(guard, r): r for r in (OWNER, *Role)}
    rows = conn.execute(queries.ROLES, (list(names),)).fetchall()
    known = {name: bool(wrong) or login != (names[name] != OWNER) for name, login, wrong in rows}
    return [
        *(f"role {n} is missing" for n in names if n not in known),
        *(f"role {n} has rights that it must not have" for n, wrong in known.items() if wrong),
    ]


def _relation_problems(conn: Connection, guard: Guard) -> list[str]:
    found = []
    policies: dict[str, list[tuple[Any, ...]]] = {}
    for table, *policy in conn.execute(queries.POLICIES).fetchall():
        policies.setdefault(table, []).append(tuple(policy))
    seen = set()
    owner = role_name(guard, OWNER)
    for name, kind, parent, owned_by, secured in conn.execute(queries.RELATIONS).fetchall():
        seen.add(name)
        ours = name in TABLES or parent in TABLES
        if not ours:
            continue  # nobody's role has privileges on it: see _privilege_problems
        if owned_by != owner:
            found.append(f"{kind} {name} has another owner")
        if kind != "sequence":
            rule = TABLES[name].rule if name in TABLES else Rule.NOBODY
            if not secured:
                found.append(f"row-level security of {name} is off")
            if not _policy_fits(rule, policies.get(name, [])):
                found.append(f"the policy of {name} is missing or was changed")
    return found + [f"table {name} is missing" for name in TABLES if name not in seen]


def _policy_fits(rule: Rule, found: list[tuple[Any, ...]]) -> bool:
    if rule is Rule.NOBODY:
        return not found
    return [p[:2] for p in found] == [(POLICY, True)] and found[0][3] == _mark(rule, found[0][2])


def _mark(rule: Rule, deparsed: str) -> str:
    """What is written beside a policy: rule and policy, so that a change of either shows."""
    text = f"{rule.value}\0{rule.check.value}\0{deparsed}"
    return hashlib.sha256(text.encode()).hexdigest()


def _privilege_problems(conn: Connection, guard: Guard) -> list[str]:
    names = {role_name(guard, r): r for r in Role}
    wanted = {
        (table, column, name, privilege)
        for table, entry in TABLES.items()
        for name, role in names.items()
        for privilege, column in privileges(entry.of(role))
    }
    rows = conn.execute(queries.PRIVILEGES, {"roles": list(names)}).fetchall()
    real = {tuple(row) for row in rows}
    return [
        *(f"{who} may {what} {table}" for table, _, who, what in sorted(real - wanted)),
        *(f"{who} may not {what} {table}" for table, _, who, what in sorted(wanted - real)),
    ]


def _function_problems(conn: Connection, guard: Guard) -> list[str]:
    owner = role_name(guard, OWNER)
    found, seen = [], set()
    for name, owned_by, callers in conn.execute(queries.FUNCTIONS, {"owner": owner}).fetchall():
        seen.add(name)
        wanted = {role_name(guard, r) for r in FUNCTIONS.get(name, ())}
        if name not in FUNCTIONS:
            found.append(f"function {name} is not known")
        elif owned_by != owner:
            found.append(f"function {name} has another owner")
        elif set(callers) - {owner} != wanted:
            found.append(f"function {name} may be called by others than it should")
    return found + [f"function {name} is missing" for name in FUNCTIONS if name not in seen]


# Putting right


def install(conn: Connection, guard: Guard) -> None:
    """Secrets, roles, ownership, privileges and policies, within the caller's transaction.

    Raises ``ConfigurationError`` with the statements that an administrator has to run when the
    role of the DSN may not do it.
    """
    _install_secret(conn, guard)
    try:
        with conn.transaction():
            _install_roles(conn, guard)
    except errors.InsufficientPrivilege:
        raise _ask_administrator(conn, guard) from None
    found = problems(conn, guard)
    if not found:
        return
    if conn.execute(queries.POLICIES).fetchone() is not None:  # not the first time
        _log.warning(
            "the store was not protected as it should be",
            extra={"chartloom": {"found": found[:_SHOWN_MAX]}},
        )
    try:
        with conn.transaction():
            _install_ownership(conn, guard)
            _install_privileges(conn, guard)
            _install_policies(conn)
    except errors.InsufficientPrivilege:
        raise _ask_administrator(conn, guard) from None
    verify_protection(conn, guard)


def adopt(conn: Connection, guard: Guard) -> None:
    """Gives the owner what a migration made, if there is an owner yet: functions that the next one
    calls act as the owner."""
    if conn.execute(queries.ROLES, ([role_name(guard, OWNER)],)).fetchone() is None:
        return
    try:
        with conn.transaction():
            _install_ownership(conn, guard)
    except errors.InsufficientPrivilege:
        raise _ask_administrator(conn, guard) from None


def _install_secret(conn: Connection, guard: Guard) -> None:
    pads = _pads(guard.database_secret("claims"))
    conn.execute(queries.KEYS_PUT, (*pads, *_pads(secrets.token_bytes(32))))


def _pads(key: bytes) -> tuple[bytes, bytes]:
    """Inner and outer block of HMAC (RFC 2104, section 2)."""
    block = key.ljust(_BLOCK_BYTES, b"\0")
    return bytes(b ^ 0x36 for b in block), bytes(b ^ 0x5C for b in block)


def _install_roles(conn: Connection, guard: Guard) -> None:
    names = [role_name(guard, r) for r in (OWNER, *Role)]
    known = {row[0] for row in conn.execute(queries.ROLES, (names,)).fetchall()}
    may = conn.execute(queries.MAY_MAKE_ROLES).fetchone()
    if not (may and may[0]) and known.issuperset(names):
        return  # an administrator made them
    for role in (OWNER, *Role):
        name = role_name(guard, role)
        if name not in known:
            conn.execute(sql.SQL("CREATE ROLE {} NOINHERIT").format(sql.Identifier(name)))
        if role != OWNER and not _knows_password(conn, name, password(guard, Role(role))):
            conn.execute(_login(conn, guard, Role(role)))
    row = conn.execute(queries.IS_MEMBER, (names[0],)).fetchone()
    if row is None or not row[0]:
        grant = sql.SQL("GRANT {} TO CURRENT_USER").format(sql.Identifier(names[0]))
        conn.execute(grant)


def _login(conn: Connection, guard: Guard, role: Role) -> sql.Composed:
    """Sets the password by its verifier (RFC 5803): the password itself never travels."""
    name = role_name(guard, role)
    verifier = conn.pgconn.encrypt_password(
        password(guard, role).encode(), name.encode(), b"scram-sha-256"
    )
    return sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
        sql.Identifier(name), sql.Literal(verifier.decode())
    )


def _knows_password(conn: Connection, name: str, secret: str) -> bool:
    """Whether the server has a verifier of this very password. Only a superuser can look."""
    try:
        with conn.transaction():
            row = conn.execute(queries.VERIFIER, (name,)).fetchone()
    except errors.InsufficientPrivilege:
        return False
    return row is not None and _verifies(row[0] or "", secret)


def _verifies(verifier: str, secret: str) -> bool:
    """``SCRAM-SHA-256$iterations:salt$stored:server`` (RFC 5802, section 3)."""
    try:
        scheme, cost, keys = verifier.split("$")
        iterations, salt = cost.split(":")
        stored = b64decode(keys.split(":")[0])
        salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), b64decode(salt), int(iterations))
    except ValueError:
        return False
    client = hmac.digest(salted, b"Client Key", "sha256")
    return scheme == "SCRAM-SHA-256" and hmac.compare_digest(
        hashlib.sha256(client).digest(), stored
    )


def _install_ownership(conn: Connection, guard: Guard) -> None:
    owner_name = role_name(guard, OWNER)
    owner = sql.Identifier(owner_name)
    conn.execute(sql.SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(owner))
    for name, kind, parent, owned_by, _ in conn.execute(queries.RELATIONS).fetchall():
        own_sequence = kind == "sequence" and name == "shard"  # others go with their tables
        ours = name in TABLES or (parent in TABLES and kind == "table") or own_sequence
        if owned_by == owner_name or not ours:
            continue
        what = sql.SQL("SEQUENCE" if own_sequence else "TABLE")
        change = sql.SQL("ALTER {} public.{} OWNER TO {}")
        conn.execute(change.format(what, sql.Identifier(name), owner))
    for name, arguments in conn.execute(queries.SIGNATURES, (list(FUNCTIONS),)).fetchall():
        function = sql.SQL("public.{}({})").format(sql.Identifier(name), sql.SQL(arguments))
        conn.execute(sql.SQL("ALTER FUNCTION {} OWNER TO {}").format(function, owner))


def _install_privileges(conn: Connection, guard: Guard) -> None:
    everybody = sql.SQL(", ").join(
        [sql.SQL("PUBLIC"), *(sql.Identifier(role_name(guard, r)) for r in Role)]
    )
    database = sql.Identifier(conn.info.dbname)
    conn.execute(sql.SQL("REVOKE CREATE ON SCHEMA public FROM {}").format(everybody))
    conn.execute(
        sql.SQL("REVOKE TEMPORARY, CREATE ON DATABASE {} FROM {}").format(database, everybody)
    )
    for name, kind, parent, *_ in conn.execute(queries.RELATIONS).fetchall():
        if name in TABLES or parent in TABLES:
            what = sql.SQL("SEQUENCE" if kind == "sequence" else "TABLE")
            conn.execute(
                sql.SQL("REVOKE ALL ON {} public.{} FROM {}").format(
                    what, sql.Identifier(name), everybody
                )
            )
    for role in Role:
        who = sql.Identifier(role_name(guard, role))
        conn.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, who))
        conn.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(who))
        for table, entry in TABLES.items():
            for privilege, column in sorted(privileges(entry.of(role))):
                columns = sql.SQL("({})").format(sql.Identifier(column)) if column else sql.SQL("")
                conn.execute(
                    sql.SQL("GRANT {} {} ON public.{} TO {}").format(
                        sql.SQL(privilege), columns, sql.Identifier(table), who
                    )
                )
    for name, arguments in conn.execute(queries.SIGNATURES, (list(FUNCTIONS),)).fetchall():
        function = sql.SQL("public.{}({})").format(sql.Identifier(name), sql.SQL(arguments))
        conn.execute(sql.SQL("REVOKE ALL ON FUNCTION {} FROM {}").format(function, everybody))
        for role in sorted(FUNCTIONS[name]):
            who = sql.Identifier(role_name(guard, role))
            conn.execute(sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(function, who))


def _install_policies(conn: Connection) -> None:
    have: dict[str, list[tuple[Any, ...]]] = {}
    for table, *rest in conn.execute(queries.POLICIES).fetchall():
        have.setdefault(table, []).append(tuple(rest))
    for name, kind, parent, _, secured in conn.execute(queries.RELATIONS).fetchall():
        if kind == "sequence" or not (name in TABLES or parent in TABLES):
            continue
        table = sql.SQL("public.{}").format(sql.Identifier(name))
        if not secured:
            conn.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(table))
        rule = TABLES[name].rule if name in TABLES else Rule.NOBODY
        if _policy_fits(rule, have.get(name, [])):
            continue
        for policy, *_ in have.get(name, []):
            drop = sql.SQL("DROP POLICY {} ON {}")
            conn.execute(drop.format(sql.Identifier(policy), table))
        if rule is not Rule.NOBODY:
            _create_policy(conn, table, name, rule)


def _create_policy(conn: Connection, table: sql.Composed, name: str, rule: Rule) -> None:
    conn.execute(
        sql.SQL("CREATE POLICY {} ON {} USING ({}) WITH CHECK ({})").format(
            sql.Identifier(POLICY), table, sql.SQL(rule.value), sql.SQL(rule.check.value)
        )
    )
    made = [row for row in conn.execute(queries.POLICIES).fetchall() if row[0] == name]
    conn.execute(
        sql.SQL("COMMENT ON POLICY {} ON {} IS {}").format(
            sql.Identifier(POLICY), table, sql.Literal(_mark(rule, made[0][3]))
        )
    )


def administrator_sql(conn: Connection, guard: Guard) -> str:
    """What an administrator runs where the DSN's role may not make roles itself.

    It names verifiers of the roles' passwords, not the passwords.
    """
    owner = sql.Identifier(role_name(guard, OWNER))
    lines = [sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(owner)]
    for role in Role:
        name = sql.Identifier(role_name(guard, role))
        lines += [
            sql.SQL("CREATE ROLE {} NOINHERIT").format(name),
            _login(conn, guard, role),
        ]
    me, database = sql.Identifier(conn.info.user), sql.Identifier(conn.info.dbname)
    lines += [
        sql.SQL("GRANT {} TO {}").format(owner, me),
        sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, me),
    ]
    return "".join(f"{line.as_string(conn)};\n" for line in lines)


def _ask_administrator(conn: Connection, guard: Guard) -> ConfigurationError:
    return ConfigurationError(
        "the role of the DSN may not make the roles that protect the store.",
        cure="Give it CREATEROLE and the ownership of the database, or have an administrator run:\n"
        + administrator_sql(conn, guard),
    )
