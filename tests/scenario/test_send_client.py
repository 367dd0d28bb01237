"""The sending client against real sources: order, rate, retries, reports."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.scenario.test_http_source import http_feed
from tests.support.ingest import ListLanding, message, mllp_feed, run, server, until

from chartloom.domain.errors import ConfigurationError, LimitExceeded
from chartloom.domain.message import Format
from chartloom.sources.send import SendOptions, SendReport, read_messages, send_http, send_mllp


@pytest.mark.parametrize(("connections", "pipelining"), [(1, 1), (1, 50), (8, 4)])
def test_everything_arrives_once(connections: int, pipelining: int) -> None:
    landing = ListLanding()
    ids = [f"A{i}" for i in range(400)]

    async def main() -> SendReport:
        async with server([mllp_feed()], landing) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
            options = SendOptions(connections=connections, pipelining=pipelining)
            return await send_mllp((message(i) for i in ids), host, port, options=options)

    report = run(main)
    assert report.is_complete
    assert (report.sent_count, report.accepted_count, report.answers) == (400, 400, {"AA": 400})
    assert report.latency is not None
    assert 0 < report.latency.p50_ms <= report.latency.p99_ms <= report.latency.max_ms
    assert sorted(a.control_id for a in landing.arrivals) == sorted(ids)
    if connections == 1:
        assert [a.control_id for a in landing.arrivals] == ids


def test_a_key_keeps_order_across_connections() -> None:
    landing = ListLanding()
    ids = [f"P{i % 7}-{i:04}" for i in range(500)]

    async def main() -> SendReport:
        async with server([mllp_feed()], landing) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
            options = SendOptions(connections=4, pipelining=5)
            return await send_mllp(
                (message(i) for i in ids),
                host,
                port,
                options=options,
                key=lambda m: m.split(b"PID|1||")[1][:2],
            )

    assert run(main).accepted_count == 500
    for patient in range(7):
        mine = [a.control_id for a in landing.arrivals if a.control_id.startswith(f"P{patient}")]
        assert mine == sorted(mine)


def test_the_rate_is_kept_and_progress_is_told() -> None:
    seen: list[int] = []

    async def main() -> SendReport:
        async with server([mllp_feed()], ListLanding()) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
            return await send_mllp(
                (message(f"R{i}") for i in range(300)),
                host,
                port,
                options=SendOptions(connections=4, rate_per_s=300),
                progress=lambda r: seen.append(r.accepted_count),
            )

    report = run(main)
    assert report.accepted_count == 300
    assert 0.8 < report.elapsed_s < 3
    assert seen == sorted(seen)
    assert seen[0] < 250


def test_refusals_for_now_are_sent_again_and_final_ones_are_not() -> None:
    landing = ListLanding(down=True)

    async def main() -> tuple[SendReport, SendReport]:
        async with server([mllp_feed(acknowledge="parsed")], landing) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
            sending = asyncio.create_task(send_mllp([message("A"), message("B")], host, port))
            await until(lambda: ingest.stats["adt"].answers["AR"] >= 1)
            landing.down = False
            first = await sending
            landing.down = True
            return first, await send_mllp(
                [message("C")], host, port, options=SendOptions(retries=1)
            )

    first, second = run(main)
    assert first.is_complete
    assert first.resent_count >= 1
    assert [a.control_id for a in landing.arrivals] == ["A", "B"]
    assert (second.refused_count, second.resent_count) == (1, 1)
    assert not second.is_complete


def test_a_restarted_server_gets_what_was_not_answered() -> None:
    landing = ListLanding()

    async def main() -> SendReport:
        first = server([mllp_feed()], landing)
        await first.start()
        host, port = first.ready()["adt"] or ("", 0)
        sending = asyncio.create_task(
            send_mllp(
                (message(f"R{i}") for i in range(300)),
                host,
                port,
                options=SendOptions(connections=2, pipelining=3, rate_per_s=600),
            )
        )
        await until(lambda: len(landing.arrivals) > 50)
        await first.stop()
        async with server([mllp_feed(port=port)], landing):
            return await sending

    report = run(main)
    assert report.is_complete
    assert report.accepted_count == 300
    assert report.reconnect_count >= 1
    assert len({a.control_id for a in landing.arrivals}) == len(landing.arrivals) == 300


def test_nobody_listening_ends_with_a_reason() -> None:
    async def main() -> SendReport:
        async with server([mllp_feed()], ListLanding()) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
        return await send_mllp([message("A")], host, port, options=SendOptions(retries=1))

    report = run(main)
    assert "cannot connect" in report.failure
    assert not report.is_complete


def test_an_answer_that_never_comes_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def main() -> SendReport:
        listener = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            started = time.monotonic()
            report = await send_mllp(
                [message("A")], "127.0.0.1", port, options=SendOptions(timeout_s=0.3, retries=1)
            )
            assert time.monotonic() - started < 5
            return report

    report = run(main)
    assert report.unanswered_count == 1
    assert report.failure


def test_enhanced_mode_waits_for_both_answers_and_for_none() -> None:
    landing = ListLanding()

    async def main() -> SendReport:
        async with server([mllp_feed()], landing) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
            report = await send_mllp(
                [
                    message("A", accept="AL", application="AL"),
                    message("B", accept="AL", application="NE"),
                    message("C", accept="NE", application="NE"),
                    message("D"),
                ],
                host,
                port,
            )
            await until(lambda: len(landing.arrivals) == 4)
            return report

    report = run(main)
    assert report.answers == {"CA": 2, "AA": 2}
    assert (report.accepted_count, report.silent_count) == (3, 1)


def test_a_post_whose_answer_was_lost_is_known_when_it_comes_again() -> None:
    landing = ListLanding()
    bodies = [b'{"resourceType":"Patient","id":"p%d"}' % (i % 3) for i in range(6)]

    async def main() -> SendReport:
        async with server([http_feed()], landing) as ingest:
            host, port = ingest.ready()["web"] or ("", 0)
            cut = iter([True])

            async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                """Passes everything on, but loses the first answer and with it the connection."""
                to, back = await asyncio.open_connection(host, port)
                while data := await reader.read(65536):
                    back.write(data)
                    answer = await to.read(65536)
                    if next(cut, False):
                        break
                    writer.write(answer)
                back.close()
                writer.close()

            proxy = await asyncio.start_server(between, "127.0.0.1", 0)
            report = await send_http(bodies, *proxy.sockets[0].getsockname()[:2])
            proxy.close()
            return report

    report = run(main)
    assert report.is_complete
    assert (report.accepted_count, report.resent_count) == (6, 1)
    assert landing.bodies == bodies
    assert len({a.control_id for a in landing.arrivals}) == 6


def test_http_with_token_and_retries(tmp_path: Path) -> None:
    landing = ListLanding()
    (tmp_path / "t").write_text("tok")

    async def main() -> tuple[SendReport, SendReport]:
        async with server([http_feed(token_file="t")], landing, base=tmp_path) as ingest:
            host, port = ingest.ready()["web"] or ("", 0)
            bodies = [b'{"resourceType":"Patient","id":"p%d"}' % i for i in range(100)]
            good = await send_http(
                bodies, host, port, token="tok", options=SendOptions(connections=4)
            )
            return good, await send_http(bodies[:3], host, port, token="wrong")

    good, bad = run(main)
    assert good.is_complete
    assert good.answers == {"202": 100}
    assert bad.answers == {"401": 3}
    assert bad.refused_count == 3
    assert len(landing.arrivals) == 100


def test_reading_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "b.hl7").write_bytes(message("B1") + message("B2"))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.hl7").write_bytes(b"FHS|^~\\&\r" + message("A") + b"FTS|1\r")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "y").write_bytes(b"no")
    assert list(read_messages([tmp_path])) == [message("A"), message("B1"), message("B2")]
    (tmp_path / "f.ndjson").write_bytes(b'{"a":1}\n{"b":2}\n')
    assert list(read_messages([tmp_path / "f.ndjson"], Format.FHIR)) == [b'{"a":1}', b'{"b":2}']
    with pytest.raises(ConfigurationError, match="missing"):
        list(read_messages([tmp_path / "missing"]))
    with pytest.raises(LimitExceeded, match="at byte 0"):
        list(read_messages([tmp_path / "b.hl7"], body_bytes_max=50))


@pytest.mark.parametrize("name", ["nowhere", "huge.hl7"])
def test_what_cannot_be_read_ends_the_run_and_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / "good.hl7").write_bytes(message("G1"))
    (tmp_path / "huge.hl7").write_bytes(message("H1") + b"NTE|1||" + b"x" * 5_000)

    async def main() -> SendReport:
        async with server([mllp_feed()], ListLanding()) as ingest:
            host, port = ingest.ready()["adt"] or ("", 0)
            paths = [tmp_path / "good.hl7", tmp_path / name]
            messages = read_messages(paths, Format.HL7V2, body_bytes_max=1_000)
            return await asyncio.wait_for(send_mllp(messages, host, port), 20)

    with pytest.raises(ConfigurationError if name == "nowhere" else LimitExceeded):
        run(main)
