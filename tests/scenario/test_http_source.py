"""The HTTP source over real sockets."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.bundles import ids_of, result, several
from tests.support.ingest import NAMESPACE, ListLanding, hand_rate, message, msa, run, server, until

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.message import Format
from chartloom.sources import IngestServer, events

PATIENT = b'{"resourceType":"Patient","name":[{"family":"Secretname"}]}'
BUNDLE = b'{"resourceType":"Bundle","type":"transaction","entry":[]}'
FHIR = "application/fhir+json"


def http_feed(format_: Format = Format.FHIR, **changes: Any) -> Feed:
    limits = {k: v for k, v in changes.items() if k in FeedLimits.__struct_fields__}
    options = {"port": 0, **{k: v for k, v in changes.items() if k not in limits}}
    return Feed(
        "web", "D", "o@example.org", "http", format_, limits=FeedLimits(**limits), options=options
    )


class Reply:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def code(self) -> str:
        outcome = json.loads(self.body)
        assert outcome["resourceType"] == "OperationOutcome"
        return str(outcome["issue"][0]["code"])


async def post(
    ingest: IngestServer,
    body: bytes,
    path: str = "/",
    kind: str = FHIR,
    method: str = "POST",
    **headers: str,
) -> Reply:
    address = ingest.ready()["web"]
    assert address is not None

    def request() -> Reply:
        connection = http.client.HTTPConnection(*address, timeout=20)
        sent = {"Content-Type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
        connection.request(method, path, body, sent)
        reply = Reply(connection.getresponse())
        connection.close()
        return reply

    return await asyncio.to_thread(request)


def test_resources_and_bundles_are_durable_when_answered() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([http_feed()], landing) as ingest:
            reply = await post(ingest, PATIENT, "/Patient")
            assert (reply.status, reply.code) == (202, "informational")
            assert reply.headers["X-Chartloom-Position"] == "1"
            assert len(landing.arrivals) == 1
            assert (await post(ingest, BUNDLE)).headers["X-Chartloom-Position"] == "2"
            landing.gate.clear()
            waiting = asyncio.create_task(post(ingest, PATIENT, X_Request_Id="later"))
            await asyncio.sleep(0.2)
            assert not waiting.done()
            landing.gate.set()
            assert (await waiting).status == 202

    run(main)
    assert landing.bodies == [PATIENT, BUNDLE, PATIENT]
    assert [a.message_type for a in landing.arrivals] == ["Patient", "Bundle", "Patient"]


def test_it_is_told_before_landing_whom_a_message_is_about() -> None:
    landing = ListLanding()
    feed = http_feed()
    sent = [
        several("ana"),
        several("ana", "ben"),
        json.dumps(result("ben")["resource"]).encode(),
        BUNDLE,
        b"[]",
    ]

    async def main() -> IngestServer:
        async with server([feed], landing) as ingest:
            for body in sent:
                await post(ingest, body)
            return ingest

    run(main)
    ids = ids_of(feed, NAMESPACE, ("ana", "ben"))
    one, both, loose, *others = landing.arrivals
    assert (one.source_patient, one.parts) == (ids["ana"], None)
    assert both.source_patient == ""
    assert both.parts is not None
    assert both.parts.persons == {ids["ana"], ids["ben"]}
    assert (loose.source_patient, loose.parts) == (ids["ben"], None)
    assert [(a.source_patient, a.parts) for a in others] == [("", None)] * 2


def test_request_ids_make_repeats_safe() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([http_feed()], landing) as ingest:
            for body, outcome in (
                (PATIENT, "landed"),
                (PATIENT, "duplicate"),
                (BUNDLE, "conflict"),
            ):
                reply = await post(ingest, body, X_Request_Id="r-1")
                assert reply.status == 202
                assert reply.headers["X-Chartloom-Outcome"] == outcome
                assert reply.headers["X-Request-Id"] == "r-1"
            for body in (BUNDLE, PATIENT, BUNDLE):  # changed, and changed back: that is news
                reply = await post(ingest, body)
                assert reply.headers["X-Chartloom-Outcome"] == "landed"

    run(main)
    assert [a.control_id for a in landing.arrivals] == ["r-1", "r-1", "", "", ""]


def test_what_is_not_fhir_is_kept_and_refused_without_echo() -> None:
    landing = ListLanding()
    bodies = [
        b"Secretname",
        b'{"resourceType":"Patiend"}',
        b'{"a":1,"a":2}',
        b"[1]",
        b"\xff\xfe\x00",
    ]

    async def main() -> None:
        async with server([http_feed()], landing) as ingest:
            for body in bodies:
                reply = await post(ingest, body)
                assert (reply.status, reply.code) == (400, "structure")
                assert b"Secretname" not in reply.body
            reply = await post(ingest, PATIENT, "/Observation")
            assert (reply.status, reply.code) == (400, "invalid")
            assert b"Secretname" not in reply.body

    run(main)
    assert landing.bodies == [*bodies, PATIENT]


def test_refusals_keep_nothing_and_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landing, now_s = ListLanding(), hand_rate(monkeypatch)
    (tmp_path / "token").write_text("s3cret\n")
    feed = http_feed(
        token_file="token", path="/fhir", message_size_bytes_max=2048, messages_per_second_max=3
    )
    auth = {"Authorization": "Bearer s3cret"}

    async def main() -> None:
        async with server([feed], landing, base=tmp_path) as ingest:
            for expected, options in (
                (401, {"path": "/fhir"}),
                (401, {"path": "/fhir", "Authorization": "Bearer wrong"}),
                (401, {"path": "/fhir", "Authorization": "Basic s3cret"}),
                (404, {"path": "/", **auth}),
                (404, {"path": "/fhir/../x", **auth}),
                (405, {"path": "/fhir", "method": "GET", **auth}),
                (405, {"path": "/fhir/Patient", "method": "PUT", **auth}),
                (415, {"path": "/fhir", "kind": "application/xml", **auth}),
                (415, {"path": "/fhir", "Content_Encoding": "gzip", **auth}),
                (400, {"path": "/fhir", "body": b"", **auth}),
                (413, {"path": "/fhir", "body": b" " * 3000, **auth}),
            ):
                reply = await post(ingest, **{"body": PATIENT, **options})  # type: ignore[arg-type]
                assert (reply.status, bool(reply.code)) == (expected, True), options
            now_s[0] += 1
            codes = [
                (await post(ingest, PATIENT, "/fhir/Patient", **auth)).status for _ in range(6)
            ]
            assert codes == [202] * 3 + [429] * 3
            assert ingest.stats["web"].events[events.OVERSIZE] == 1

    run(main)
    assert {a.body for a in landing.arrivals} == {PATIENT}


def test_chunked_oversize_and_slow_bodies_end(tmp_path: Path) -> None:
    landing = ListLanding()

    async def main() -> None:
        feed = http_feed(message_size_bytes_max=5000, frame_timeout_s=0.4)
        async with server([feed], landing) as ingest:
            address = ingest.ready()["web"]
            assert address is not None
            reader, writer = await asyncio.open_connection(*address)
            head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
            writer.write(head + b"Transfer-Encoding: chunked\r\n\r\n" + b"1000\r\n" + b" " * 4096)
            writer.write(b"\r\n1000\r\n" + b" " * 4096 + b"\r\n")
            assert (await reader.readline()).split()[1] == b"413"
            writer.close()
            reader, writer = await asyncio.open_connection(*address)
            started = time.monotonic()
            writer.write(head + b"Content-Length: 500\r\n\r\n{")
            assert (await reader.readline()).split()[1] == b"408"
            assert time.monotonic() - started < 5
            writer.close()
            await asyncio.sleep(0)

    run(main)
    assert not landing.arrivals


def test_store_outage_is_503_with_retry_after() -> None:
    landing = ListLanding(down=True)

    async def main() -> None:
        async with server([http_feed()], landing) as ingest:
            reply = await post(ingest, PATIENT)
            assert (reply.status, reply.code) == (503, "transient")
            assert reply.headers["Retry-After"]
            landing.down = False
            assert (await post(ingest, PATIENT)).status == 202

    run(main)


def test_hl7_over_http_answers_with_an_acknowledgement() -> None:
    landing = ListLanding()
    kind = "application/hl7-v2"

    async def main() -> None:
        async with server([http_feed(Format.HL7V2)], landing) as ingest:
            reply = await post(ingest, message("A", accept="NE", application="NE"), kind=kind)
            assert reply.status == 200
            assert msa(reply.body) == ("AA", "A")
            assert reply.headers["Content-Type"].startswith(kind)
            reply = await post(ingest, b"no header", kind=kind)
            assert (reply.status, msa(reply.body)[0]) == (400, "AE")
            batch = b"BHS|^~\\&|APP\r" + message("B") + message("C") + b"BTS|2\r"
            reply = await post(ingest, batch, kind=kind)
            assert reply.status == 200
            assert reply.body.count(b"MSA|AA|") == 2
            assert reply.body.startswith(b"BHS|")
            landing.down = True
            reply = await post(ingest, message("D"), kind=kind)
            assert (reply.status, msa(reply.body)) == (503, ("AR", "D"))

    run(main)
    assert [a.control_id for a in landing.arrivals] == ["A", "", "B", "C"]


def test_congestion_makes_requests_wait() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([http_feed()], landing, waiting_max=2) as ingest:
            landing.gate.clear()
            posts = [
                asyncio.create_task(post(ingest, PATIENT, X_Request_Id=f"c{i}")) for i in range(8)
            ]
            await until(lambda: ingest.waiting_count >= 2)
            await asyncio.sleep(0.1)  # for those that should not come
            assert ingest.waiting_count == 2
            landing.gate.set()
            assert [(await p).status for p in posts] == [202] * 8

    run(main)
    assert len(landing.arrivals) == 8


def test_a_token_reference_that_leads_nowhere_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")

    async def main(feed: Feed) -> None:
        with pytest.raises(ConfigurationError, match="token"):
            await server([feed], ListLanding(), base=tmp_path).start()

    for options in (
        {"token_env": "CHARTLOOM_NO_SUCH"},
        {"token_file": "empty"},
        {"token_file": "x"},
    ):
        run(lambda options=options: main(http_feed(**options)))  # type: ignore[misc]


def test_a_port_in_use_is_named() -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(ConfigurationError, match=str(port)):
                await server([http_feed(port=port)], ListLanding()).start()

    run(main)
