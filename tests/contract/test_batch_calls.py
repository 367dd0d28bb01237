"""Batches as calls: who may make them, what a worker reads anew, whom a notice wakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psycopg
import pytest
from psycopg import errors, sql
from tests.support.batches import apply, arrival, batch_of, derived, everyone
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import LaneLost
from chartloom.domain.grant import Purpose
from chartloom.domain.store import ReplayScope
from chartloom.engines.postgres import PostgresStore, access
from chartloom.engines.postgres.access import Claim
from chartloom.engines.postgres.protection_rules import FUNCTIONS, Role

#: Functions that take a claim, which must be for everyone and for all labels.
TAKING = ("pending_messages", "current_states", "current_views", "batch_write", "match_digests")
#: All others of workers: they go by the claim that holds in the transaction, and want the same.
WITHIN = sorted(
    name
    for name, roles in FUNCTIONS.items()
    if roles == {Role.WORKER} and name not in (*TAKING, "next_shard")
)


@pytest.fixture
def superuser(store: PostgresStore) -> Iterator[psycopg.Connection]:
    """Whom no missing privilege keeps out: only the claim does."""
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        yield conn


def types_of(conn: psycopg.Connection, name: str) -> list[str]:
    query = "SELECT proargtypes::regtype[]::text[] FROM pg_proc WHERE proname = %s"
    ((types,),) = conn.execute(query, (name,)).fetchall()
    return list(types)


def call(conn: psycopg.Connection, name: str, claim: Claim | None = None) -> None:
    """With nothing to read or write: empty arrays and NULLs."""
    types = types_of(conn, name)[0 if claim is None else 2 :]
    nothing = ["'{}'" if t.endswith("[]") else f"NULL::{t}" for t in types]
    given = ["%s", "%s"] if claim is not None else []
    text = sql.SQL("SELECT * FROM {}({})").format(
        sql.Identifier(name), sql.SQL(", ".join(given + nothing))
    )
    conn.execute(text, claim)


def claims(store: PostgresStore) -> dict[str, Claim]:
    def of(persons: tuple[str, ...], labels: tuple[str, ...]) -> Claim:
        grant = store.guard.mint("t", Purpose.OPERATIONS, persons, labels)
        return access.claim(store.guard, grant)

    return {"for one": of(("p1",), ("*",)), "without labels": of(("*",), ())}


@pytest.mark.parametrize("name", WITHIN)
def test_what_writes_asks_for_the_claim_of_its_transaction(
    store: PostgresStore, superuser: psycopg.Connection, name: str
) -> None:
    with pytest.raises(errors.InvalidAuthorizationSpecification):
        call(superuser, name)
    for claim in claims(store).values():
        superuser.execute("BEGIN")
        superuser.execute(access.BEGIN_ACCESS, claim)
        with pytest.raises(errors.InvalidAuthorizationSpecification):
            call(superuser, name)
        superuser.execute("ROLLBACK")
    good = access.claim(store.guard, everyone(store))
    # rekeyed_told wants a time.
    unwritten = suppress(errors.ObjectNotInPrerequisiteState, errors.NotNullViolation)
    with unwritten, superuser.transaction():
        superuser.execute(access.BEGIN_ACCESS, good)
        call(superuser, name)
    with pytest.raises(errors.InvalidAuthorizationSpecification):
        call(superuser, name)  # it ended with its transaction


@pytest.mark.parametrize("name", TAKING)
def test_what_takes_a_claim_wants_it_for_everyone_and_all_labels(
    store: PostgresStore, superuser: psycopg.Connection, name: str
) -> None:
    for claim in claims(store).values():
        with pytest.raises(errors.InvalidAuthorizationSpecification):
            call(superuser, name, claim)


def positions(store: PostgresStore, lanes: list[int], limit: int = 100) -> list[int]:
    return [m.position for m in store.pending(everyone(store), lanes, limit)]


def test_what_was_read_and_not_committed_is_read_again(store: PostgresStore) -> None:
    lanes, grant = store.claim("w", 64), everyone(store)
    store.land([arrival(n, f"p{n}") for n in range(1, 7)])
    first = store.pending(grant, lanes, 4)
    assert positions(store, lanes, 4) == [1, 2, 3, 4]
    apply(store, batch_of(first[:2]))  # as halves of a batch are
    assert positions(store, lanes) == [3, 4, 5, 6]
    apply(store, batch_of(store.pending(grant, lanes, 3)))
    assert positions(store, lanes) == [6]


def test_only_what_follows_is_read_and_nothing_is_missed(store: PostgresStore) -> None:
    lanes, grant = store.claim("w", 64), everyone(store)
    seen: list[int] = []
    for n in range(1, 30):
        store.land([arrival(n * 10 + k, f"p{(n * k) % 7}") for k in range(n % 4)])
        messages = store.pending(grant, lanes, 3)
        seen += [m.position for m in messages]
        if messages:
            apply(store, batch_of(messages))
    while messages := store.pending(grant, lanes, 3):
        seen += [m.position for m in messages]
        apply(store, batch_of(messages))
    assert seen == list(range(1, 1 + sum(n % 4 for n in range(1, 30))))
    assert store.waiting(grant) == 0


def test_a_worker_without_work_learns_of_a_rebuild(store: PostgresStore) -> None:
    lanes, grant = store.claim("w", 64), everyone(store)
    store.land([arrival(n, f"p{n}") for n in range(1, 4)])
    apply(store, batch_of(store.pending(grant, lanes, 10)))
    assert positions(store, lanes) == []
    store.rebuild(grant)
    again = store.pending(grant, lanes, 10)
    assert [m.position for m in again] == [1, 2, 3]
    with pytest.raises(LaneLost):
        store.commit(batch_of(again))
    apply(store, batch_of(store.pending(grant, lanes, 10)))
    assert store.waiting(grant) == 0


def test_what_is_tried_again_comes_first_and_moves_no_lane(store: PostgresStore) -> None:
    lanes, grant = store.claim("w", 64), everyone(store)
    store.land([arrival(n, "p1") for n in range(1, 3)])
    messages = store.pending(grant, lanes, 10)
    apply(store, batch_of(messages, [derived(messages[0], quarantine="x"), derived(messages[1])]))
    store.retry(grant, ReplayScope())
    store.land([arrival(3, "p1")])
    again = store.pending(grant, lanes, 10)
    assert [m.position for m in again] == [1]
    apply(store, batch_of(again))
    assert positions(store, lanes) == [3]


def test_lanes_that_came_from_another_worker_are_read_from_their_cursors(
    store_factory: StoreFactory,
) -> None:
    one = store_factory()
    two = store_factory.second(one)
    lanes = one.claim("a", 64)
    grant = everyone(one)
    one.land([arrival(n, f"p{n}") for n in range(1, 20)])
    apply(one, batch_of(one.pending(grant, lanes, 100)))
    one.land([arrival(n, f"p{n}") for n in range(20, 40)])
    one.release("a")
    waiting = two.pending(grant, two.claim("b", 64), 100)
    assert [m.position for m in waiting] == list(range(20, 40))
    apply(two, batch_of(waiting[:10]))
    two.release("b")
    assert positions(one, one.claim("a", 64)) == list(range(30, 40))


def test_a_notice_wakes_those_whose_lanes_it_names(store_factory: StoreFactory) -> None:
    one = store_factory()
    two = store_factory.second(one)
    two.land([arrival(1, "p1")])  # the first group of an object names no lanes
    mine = one.lane_of("lab", "p1")
    other = next(p for p in map(str, range(100)) if one.lane_of("lab", p) != mine)
    one.claim("a", 64)
    with one._lane.use() as conn:
        one._give(conn, [lane for lane in one._held if lane != mine])
    while one.wait(0.05):
        pass
    two.land([arrival(2, other)])
    assert not one.wait(0.2)
    two.land([arrival(3, "p1")])
    assert one.wait(PATIENCE_S)
