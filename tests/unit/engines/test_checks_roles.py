"""How the roles of a store are made: what is made, what is left alone, who is asked. No server."""

from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import errors, sql
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError, GrantRefused
from chartloom.domain.grant import Purpose
from chartloom.engines.postgres import PostgresStore, access, protection
from chartloom.engines.postgres import queries_protection as queries
from chartloom.engines.postgres.protection_rules import OWNER, TABLES, Role
from chartloom.guard import Guard


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    return Guard.open(tmp_path / "keys", FakeClock())


def scram(secret: str, cost: int = 4096, scheme: str = "SCRAM-SHA-256") -> str:
    """A verifier as a server keeps it (RFC 5803)."""
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", secret.encode(), salt, cost)
    client = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    shown = [base64.b64encode(b).decode() for b in (salt, client, b"server")]
    return f"{scheme}${cost}:{shown[0]}${shown[1]}:{shown[2]}"


@pytest.mark.parametrize("verifier", [
    "", "x", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096$x", "SCRAM-SHA-256$a:b$c:d",
    "md5d41d8cd98f00b204e9800998ecf8427e", scram("other"), scram("secret", scheme="SCRAM-SHA-1"),
    scram("secret")[:-30],
])  # fmt: skip
def test_a_verifier_of_another_password_is_none(verifier: str) -> None:
    assert protection._verifies(scram("secret"), "secret")
    assert not protection._verifies(verifier, "secret")


class Server:
    """Answers what a server would; keeps what it was told to do."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.names = [protection.role_name(guard, r) for r in (OWNER, *Role)]
        self.known = list(self.names)
        self.may_make, self.member = True, True
        self.secrets = {protection.role_name(guard, r): protection.password(guard, r) for r in Role}
        self.refuses: set[Any] = set()
        self.did: list[str] = []
        self.relations: list[tuple[Any, ...]] = []
        self.policies: list[tuple[Any, ...]] = []
        self.pgconn = SimpleNamespace(encrypt_password=lambda *_: b"verifier")

    def transaction(self) -> Any:
        return nullcontext()

    def execute(self, query: Any, values: Any = None) -> Any:
        if isinstance(query, sql.Composable):
            self.did.append(query.as_string(None))
            return None
        if query in self.refuses:
            raise errors.InsufficientPrivilege
        rows: list[tuple[Any, ...]] = {
            queries.ROLES: [(n, True, False) for n in self.known],
            queries.MAY_MAKE_ROLES: [(self.may_make,)],
            queries.IS_MEMBER: [(self.member,)],
            queries.VERIFIER: [(self._verifier(values),)],
            queries.RELATIONS: self.relations,
            queries.POLICIES: self.policies,
        }[query]
        return SimpleNamespace(fetchall=lambda: rows, fetchone=lambda: rows[0] if rows else None)

    def _verifier(self, values: Any) -> str:
        name = values[0] if values and isinstance(values[0], str) else ""
        return scram(self.secrets[name]) if name in self.secrets else ""

    def install(self) -> list[str]:
        self.did.clear()
        conn: Any = self
        protection._install_roles(conn, self.guard)
        return list(self.did)


@pytest.fixture
def server(guard: Guard) -> Server:
    return Server(guard)


def test_roles_that_are_there_are_left_alone(server: Server) -> None:
    assert server.install() == []


def test_each_role_that_is_missing_is_made(server: Server) -> None:
    for name in server.names:
        server.known = [n for n in server.names if n != name]
        assert f'CREATE ROLE "{name}" NOINHERIT' in server.install()


def test_another_password_is_set_anew_and_none_of_the_owner(server: Server) -> None:
    for role in Role:
        name = protection.role_name(server.guard, role)
        before = server.secrets[name]
        server.secrets[name] = "other"
        assert server.install() == [f"ALTER ROLE \"{name}\" LOGIN PASSWORD 'verifier'"]
        server.secrets[name] = before
    server.refuses = {queries.VERIFIER}  # only a superuser can look: then it is set every time
    owner = protection.role_name(server.guard, OWNER)
    assert len(server.install()) == len(Role)
    assert owner not in " ".join(server.did)


def test_who_is_no_member_becomes_one(server: Server) -> None:
    server.member = False
    assert server.install() == [f'GRANT "{server.names[0]}" TO CURRENT_USER']


def test_roles_that_an_administrator_made_are_not_touched(server: Server) -> None:
    server.may_make, server.member, server.secrets = False, False, {}
    assert server.install() == []
    server.known = server.names[1:]
    assert server.install()  # and refused, if the server does not let it


def test_what_may_not_be_made_is_asked_of_an_administrator(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise errors.InsufficientPrivilege

    asked = ConfigurationError("ask")
    monkeypatch.setattr(protection, "_ask_administrator", lambda *_: asked)
    monkeypatch.setattr(protection, "_install_secret", lambda *_: None)
    conn: Any = server
    for step in (
        "_install_roles",
        "_install_ownership",
        "_install_privileges",
        "_install_policies",
    ):
        for name in ("_install_roles", "_install_ownership", "_install_privileges",
                     "_install_policies"):  # fmt: skip
            monkeypatch.setattr(protection, name, refuse if name == step else lambda *_: None)
        monkeypatch.setattr(protection, "problems", lambda *_: ["something"])
        with pytest.raises(ConfigurationError) as error:
            protection.install(conn, server.guard)
        assert error.value is asked


def test_what_was_put_right_is_looked_at_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    for name in ("_install_secret", "_install_roles", "_install_ownership", "_install_privileges",
                 "_install_policies"):  # fmt: skip
        monkeypatch.setattr(protection, name, lambda *_, name=name: done.append(name))
    conn: Any = server
    monkeypatch.setattr(protection, "problems", lambda *_: [])
    protection.install(conn, server.guard)
    assert done == ["_install_secret", "_install_roles"]  # all is well: nothing else is done
    monkeypatch.setattr(protection, "problems", lambda *_: ["still wrong"])
    with pytest.raises(ConfigurationError, match="still wrong"):
        protection.install(conn, server.guard)
    assert len(done) == 7


# What the store is told of a grant


@pytest.mark.parametrize("person", ["", "a,b", ",", "a b", "a\tb", "a\nb", "\u00a0", "a\x00", " "])
def test_a_grant_that_cannot_be_written_down_is_refused(guard: Guard, person: str) -> None:
    """A comma would make two persons of one, a space would move all that follows."""
    text, mac = access.claim(guard, guard.mint("t", Purpose.OPERATIONS, ("a", "b"), ("*",)))
    assert text.split(" ")[4] == "a,b"
    assert mac == guard.claim_mac(text)
    for persons in ((person,), ("a", person)):
        with pytest.raises(GrantRefused, match="cannot hold"):
            access.claim(guard, guard.mint("t", Purpose.OPERATIONS, persons))


def test_a_grant_for_everyone_names_nobody_else(guard: Guard) -> None:
    grant = guard.mint("t", Purpose.OPERATIONS, ("a", "*"))
    assert access.claim(guard, grant)[0].endswith(" *")


def test_claims_of_the_stores_own_work_are_renewed_in_time(guard: Guard) -> None:
    clock: Any = guard._clock
    claims = access.ServiceClaims(guard, "store")
    first = claims.current()
    assert claims.current() == first
    clock.time_us += 239_000_000
    assert claims.current() == first
    clock.time_us += 2_000_000
    assert claims.current() != first


def test_a_grant_that_has_ended_ends_what_rests_on_it(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within what is read together, and for a worker that goes on under the grant of before."""
    store = PostgresStore("host=/nonexistent dbname=x user=x", guard, guard._clock)
    monkeypatch.setattr(store, "_transaction", lambda _: nullcontext("connection"))
    clock: Any = guard._clock
    grant = guard.mint("t", Purpose.OPERATIONS, ttl_s=60)
    with store.together(grant):
        with store._reading(grant) as conn:
            assert conn == "connection"
        assert store._entry(grant) == store._entry(grant)
        clock.time_us += 60_000_000
        with pytest.raises(GrantRefused), store._reading(grant):
            pass
        with pytest.raises(GrantRefused):
            store._entry(grant)
    with store.together(grant), pytest.raises(GrantRefused), store._reading(grant):
        pass
    store.close()


# Ownership and policies


def test_only_tables_of_ours_change_their_owner(server: Server) -> None:
    conn: Any = server
    owner = server.names[0]
    server.relations = [
        ("view", "table", None, "x", True), ("view_1", "table", "view", "x", True),
        ("shard", "sequence", None, "x", False), ("view_id", "sequence", "view", "x", False),
        ("elsewhere", "table", None, "x", False), ("link", "table", None, owner, True),
    ]  # fmt: skip
    signatures = queries.SIGNATURES
    real = server.execute
    server.execute = lambda q, v=None: (  # type: ignore[method-assign]
        SimpleNamespace(fetchall=list) if q == signatures else real(q, v)
    )
    protection._install_ownership(conn, server.guard)
    changed = [d.split('"')[1] for d in server.did if d.startswith("ALTER")]
    assert changed == ["view", "view_1", "shard"]


def test_a_policy_that_does_not_fit_is_made_anew(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    monkeypatch.setattr(protection, "_create_policy", lambda c, t, name, r: made.append(name))
    conn: Any = server
    good = protection._mark(TABLES["view"].rule, "x")
    for policies, secured, did in (
        ([("view", protection.POLICY, True, "x", good)], True, (0, 0)),
        ([("view", protection.POLICY, True, "true", good)], True, (1, 1)),
        ([("view", "other", True, "x", good)], True, (1, 1)),
        ([], True, (0, 1)),
        ([("view", protection.POLICY, True, "x", good)], False, (1, 0)),
    ):
        made.clear()
        server.did.clear()
        server.policies = policies
        server.relations = [("view", "table", None, "x", secured),
                            ("elsewhere", "table", None, "x", False),
                            ("view_id", "sequence", "view", "x", False)]  # fmt: skip
        protection._install_policies(conn)
        assert (len(server.did), len(made)) == did, policies
