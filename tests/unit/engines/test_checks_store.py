"""Who gets at a store, and which store is trusted: each reason alone, without a server."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from psycopg.pq import TransactionStatus
from tests.support.clock import FakeClock

from chartloom.domain.chart import Section
from chartloom.domain.errors import ConfigurationError, GrantRefused, StoreUnavailable
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.store import MessageFilter, ReplayScope, Wanted
from chartloom.engines.postgres import PostgresStore, base, migrate, protection
from chartloom.engines.postgres import queries_protection as queries
from chartloom.engines.postgres.connect import Connector, Pool, _loopback, _require_tls
from chartloom.engines.postgres.protection_rules import FUNCTIONS, OWNER, TABLES, Role, Rule
from chartloom.guard import Guard


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    return Guard.open(tmp_path / "keys", FakeClock())


# TLS


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE", "PGSSLMODE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("dsn", "taken"),
    [
        ("dbname=x", True), ("host=/run/pg dbname=x", True), ("host=@abstract dbname=x", True),
        ("host=localhost dbname=x", True), ("host=127.0.0.1 dbname=x", True),
        ("host=::1 dbname=x", True), ("host=db.example dbname=x", False),
        ("host=127.0.0.1.evil.example dbname=x", False), ("host=127.evil dbname=x", False),
        ("host=localhost,db.example dbname=x", False), ("host=10.0.0.7 dbname=x", False),
        ("host=localhost hostaddr=10.0.0.7 dbname=x", False),
        ("host=db.example hostaddr=127.0.0.1 dbname=x", True), ("service=hospital", False),
        ("host=db.example dbname=x sslmode=prefer", False),
        ("host=db.example dbname=x sslmode=disable", False),
        ("host=db.example dbname=x sslmode=require", False),
        ("host=db.example dbname=x sslmode=verify-full", True),
        ("service=hospital sslmode=verify-ca", True),
    ],
)  # fmt: skip
def test_off_this_machine_tls_is_demanded(dsn: str, taken: bool) -> None:
    if taken:
        assert Connector(dsn)
    else:
        with pytest.raises(ConfigurationError, match="does not demand TLS"):
            Connector(dsn)


def test_what_the_environment_says_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "db.example")
    with pytest.raises(ConfigurationError):
        _require_tls({"dbname": "x"})
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    _require_tls({"dbname": "x"})


def test_this_machine_is_known_by_its_addresses() -> None:
    assert [h for h in ("localhost", "127.0.0.1", "127.8.9.1", "::1") if not _loopback(h)] == []
    others = ("", "127.", "127.a", "127.0.0.1.example", "localhost.example", "0.0.0.0", "::")
    assert [h for h in others if _loopback(h)] == []


# Grants

#: Something of each type that methods want beside their grant.
_GIVEN: dict[str, Any] = {
    "str": "x", "int": 1, "Section": Section.RESULTS, "MessageFilter": MessageFilter(),
    "ReplayScope": ReplayScope(positions=(1,)), "Sequence[str]": ["x"], "Sequence[int]": [1],
    "Pair": ("a", "b"), "Sequence[Pair]": [("a", "b")],
    "Wanted": Wanted(frozenset({"x"}), frozenset()),
    "Sequence[Sequence[tuple[str, str]]]": [[("family", "x")]],
    "FhirJson": {"resourceType": "Patient", "birthDate": "1970-01-02",
                 "name": [{"family": "Ostrow", "given": ["Ann"]}]},
}  # fmt: skip

#: Opens a body that was read before; the key, not the store, is asked with the grant.
_READS_NOTHING = {"open_state"}


def _asked() -> Iterator[tuple[str, list[Any]]]:
    """Every way to read under a grant, with something to ask for."""
    for name, method in inspect.getmembers(PostgresStore, inspect.isfunction):
        signature = inspect.signature(method)
        names = list(signature.parameters)
        if name.startswith("_") or names[1:2] != ["grant"] or name in _READS_NOTHING:
            continue
        wanted = [p for p in list(signature.parameters.values())[2:] if p.default is p.empty]
        yield name, [_GIVEN[str(p.annotation)] for p in wanted]


@pytest.mark.parametrize("wrong", ["none", "forged", "widened", "prolonged", "expired"])
@pytest.mark.parametrize(("name", "more"), list(_asked()))
def test_the_store_is_asked_nothing_under_a_grant_that_does_not_hold(
    guard: Guard, name: str, more: list[Any], wrong: str
) -> None:
    """No function looks at its grant by itself: all enter the store, and there it is verified."""
    clock: Any = guard._clock
    store = PostgresStore("host=/nonexistent dbname=x user=x", guard, clock, patience_s=0.0)
    good = guard.mint("a", Purpose.OPERATIONS, ttl_s=60)
    replace = msgspec.structs.replace

    def ask(grant: Grant) -> None:
        found = getattr(store, name)(grant, *more)
        if hasattr(found, "__enter__"):
            with found:
                store.feeds(grant)

    with pytest.raises(StoreUnavailable):
        ask(good)
    bad: dict[str, Any] = {
        "none": None,
        "forged": replace(good, actor="somebody-else"),
        "widened": replace(guard.mint("a", Purpose.OPERATIONS, ("x",)), persons=("*",)),
        "prolonged": replace(good, expires_at_us=good.expires_at_us + 1),
        "expired": good,
    }
    if wrong == "expired":
        clock.time_us += 60_000_000
    with pytest.raises(GrantRefused):
        ask(bad[wrong])
    store.close()


def _enter(entered: Any) -> Any:
    def ask(grant: Grant) -> None:
        with entered(grant):
            raise AssertionError("entered")

    return ask


def test_what_is_open_is_asked_nothing_more_once_its_grant_has_ended(guard: Guard) -> None:
    """Also by the functions that share a transaction which began while the grant held."""
    clock: Any = guard._clock
    store = PostgresStore("host=/nonexistent dbname=x user=x", guard, clock, patience_s=0.0)
    for name, more in _asked():
        if name == "together":
            continue
        grant = guard.mint("a", Purpose.OPERATIONS, ttl_s=60)
        ask = getattr(store, name)
        if name == "entered":
            ask = _enter(ask)
        with store.together(grant):
            clock.time_us += 60_000_000
            with pytest.raises(GrantRefused):
                ask(grant, *more)
    store.close()


def test_a_pool_lends_no_more_than_it_has_and_nothing_when_it_is_closed() -> None:
    made: list[Any] = []

    class Lent:
        closed, info = False, SimpleNamespace(transaction_status=TransactionStatus.IDLE)

        def close(self) -> None:
            self.closed = True

    def open_(*_: object) -> Any:
        made.append(Lent())
        return made[-1]

    pool = Pool(SimpleNamespace(open=open_), size_max=1, wait_s=0.01)  # type: ignore[arg-type]
    with pool.use(), pytest.raises(StoreUnavailable), pool.use():
        pass
    with pool.use():
        assert len(made) == 1  # the same one again
    pool.close()
    assert made[0].closed
    with pytest.raises(StoreUnavailable), pool.use():
        pass
    assert len(made) == 1


# The right store


def _one(row: Any) -> Any:
    return SimpleNamespace(execute=lambda *_: SimpleNamespace(fetchone=lambda: row))


def test_a_store_of_other_keys_or_lanes_is_not_this_sites(guard: Guard) -> None:
    mine = (guard.namespace, guard.fingerprint, 64)
    migrate.check_site(_one(mine), guard, 64)
    other = bytes(len(guard.fingerprint))
    for row, said in (
        (None, "no schema"),
        ((guard.fingerprint, *mine[1:]), "other keys"),
        ((mine[0], other, 64), "other keys"),
        ((*mine[:2], 32), "32 lanes"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            migrate.check_site(_one(row), guard, 64)


def test_a_store_is_not_made_anew_over_another(guard: Guard) -> None:
    """Whatever was there stays (the statements insert where nothing is); so it is looked at."""
    with pytest.raises(ConfigurationError, match="other keys"):
        migrate._settle_site(_one((guard.fingerprint, guard.fingerprint, 64)), guard, 64, 0)


@pytest.mark.parametrize(("server", "schema", "said"), [
    (140_000, 0, "older than 15"), (149_999, 0, "older than 15"),
    (150_000, 999, "newer version"), (170_000, 999, "newer version"),
])  # fmt: skip
def test_a_server_too_old_and_a_store_too_new_are_left_alone(
    guard: Guard, server: int, schema: int, said: str
) -> None:
    ran: list[str] = []

    def execute(text: object, *_: object) -> Any:
        ran.append(str(text))
        return SimpleNamespace(fetchall=lambda: [(schema, "future", None)])

    conn: Any = SimpleNamespace(
        info=SimpleNamespace(server_version=server), transaction=nullcontext, execute=execute
    )
    with pytest.raises(ConfigurationError, match=said):
        migrate.migrate(conn, guard, 64, 0)
    assert not [text for text in ran if "INSERT" in text]


def test_a_store_that_is_not_protected_is_not_worked_with(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protection, "problems", lambda conn, guard: [])
    protection.verify_protection(_one(None), guard)
    monkeypatch.setattr(protection, "problems", lambda conn, guard: [f"p{n}" for n in range(7)])
    with pytest.raises(ConfigurationError, match="p4 and 2 more"):
        protection.verify_protection(_one(None), guard)
    monkeypatch.setattr(protection, "problems", lambda conn, guard: [f"p{n}" for n in range(5)])
    with pytest.raises(ConfigurationError, match=r"p4(?! and)"):
        protection.verify_protection(_one(None), guard)


def test_who_comes_first_looks_whether_all_is_well(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = PostgresStore("host=/nonexistent dbname=x user=x", guard, FakeClock())
    looked: list[str] = []
    wrong: set[str] = set()

    def look(name: str) -> Any:
        def looking(*_: object) -> int:
            looked.append(name)
            if name in wrong:
                raise ConfigurationError(name)
            return 7

        return looking

    monkeypatch.setattr(protection, "verify_protection", look("protection"))
    monkeypatch.setattr(migrate, "check_site", look("site"))
    monkeypatch.setattr(migrate, "first_day", look("day"))
    monkeypatch.setattr(base, "entered", lambda *_: nullcontext())
    for name in ("protection", "site"):
        wrong = {name}
        with pytest.raises(ConfigurationError):
            store._first_day(_one(None))
    assert looked == ["protection", "protection", "site"]
    wrong = set()
    assert [store._first_day(_one(None)) for _ in range(3)] == [7, 7, 7]
    assert looked[3:] == ["protection", "site", "day"]
    store.close()


class Catalogue:
    """What a server would answer of a store that is as it should be; tests change it."""

    def __init__(self, guard: Guard) -> None:
        owner = protection.role_name(guard, OWNER)
        self.owner = owner
        names = [protection.role_name(guard, r) for r in Role]
        self.roles = [(owner, False, False), *((n, True, False) for n in names)]
        self.relations = [(t, "table", None, owner, True) for t in TABLES]
        self.policies = [
            (t, protection.POLICY, True, "x", protection._mark(entry.rule, "x"))
            for t, entry in TABLES.items()
            if entry.rule is not Rule.NOBODY
        ]
        self.functions = [
            (f, owner, [owner, *(protection.role_name(guard, r) for r in roles)])
            for f, roles in FUNCTIONS.items()
        ]

    def execute(self, query: Any, *_: Any) -> Any:
        rows = {
            queries.ROLES: self.roles,
            queries.RELATIONS: self.relations,
            queries.POLICIES: self.policies,
            queries.FUNCTIONS: self.functions,
        }[query]
        return SimpleNamespace(fetchall=lambda: list(rows))

    def wrong(self, guard: Guard) -> list[str]:
        conn: Any = self
        return [
            *protection._role_problems(conn, guard),
            *protection._relation_problems(conn, guard),
            *protection._function_problems(conn, guard),
        ]


@pytest.fixture
def catalogue(guard: Guard) -> Catalogue:
    return Catalogue(guard)


def test_a_store_as_it_should_be_has_no_problems(guard: Guard, catalogue: Catalogue) -> None:
    assert catalogue.wrong(guard) == []
    catalogue.relations.append(("elsewhere", "table", None, "somebody", False))  # not ours
    assert catalogue.wrong(guard) == []


def test_each_role_is_what_it_should_be(guard: Guard, catalogue: Catalogue) -> None:
    good = list(catalogue.roles)
    for i, (name, login, _) in enumerate(good):
        for changed in ((name, login, True), (name, not login, False)):
            catalogue.roles = [*good[:i], changed, *good[i + 1 :]]
            assert catalogue.wrong(guard) == [f"role {name} has rights that it must not have"]
        catalogue.roles = [*good[:i], *good[i + 1 :]]
        assert catalogue.wrong(guard) == [f"role {name} is missing"]


def test_each_table_is_what_it_should_be(guard: Guard, catalogue: Catalogue) -> None:
    good, owner = list(catalogue.relations), catalogue.owner
    for name in ("view", "access_secret"):
        i = [r[0] for r in good].index(name)
        for changed, said in (
            ((name, "table", None, "x", True), f"table {name} has another owner"),
            ((name, "table", None, owner, False), f"row-level security of {name} is off"),
        ):
            catalogue.relations = [*good[:i], changed, *good[i + 1 :]]
            assert catalogue.wrong(guard) == [said]
        catalogue.relations = [*good[:i], *good[i + 1 :]]
        assert catalogue.wrong(guard) == [f"table {name} is missing"]
    part = ("view_1", "table", "view", "x", False)
    catalogue.relations = [*good, part]
    assert catalogue.wrong(guard) == [
        "table view_1 has another owner",
        "row-level security of view_1 is off",
    ]


def test_each_policy_is_what_it_should_be(guard: Guard, catalogue: Catalogue) -> None:
    good = list(catalogue.policies)
    i = [p[0] for p in good].index("view")
    name, policy, permissive, deparsed, mark = good[i]
    said = ["the policy of view is missing or was changed"]
    for changed in (
        (name, "other", permissive, deparsed, mark),
        (name, policy, False, deparsed, mark),
        (name, policy, permissive, "true", mark),
        (name, policy, permissive, deparsed, "x"),
    ):
        catalogue.policies = [*good[:i], changed, *good[i + 1 :]]
        assert catalogue.wrong(guard) == said
    catalogue.policies = [*good[:i], *good[i + 1 :]]
    assert catalogue.wrong(guard) == said
    catalogue.policies = [*good, good[i]]
    assert catalogue.wrong(guard) == said
    nobodys = next(t for t, entry in TABLES.items() if entry.rule is Rule.NOBODY)
    catalogue.policies = [*good, (nobodys, policy, True, "x", mark)]
    assert catalogue.wrong(guard) == [f"the policy of {nobodys} is missing or was changed"]


def test_each_function_is_what_it_should_be(guard: Guard, catalogue: Catalogue) -> None:
    good, owner = list(catalogue.functions), catalogue.owner
    name, _, callers = good[0]
    for changed, said in (
        ((name, "x", callers), f"function {name} has another owner"),
        ((name, owner, [*callers, "-"]), f"function {name} may be called by others than it should"),
    ):
        catalogue.functions = [changed, *good[1:]]
        assert catalogue.wrong(guard) == [said]
    catalogue.functions = good[1:]
    assert catalogue.wrong(guard) == [f"function {name} is missing"]
    catalogue.functions = [*good, ("strange", owner, [])]
    assert catalogue.wrong(guard) == ["function strange is not known"]
