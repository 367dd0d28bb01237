"""What is damaged or deadly is quarantined with a reason; everything else goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from tests.support import doomed_worker
from tests.support.batches import arrival, everyone
from tests.support.doomed_worker import worker_on
from tests.support.postgres import StoreFactory

from chartloom.domain.message import Arrival, MessageState
from chartloom.domain.quarantine import STORED_DAMAGED, STORED_UNREADABLE, WORKER_DIED
from chartloom.domain.store import MessageFilter, ReplayScope
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore
from chartloom.engines.postgres.trouble import DEATHS_MAX, TRIES_MAX
from chartloom.guard import Guard, SystemClock

ROOT = Path(__file__).parents[2]


def quarantine_of(store: PostgresStore) -> dict[int, str]:
    """Position -> reason ("" if applied), of everything that is consumed."""
    rows = store.search(everyone(store), MessageFilter(limit=1000))
    return {r.position: r.quarantine for r in rows if r.state is not MessageState.LANDED}


def work(store: PostgresStore) -> None:
    worker = worker_on(store)
    while worker.run_once():
        pass
    store.release("w")


def sql(store: PostgresStore, text: str, *values: object) -> list[tuple[object, ...]]:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        cursor = conn.execute(text.encode(), values)
        return cursor.fetchall() if cursor.description else []


def test_a_damaged_body_is_quarantined_and_can_be_retried_once_restored(
    store: PostgresStore,
) -> None:
    store.land([arrival(n, f"p{n % 2}") for n in range(1, 7)])
    ((body,),) = sql(store, "SELECT body FROM landing WHERE position = 3")
    assert isinstance(body, bytes)
    damaged = body[:-1] + bytes([body[-1] ^ 1])
    sql(store, "UPDATE landing SET body = %s WHERE position = 3", damaged)
    work(store)
    assert quarantine_of(store) == {n: STORED_UNREADABLE if n == 3 else "" for n in range(1, 7)}
    detail = store.detail(everyone(store), 3)
    assert (detail.message.fault, detail.message.body) == (STORED_UNREADABLE, b"")
    assert [i.code for i in detail.issues] == [STORED_UNREADABLE]
    assert sql(store, "SELECT body FROM landing WHERE position = 3") == [(damaged,)]
    sql(store, "UPDATE landing SET body = %s WHERE position = 3", body)
    assert store.retry(everyone(store), ReplayScope()) == 1
    work(store)
    assert set(quarantine_of(store).values()) == {""}
    assert store.detail(everyone(store), 3).message.body == arrival(3).body.replace(b"p1", b"p1")


def test_a_damaged_state_stops_only_the_messages_that_build_on_it(
    store_factory: StoreFactory,
) -> None:
    store = store_factory()
    store.land([arrival(n, f"p{n}") for n in range(1, 5)])
    work(store)
    sql(store, "UPDATE resource SET body = '\\x01'::bytea || body WHERE source_patient = 'p2'")
    store.land([arrival(n + 10, f"p{n}") for n in range(1, 5)])
    work(store_factory.second(store))
    assert {p: q for p, q in quarantine_of(store).items() if q} == {6: STORED_DAMAGED}


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(tmp_path_factory.mktemp("s") / "pg")
    server.start()
    yield server
    server.stop()


def test_a_damaged_page_of_the_log_is_quarantined(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    """The disk lost a page of the bodies: the server's checksums say so (XX001)."""
    guard = Guard.open(tmp_path / "keys")
    store = PostgresStore(own_server.dsn, guard, SystemClock())
    store.migrate()
    store.land([big(n) for n in range(1, 7)])
    store.close()
    file = own_server.data_dir / "cluster" / page_file(store)
    own_server.stop()
    with file.open("r+b") as f:
        f.seek(8192 + 4000)  # the second page
        f.write(b"lost")
    own_server.start()
    again = PostgresStore(own_server.dsn, guard, SystemClock())
    work(again)
    outcomes = quarantine_of(again)
    again.close()
    assert len(outcomes) == 6
    reasons = [reason for reason in outcomes.values() if reason]
    assert set(reasons) == {STORED_UNREADABLE}
    assert len(reasons) in (1, 2)  # as many as have a part on that page


def big(n: int) -> Arrival:
    """So large that its body does not stay in the row."""
    return arrival(n, f"p{n}", body=b"MSH|^~\\&|" + b"%05d" % n * 6000)


def page_file(store: PostgresStore) -> str:
    ((path,),) = sql(
        store,
        "SELECT pg_relation_filepath(reltoastrelid) FROM pg_class"
        " WHERE oid = (SELECT tableoid FROM landing LIMIT 1)",
    )
    sql(store, "CHECKPOINT")
    return str(path)


def run_until_idle(store: PostgresStore, keys: Path, deadly: str, most: int) -> int:
    """Starts the worker again and again until it ends well; how often it died."""
    for deaths in range(most + 1):
        done = subprocess.run(
            [sys.executable, doomed_worker.__file__, store.dsn, str(keys), deadly],
            cwd=ROOT,
            check=False,
            capture_output=True,
            timeout=60,
        )
        if done.returncode == 0:
            return deaths
        assert done.returncode == -9, done.stderr
    raise AssertionError(f"still dying after {most} deaths")


def keys_of(factory: StoreFactory, store: PostgresStore) -> Path:
    name = psycopg.conninfo.conninfo_to_dict(store.dsn)["dbname"]
    return factory.folder / f"keys-{name}"


def test_a_message_that_kills_workers_is_quarantined_in_the_end(
    store_factory: StoreFactory,
) -> None:
    store = store_factory()
    bodies = {n: b"MSH|deadly" if n in (5, 9) else b"MSH|%d" % n for n in range(1, 13)}
    store.land([arrival(n, f"p{n % 3}", body=body) for n, body in bodies.items()])
    keys, most = keys_of(store_factory, store), DEATHS_MAX + 2 * TRIES_MAX
    assert run_until_idle(store, keys, "deadly", most) == most
    expected = {n: WORKER_DIED if n in (5, 9) else "" for n in bodies}
    assert quarantine_of(store) == expected
    # All is forgotten; what the operator retries after the cause is gone is applied.
    assert sql(store, "SELECT max(deaths), max(trying), max(tries) FROM lane") == [(0, 0, 0)]
    assert store.detail(everyone(store), 5).message.body == b"MSH|deadly"
    assert store.retry(everyone(store), ReplayScope()) == 2
    assert run_until_idle(store, keys, "no such", 0) == 0
    assert set(quarantine_of(store).values()) == {""}


def test_a_retried_message_that_still_kills_is_quarantined_again(
    store_factory: StoreFactory,
) -> None:
    store = store_factory()
    store.land([arrival(1, body=b"MSH|deadly"), arrival(2)])
    keys, most = keys_of(store_factory, store), DEATHS_MAX + TRIES_MAX
    for _ in range(2):
        assert run_until_idle(store, keys, "deadly", most) == most
        assert quarantine_of(store) == {1: WORKER_DIED, 2: ""}
        store.retry(everyone(store), ReplayScope())


def test_a_lost_connection_is_no_death(store: PostgresStore) -> None:
    store.land([arrival(1)])
    for _ in range(5):
        store.claim("w", 64)
        sql(
            store,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE application_name = 'chartloom lanes' AND datname = current_database()",
        )
        with pytest.raises(Exception, match="does not answer"):
            store.pending(everyone(store), [0], 1)
    store.claim("w", 64)
    assert sql(store, "SELECT max(deaths) FROM lane") == [(0,)]
