"""What the server refuses is told to its sender; the connection and ingest go on."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import Sequence
from pathlib import Path

import psycopg
import pytest
from tests.support.batches import everyone
from tests.support.ingest import Sender, frame, message, mllp_feed, msa, run, server, until

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.domain.store import MessageFilter
from chartloom.engines.postgres import PostgresStore
from chartloom.sources import IngestServer

#: The server refuses rows with this control id by the given error, quoting what it refuses.
TRIGGER = """
CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.control_id = 'BAD1' THEN
        RAISE 'DOE^JANE is wrong' USING ERRCODE = '{}';
    END IF;
    RETURN NEW;
END $$;
CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON landing FOR EACH ROW EXECUTE FUNCTION refuse()
"""


def ddl(store: PostgresStore, text: str) -> None:
    with psycopg.connect(store.dsn, autocommit=True) as conn:
        conn.execute(text.encode())


def landed(store: PostgresStore) -> list[str]:
    rows = store.search(everyone(store), MessageFilter(limit=1000))
    return sorted(row.control_id for row in rows)


async def asked(sender: Sender, ids: Sequence[str]) -> dict[str, str]:
    """Sends all at once, so that they are one group; control id -> code."""
    await sender.send(b"".join(frame(message(id)) for id in ids))
    answers = [msa(await sender.answer()) for _ in ids]
    return {id: code for code, id in answers}


@pytest.mark.parametrize("count", [1, 9, 60])
def test_only_the_message_that_cannot_be_kept_is_refused(store: PostgresStore, count: int) -> None:
    """By whichever way a group of that size is written."""
    ids = [f"M{n}" for n in range(count - 1)]
    ids.insert(count // 2, "BAD1")

    async def main() -> None:
        async with server([mllp_feed()], store) as ingest:
            sender = await Sender.connect(ingest)
            assert await asked(sender, ["FIRST1"]) == {"FIRST1": "AA"}
            ddl(store, TRIGGER.format("22023"))
            expected = {id: "AE" if id == "BAD1" else "AA" for id in ids}
            assert await asked(sender, ids) == expected
            await sender.send(frame(message("BAD1")))
            answer = await sender.answer()
            assert b"ERR|" in answer
            assert b"ingest-refused-by-store" in answer
            assert b"DOE^JANE" not in answer
            assert await asked(sender, ["LAST1"]) == {"LAST1": "AA"}
            assert ingest.stats["adt"].events["ingest-refused-by-store"] == 2

    run(main)
    assert landed(store) == sorted({*ids, "FIRST1", "LAST1"} - {"BAD1"})


@pytest.mark.parametrize(
    "sqlstate",
    ["23514", "42501", "54000", "57014", "40P01", "XX000", "XX001", "25006", "0A000"],
)
def test_whatever_else_the_server_says_is_an_outage(store: PostgresStore, sqlstate: str) -> None:
    async def main() -> None:
        async with server([mllp_feed()], store) as ingest:
            sender = await Sender.connect(ingest)
            ddl(store, TRIGGER.format(sqlstate))
            assert await asked(sender, ["BAD1"]) == {"BAD1": "AR"}
            assert await asked(sender, ["GOOD1"]) == {"GOOD1": "AA"}
            ddl(store, "DROP TRIGGER refuse ON landing")
            assert await asked(sender, ["BAD1"]) == {"BAD1": "AA"}

    run(main)
    assert landed(store) == ["BAD1", "GOOD1"]


def test_a_table_that_is_gone_is_an_outage_until_it_is_back(store: PostgresStore) -> None:
    async def main() -> None:
        async with server([mllp_feed()], store) as ingest:
            sender = await Sender.connect(ingest)
            assert await asked(sender, ["A1"]) == {"A1": "AA"}
            ddl(store, "ALTER TABLE landed_key RENAME TO elsewhere")
            assert await asked(sender, ["B1"]) == {"B1": "AR"}
            ddl(store, "ALTER TABLE elsewhere RENAME TO landed_key")
            assert await asked(sender, ["B1"]) == {"B1": "AA"}

    run(main)


def test_http_says_that_sending_again_does_not_help(store: PostgresStore) -> None:
    feed = Feed("web", "D", "o@example.org", "http", Format.FHIR, options={"port": 0})
    ddl(store, TRIGGER.format("22023"))

    def post(ingest: IngestServer, request_id: str) -> tuple[int, bytes]:
        address = ingest.ready()["web"]
        assert address is not None
        connection = http.client.HTTPConnection(*address, timeout=20)
        headers = {"Content-Type": "application/fhir+json", "X-Request-Id": request_id}
        connection.request("POST", "/", b'{"resourceType":"Patient"}', headers)
        response = connection.getresponse()
        found = response.status, response.read()
        connection.close()
        return found

    async def main() -> None:
        async with server([feed], store) as ingest:
            status, body = await asyncio.to_thread(post, ingest, "BAD1")
            assert status == 422
            assert b"Nothing was kept" in body
            assert (await asyncio.to_thread(post, ingest, "GOOD1"))[0] == 202

    run(main)


def test_a_file_with_one_message_that_cannot_be_kept_fails_and_the_next_goes_on(
    store: PostgresStore, tmp_path: Path
) -> None:
    options = {"folder": "inbox", "poll_s": 0.02, "settle_s": 0.1}
    feed = Feed("inbox", "D", "o@example.org", "files", Format.HL7V2, options=options)
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    ddl(store, TRIGGER.format("22023"))
    (inbox / "1.hl7").write_bytes(b"".join(message(id) for id in ("A1", "BAD1", "B1")))
    (inbox / "2.hl7").write_bytes(message("C1"))

    async def main() -> None:
        async with server([feed], store, base=tmp_path):
            await until((inbox / "done" / "2.hl7").exists)

    run(main)
    assert (inbox / "failed" / "1.hl7").exists()
    assert "ingest-refused-by-store" in (inbox / "failed" / "1.hl7.reason").read_text()
    assert landed(store) == ["A1", "B1", "C1"]
