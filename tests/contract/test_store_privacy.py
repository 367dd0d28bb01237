"""What the disk shows to somebody who has the data folder but not the keys."""

from __future__ import annotations

import base64
from pathlib import Path

import msgspec
import psycopg
import pytest
from tests.support.batches import apply, arrival, batch_of, derived, everyone, wanted_of

from chartloom.domain.chart import SectionView
from chartloom.domain.issues import Issue
from chartloom.domain.message import LandingOutcome, MessageState
from chartloom.domain.resource import Contribution, PatientIdentifier
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import EmbeddedPostgres, PostgresStore
from chartloom.guard import Guard, SystemClock

CANARY = "Zyxwvutsrq-Canary-8471"


def planted(store: PostgresStore) -> None:
    """Applies messages that carry the canary wherever a name or number may stand."""
    bodies = [f"MSH|^~\\&|a|b\rPID|1||{CANARY}^^^H||{CANARY}|{i}".encode() for i in range(4)]
    store.land([arrival(i, "p1", body=b * (1 + i * 200)) for i, b in enumerate(bodies)])
    messages = store.pending(everyone(store), store.claim("w", 64), 100)
    resource = {
        "resourceType": "Patient",
        "id": "p1",
        "name": [{"family": CANARY}],
        "identifier": [{"type": {"coding": [{"code": "MR"}]}, "system": "urn:h", "value": CANARY}],
    }
    doctor = {"resourceType": "Practitioner", "id": "dr", "name": [{"family": CANARY}]}
    found = [
        PatientIdentifier("p1", kind, "urn:h", CANARY)
        for kind in ("identifier", "family", "given", "birthdate")
    ]
    outcomes = [
        derived(
            m,
            Contribution(resource, "p1"),
            Contribution(doctor, "", directory=True),
            identifiers=found,
            issues=[Issue("code", "PID-3", detail=CANARY)],
        )
        for m in messages
    ]
    for half in (slice(0, 2), slice(2, 4)):  # inserts and updates take different ways
        batch = batch_of(messages[half], outcomes[half])
        views = tuple(SectionView(v.key, 1, ({"name": CANARY},)) for v in batch.views)
        apply(store, msgspec.structs.replace(batch, views=views))


def spellings(text: str) -> list[bytes]:
    """The text as it might stand in a file."""
    raw = text.encode()
    return [
        raw,
        raw.lower(),
        text.encode("utf-16-le"),
        raw.hex().encode(),
        *(base64.b64encode(b"x" * shift + raw)[4:-4] for shift in range(3)),
    ]


def files_with(folder: Path, needles: list[bytes]) -> list[str]:
    """Files below the folder that contain one of the needles."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(n in path.read_bytes() for n in needles)
    ]


@pytest.fixture
def own_server(tmp_path: Path) -> EmbeddedPostgres:
    server = EmbeddedPostgres(tmp_path / "pg")
    server.start()
    return server


def test_no_file_shows_what_was_sealed(own_server: EmbeddedPostgres, tmp_path: Path) -> None:
    """A canary planted everywhere is in no data file, no WAL segment and no log."""
    clock = SystemClock()
    store = PostgresStore(own_server.dsn, Guard.open(tmp_path / "keys", clock), clock)
    try:
        store.migrate()
        planted(store)
        assert store.find_persons(everyone(store), "family", CANARY)
        with psycopg.connect(own_server.dsn, autocommit=True) as conn:
            # A positive control: what is stored in clear is found by the same search.
            conn.execute("CREATE TABLE control AS SELECT 'Plain-Control-5512' AS t")
            conn.execute("CHECKPOINT")
    finally:
        store.close()
        own_server.stop()
    assert files_with(tmp_path / "pg", spellings("Plain-Control-5512"))
    assert files_with(tmp_path / "pg", spellings(CANARY)) == []


def test_a_refused_batch_shows_nothing(
    own_server: EmbeddedPostgres, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the error, nor in our log, nor in the server's."""
    clock = SystemClock()
    store = PostgresStore(own_server.dsn, Guard.open(tmp_path / "keys", clock), clock)
    try:
        store.migrate()
        store.land([arrival(1)])
        messages = store.pending(everyone(store), store.claim("w", 64), 100)
        for text in (f"{CANARY}\0", f"{CANARY}\ud800"):
            bad = Contribution({"resourceType": "Patient", "id": text}, text)
            batch = batch_of(messages, [derived(messages[0], bad)])
            for call in (
                lambda b=batch: store.prefetch(everyone(store), wanted_of(b)),
                lambda b=batch: store.commit(b),
            ):
                with pytest.raises(Exception, match=r"cannot (hold|be)") as caught:
                    call()
                assert CANARY not in f"{caught.value!r} {caught.value}"
                assert caught.value.__cause__ is None
    finally:
        store.close()
        own_server.stop()
    assert CANARY not in caplog.text
    assert CANARY not in own_server.log.read_text()


SHIFTED = "ZYXWVUTSRQ^CANARY^^^Dr"


@pytest.mark.parametrize("count", [1, 3, 60])  # each way in which a group is written
def test_a_shifted_header_puts_no_name_into_a_table(store: PostgresStore, count: int) -> None:
    """Control ids and types that do not look like any stand in the sealed message alone; the
    message is still found by them, and known when it comes again."""
    arrivals = [
        msgspec.structs.replace(
            arrival(n, f"p{n % 5}", control_id=f"{SHIFTED}{n}"), message_type=SHIFTED
        )
        for n in range(count)
    ]
    store.land([arrival(9999)])
    store.land(arrivals)
    grant, asked = everyone(store), MessageFilter(control_id=f"{SHIFTED}0")
    for state in (MessageState.LANDED, MessageState.APPLIED):
        (found,) = store.search(grant, asked)
        assert (found.position, found.state, found.message_type) == (2, state, "withheld")
        assert store.search(grant, MessageFilter(control_id=found.control_id)) == [found]
        assert store.detail(grant, 2).message.body == arrivals[0].body
        if state is MessageState.LANDED:
            messages = store.pending(grant, store.claim("w", 64), 100)
            outcomes = [  # derive says what the message itself says
                msgspec.structs.replace(
                    derived(m), control_id=SHIFTED + str(m.position - 2), message_type=SHIFTED
                )
                for m in messages
            ]
            apply(store, batch_of(messages, outcomes))
    assert [r.outcome for r in store.land(arrivals)] == [LandingOutcome.DUPLICATE] * count
    other = msgspec.structs.replace(arrivals[0], body=b"other", sha256=bytes(32))
    assert store.land([other])[0].outcome is LandingOutcome.CONFLICT
    with psycopg.connect(store.dsn) as conn:
        tables = conn.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND NOT relispartition"
            " AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in [*tables, ("landing",)]:
            for (row,) in conn.execute(f"SELECT t::text FROM {table} t".encode()):
                assert "CANARY" not in row.upper()
                assert b"CANARY".hex() not in row
