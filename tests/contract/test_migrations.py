"""Numbered migrations: each once, in any order of landing, and never another in its place."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import ConfigurationError
from chartloom.engines.postgres import PostgresStore, migrate, protection
from chartloom.guard import Guard, SystemClock

Migration = tuple[int, str, str]
Give = Callable[..., None]


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Lets this version have other migrations besides its own."""
    own = migrate.migrations()

    def _give(*more: Migration) -> None:
        numbers = {number for number, *_ in more}
        kept = [m for m in own if m[0] not in numbers]
        monkeypatch.setattr(migrate, "migrations", lambda: sorted([*kept, *more]))

    return _give


def ask(store: PostgresStore, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        cursor = conn.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def tracked(number: int) -> Migration:
    """One that says that it ran, and when."""
    return (
        number,
        f"tracked{number}",
        "CREATE TABLE IF NOT EXISTS tracked (at serial, number int UNIQUE);"
        f"INSERT INTO tracked (number) VALUES ({number})",
    )


def ran(store: PostgresStore) -> list[object]:
    return [number for (number,) in ask(store, "SELECT number FROM tracked ORDER BY at")]


def record(store: PostgresStore) -> list[tuple[object, ...]]:
    return ask(store, "SELECT version, name, checksum FROM schema_version ORDER BY version")


def test_what_landed_later_with_a_lower_number_is_applied(store: PostgresStore, give: Give) -> None:
    give(tracked(9003))
    store.migrate()
    give(tracked(9003), tracked(9002))
    store.migrate()
    give(tracked(9003), tracked(9002), tracked(9005), tracked(9004), tracked(16))
    store.migrate()
    store.migrate()
    assert ran(store) == [9003, 9002, 16, 9004, 9005]
    assert [row for row in record(store) if row[0] in (16, 9002)] == [
        (number, name, migrate.checksum(text))
        for number, name, text in (tracked(16), tracked(9002))
    ]


def test_what_one_migration_makes_a_function_of_the_owner_can_use_in_the_next(
    store: PostgresStore, give: Give
) -> None:
    made = (9002, "made", "ALTER TABLE label_word OWNER TO CURRENT_USER")
    used = (9003, "used", "DO $$ BEGIN PERFORM hold_facts(); END $$")
    give(made, used)
    store.migrate()
    assert [number for number, *_ in record(store)][-2:] == [9002, 9003]


def test_a_fresh_store_has_all_on_record(store: PostgresStore) -> None:
    known = migrate.migrations()
    assert record(store) == [(n, name, migrate.checksum(text)) for n, name, text in known]


def test_one_that_changed_since_is_refused(store: PostgresStore, give: Give) -> None:
    give(tracked(9003))
    store.migrate()
    number, name, text = tracked(9003)
    for changed in ((number, name, text + " -- improved"), (number, "renamed", text)):
        give(changed, tracked(9004))
        with pytest.raises(ConfigurationError, match=r"migration 9003 \(tracked9003\)") as caught:
            store.migrate()
        assert caught.value.cure
    assert ran(store) == [9003]


def test_a_newer_store_is_refused_whatever_its_number(store: PostgresStore, give: Give) -> None:
    give(tracked(16))
    store.migrate()
    give(tracked(9004))
    with pytest.raises(ConfigurationError, match="newer version of Chartloom: it has 0016 tracked"):
        store.migrate()
    assert ran(store) == [16]


def test_a_record_without_checksums_is_completed(store: PostgresStore, give: Give) -> None:
    """Stores of versions that kept none: what they have by name is believed, once."""
    ask(store, "ALTER TABLE schema_version DROP COLUMN checksum")
    store.migrate()
    known = migrate.migrations()
    assert record(store) == [(n, name, migrate.checksum(text)) for n, name, text in known]
    give((known[0][0], known[0][1], known[0][2] + " "))
    with pytest.raises(ConfigurationError, match="migration 0001"):
        store.migrate()


def test_all_or_nothing(store: PostgresStore, give: Give) -> None:
    give(tracked(9003), (9004, "broken", "CREATE TABLE half (); SELECT 1/0"))
    with pytest.raises(psycopg.errors.DivisionByZero):
        store.migrate()
    assert ask(store, "SELECT to_regclass('tracked'), to_regclass('half')") == [(None, None)]
    assert 9003 not in [row[0] for row in record(store)]


def test_processes_that_start_at_once_apply_each_once(
    store: PostgresStore, store_factory: StoreFactory, give: Give
) -> None:
    give(tracked(9003), tracked(16), (9004, "slow", "SELECT pg_sleep(0.2)"))
    stores = [store, *(store_factory.second(store) for _ in range(3))]
    with ThreadPoolExecutor(len(stores)) as pool:
        list(pool.map(PostgresStore.migrate, stores))
    assert ran(store) == [16, 9003]


def test_no_two_have_one_number() -> None:
    names = [f.name for f in files("chartloom.engines.postgres").joinpath("sql").iterdir()]
    found = sorted(name for name in names if name.endswith(".sql"))
    assert [f"{number:04}_{name}.sql" for number, name, _ in migrate.migrations()] == found


def test_what_a_migration_made_stays_with_who_made_it_until_there_is_an_owner(
    store: PostgresStore, tmp_path: Path
) -> None:
    stranger = Guard.open(tmp_path / "keys", SystemClock())  # its roles do not exist
    owners = "SELECT relname, relowner FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    before = sorted(map(str, ask(store, owners)))
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        protection.adopt(conn, stranger)
    assert sorted(map(str, ask(store, owners))) == before
