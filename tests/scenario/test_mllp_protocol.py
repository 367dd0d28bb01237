"""MLLP over real sockets: acknowledgement, framing, limits and back-pressure."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.ingest import (
    NAMESPACE,
    ListLanding,
    Sender,
    frame,
    message,
    mllp_feed,
    msa,
    run,
    server,
    until,
)

from chartloom.domain.ids import source_patient_id
from chartloom.sources import events


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_acknowledges_only_what_is_durable(loop: str) -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            landing.gate.clear()
            await sender.send(frame(message("M1")))
            assert await sender.silent(0.2)
            assert not landing.arrivals
            landing.gate.set()
            assert msa(await sender.answer()) == ("AA", "M1")
            await sender.close()

    run(main, loop)
    arrival = landing.arrivals[0]
    assert arrival.body == message("M1")
    assert (arrival.control_id, arrival.message_type) == ("M1", "ADT^A01")
    assert arrival.source_patient == source_patient_id(NAMESPACE, "adt", "HOSP", "M1")


def test_pipelined_messages_are_answered_in_order(loop: str) -> None:
    landing = ListLanding()
    ids = [f"P{i}" for i in range(500)]

    async def main() -> None:
        async with server([mllp_feed(in_flight_max=16)], landing) as ingest:
            sender = await Sender.connect(ingest)
            sending = asyncio.create_task(sender.send(b"".join(frame(message(i)) for i in ids)))
            answers = [msa(await sender.answer()) for _ in ids]
            await sending
            assert answers == [("AA", i) for i in ids]
            assert ingest.stats["adt"].paused > 0
            await sender.close()

    run(main, loop)
    assert [a.control_id for a in landing.arrivals] == ids
    assert max(landing.groups) <= 16


def test_refusals_keep_their_place_between_answers(loop: str) -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed(message_size_bytes_max=1024)], landing) as ingest:
            sender = await Sender.connect(ingest)
            landing.gate.clear()
            big = message("BIG", text="y" * 5000)
            await sender.send(frame(message("A")) + frame(big) + frame(message("B")))
            assert await sender.silent()
            landing.gate.set()
            answers = [await sender.answer() for _ in range(3)]
            assert [msa(a) for a in answers] == [("AA", "A"), ("AR", "BIG"), ("AA", "B")]
            assert b"Nothing was kept" in answers[1]
            assert b"|104^" in answers[1]
            await sender.close()

    run(main, loop)
    assert len(landing.arrivals) == 2


def test_garbage_half_frames_and_sloppy_frames(loop: str) -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            await sender.send(b"GET / HTTP/1.1\r\n\r\n" + frame(message("A")))
            assert msa(await sender.answer()) == ("AA", "A")
            await sender.send(message("B") + b"\x1c\r")
            assert msa(await sender.answer()) == ("AA", "B")
            await sender.send(b"\x0b" + message("C") + b"\x1c" + frame(message("D")))
            assert msa(await sender.answer()) == ("AA", "C")
            assert msa(await sender.answer()) == ("AA", "D")
            await sender.send(b"\x0b" + message("E") + b"\x1c")  # and then nothing
            assert msa(await sender.answer()) == ("AA", "E")
            await sender.send(b"\r" + b"\x0b" + message("F")[:40] + frame(message("F")))
            assert msa(await sender.answer()) == ("AA", "F")
            await sender.send(b"\x0b\x1c\r" + frame(message("G")))
            assert msa(await sender.answer()) == ("AA", "G")
            stats = ingest.stats["adt"]
            assert stats.garbage_bytes == len(b"GET / HTTP/1.1\r\n\r\n")
            assert stats.events == {
                events.GARBAGE: 2,
                events.MISSING_START: 1,
                events.MISSING_CR: 2,
                events.HALF_FRAME: 1,
            }
            await sender.close()

    run(main, loop)
    assert landing.bodies == [message(i) for i in "ABCDEFG"]


def test_a_slow_sender_that_stops_midway_is_told_and_closed() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed(frame_timeout_s=0.4)], landing) as ingest:
            slow = await Sender.connect(ingest)
            data = frame(message("SLOW"))
            for i in range(0, len(data), 20):  # slow but in time
                await slow.send(data[i : i + 20])
                await asyncio.sleep(0.005)
            assert msa(await slow.answer()) == ("AA", "SLOW")
            await slow.send(data[:80])
            answer = await slow.answer()
            assert msa(answer) == ("AR", "SLOW")
            assert b"not complete in time" in answer
            assert await slow.ended()
            assert ingest.stats["adt"].events[events.FRAME_TIMEOUT] == 1

    run(main)
    assert len(landing.arrivals) == 1


def test_idle_connections_are_kept_or_closed_as_configured() -> None:
    async def main() -> None:
        feeds = [mllp_feed("kept"), mllp_feed("closed", idle_timeout_s=0.3)]
        async with server(feeds, ListLanding()) as ingest:
            kept, closed = (
                await Sender.connect(ingest, "kept"),
                await Sender.connect(ingest, "closed"),
            )
            assert msa(await closed.ask(message("A"))) == ("AA", "A")
            assert await closed.ended()
            assert msa(await kept.ask(message("A"))) == ("AA", "A")
            await kept.close()

    run(main)


def test_bytes_without_header_land_verbatim_and_are_refused(loop: str) -> None:
    landing = ListLanding()
    junk = b"\xff\xfe\x00 not HL7 \x1c at all \x0b"

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            answer = await sender.ask(junk)
            assert msa(answer) == ("AE", "")
            assert b"kept for inspection" in answer
            assert msa(await sender.ask(message("A"))) == ("AA", "A")
            assert ingest.stats["adt"].events == {events.NO_HEADER: 1}
            await sender.close()

    run(main, loop)
    assert landing.bodies[0] == junk


def test_parsed_feeds_refuse_what_cannot_be_parsed_but_keep_it() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed(acknowledge="parsed")], landing) as ingest:
            sender = await Sender.connect(ingest)
            assert msa(await sender.ask(message("A"))) == ("AA", "A")
            assert msa(await sender.ask(b"PID|1||no header"))[0] == "AE"
            await sender.close()

    run(main)
    assert len(landing.arrivals) == 2


def test_duplicates_and_conflicts_are_acknowledged() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            for text in ("x", "x", "other"):
                assert msa(await sender.ask(message("A", text=text))) == ("AA", "A")
            assert ingest.stats["adt"].outcomes == {"landed": 1, "duplicate": 1, "conflict": 1}
            await sender.close()

    run(main)
    assert len(landing.arrivals) == 2


def test_store_outage_is_answered_negatively_and_survived(loop: str) -> None:
    landing = ListLanding(down=True)

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            answer = await sender.ask(message("A"))
            assert msa(answer) == ("AR", "A")
            assert b"Send again later" in answer
            landing.down = False
            assert msa(await sender.ask(message("A"))) == ("AA", "A")
            await sender.close()

    run(main, loop)
    assert len(landing.arrivals) == 1


def test_a_short_store_outage_is_invisible_to_senders() -> None:
    landing = ListLanding(down=True)

    async def main() -> None:
        async with server([mllp_feed()], landing, patience_s=10.0) as ingest:
            sender = await Sender.connect(ingest)
            await sender.send(frame(message("A")))
            assert await sender.silent(0.3)
            landing.down = False
            assert msa(await sender.answer()) == ("AA", "A")
            await sender.close()

    run(main)


def test_a_defect_in_the_landing_refuses_and_ends_loudly() -> None:
    class Broken(ListLanding):
        def land(self, arrivals: object) -> list[object]:  # type: ignore[override]
            raise KeyError("a defect")

    async def main() -> None:
        async with server([mllp_feed()], Broken()) as ingest:
            sender = await Sender.connect(ingest)
            assert msa(await sender.ask(message("A"))) == ("AR", "A")
            with pytest.raises(KeyError, match="a defect"):
                await ingest.failed()
            await sender.close()

    run(main)


def test_half_closed_senders_still_get_their_answers(loop: str) -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed(in_flight_max=2)], landing) as ingest:
            sender = await Sender.connect(ingest)
            await sender.send(b"".join(frame(message(f"H{i}")) for i in range(10)))
            sender.writer.write_eof()
            for i in range(10):
                assert msa(await sender.answer()) == ("AA", f"H{i}")
            assert await sender.ended()
            await sender.close()

    run(main, loop)


def test_stop_answers_what_is_on_its_way() -> None:
    landing = ListLanding()

    async def main() -> None:
        ingest = server([mllp_feed()], landing)
        await ingest.start()
        sender = await Sender.connect(ingest)
        landing.gate.clear()
        await sender.send(frame(message("A")))
        await until(lambda: ingest.waiting_count == 1)
        stopping = asyncio.create_task(ingest.stop())
        await asyncio.sleep(0.1)
        await sender.send(frame(message("B")))
        landing.gate.set()
        assert msa(await sender.answer()) == ("AA", "A")
        assert await sender.ended()
        await stopping

    run(main)
    assert [a.control_id for a in landing.arrivals] == ["A"]


@pytest.mark.parametrize("accept", ["", "AL", "NE", "ER", "SU"])
@pytest.mark.parametrize("application", ["", "AL", "NE", "ER", "SU"])
def test_enhanced_mode_matrix(accept: str, application: str) -> None:
    """MSH-15 and MSH-16 over the wire, for a success and for a refusal."""
    good, bad = _expected(accept, application)
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed()], landing) as ingest:
            sender = await Sender.connect(ingest)
            for expected in (good, bad):
                await sender.send(frame(message("E1", accept=accept, application=application)))
                for code in expected:
                    assert msa(await sender.answer()) == (code, "E1")
                assert await sender.silent(0.05)
                landing.down = True
            await sender.close()

    run(main)


def _expected(accept: str, application: str) -> tuple[list[str], list[str]]:
    if not accept and not application:
        return ["AA"], ["AR"]
    good = ["CA"] * (accept in ("AL", "SU")) + ["AA"] * (application in ("AL", "SU"))
    if accept in ("AL", "ER"):
        return good, ["CE"]
    return good, ["AR"] * (application in ("AL", "ER"))
