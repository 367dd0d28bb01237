"""Keys and tokens in the store, each condition of a statement alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg import errors
from tests.support.clock import FakeClock

from chartloom.domain.keys import Tombstone, WrappedKey
from chartloom.engines.postgres import PostgresStore
from chartloom.engines.postgres.connect import Connector
from chartloom.engines.postgres.subject_keys import PostgresSubjectKeys
from chartloom.engines.postgres.used_tokens import PostgresUsedTokens

HOUR_US = 3_600_000_000


def key(subject: str, generation: int = 1, wrapped: bytes = b"w" * 48) -> WrappedKey:
    return WrappedKey(subject, generation, wrapped, 1_000)


def stone(subject: str) -> Tombstone:
    return Tombstone(subject, 2_000, "staff-1", "patient-request")


@pytest.fixture
def keys(store: PostgresStore) -> Iterator[PostgresSubjectKeys]:
    found = PostgresSubjectKeys(Connector(store.dsn), store.guard)
    yield found
    found.close()


def test_a_tombstone_is_never_wrapped_anew(keys: PostgresSubjectKeys) -> None:
    """Not even by who says that the key that was there was empty, as a tombstone's is."""
    keys.put_absent([key("p1"), key("p2")])
    keys.destroy(stone("p1"))
    empty = [(key("p1", wrapped=b""), key("p1", 2, b"x" * 48))]
    assert keys.rewrap(empty) == 0
    assert keys.get(["p1", "p2"]) == {"p1": stone("p1"), "p2": key("p2")}


def test_a_page_of_old_keys_is_not_filled_with_tombstones(keys: PostgresSubjectKeys) -> None:
    """Else a rotation would believe that no old key is left."""
    for number in range(4):
        keys.destroy(stone(f"gone{number}"))
    keys.put_absent([key("p1"), key("p2"), key("new", 2)])
    assert {k.subject for k in keys.of_generations_below(2, 3)} == {"p1", "p2"}
    assert keys.destroyed_count() == 4
    assert keys.count_by_generation() == {1: 2, 2: 1}


def test_only_the_floor_is_told_as_a_floor(keys: PostgresSubjectKeys) -> None:
    """Who is told of a stale generation wraps by the newest one and tries again."""
    with pytest.raises(errors.CharacterNotInRepertoire):
        keys.put_absent([key("p\0")])


def test_a_token_is_used_once_also_when_it_is_over_and_when_others_are(
    store: PostgresStore,
) -> None:
    clock = FakeClock()
    used = PostgresUsedTokens(Connector(store.dsn), store.guard, clock)
    soon, late = clock.now_us() + HOUR_US, clock.now_us() + 9 * HOUR_US
    assert used.first_use("i", "short", soon)
    assert used.first_use("i", "long", late)
    assert not used.first_use("i", "short", soon)
    clock.time_us += 2 * HOUR_US
    assert not used.first_use("i", "short", soon)  # it is over, and was used
    assert used.first_use("i", "another", late)  # forgets those that are over
    assert not used.first_use("i", "long", late)
    used.close()
