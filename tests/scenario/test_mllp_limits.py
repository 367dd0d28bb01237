"""MLLP under pressure: rates, many connections, slow readers, budgets. Nobody disturbs another."""

from __future__ import annotations

import asyncio
import resource
import socket

import pytest
from tests.support.ingest import (
    ListLanding,
    Sender,
    frame,
    hand_rate,
    message,
    mllp_feed,
    msa,
    run,
    server,
    until,
)


@pytest.fixture(params=["asyncio", "uvloop"])
def loop(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_rate_limit_refuses_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    landing, now_s = ListLanding(), hand_rate(monkeypatch)

    async def main() -> None:
        async with server([mllp_feed(messages_per_second_max=5)], landing) as ingest:
            sender = await Sender.connect(ingest)
            answers = [await sender.ask(message(f"R{i}")) for i in range(12)]
            codes = [msa(a)[0] for a in answers]
            assert codes == ["AA"] * 5 + ["AR"] * 7
            assert b"Rate limit" in answers[-1]
            now_s[0] += 0.2
            assert msa(await sender.ask(message("LATER")))[0] == "AA"
            await sender.close()

    run(main)
    assert len(landing.arrivals) == 6


def test_connections_beyond_the_limit_are_told_and_closed() -> None:
    async def main() -> None:
        async with server([mllp_feed(connections_max=2)], ListLanding()) as ingest:
            first = [await Sender.connect(ingest) for _ in range(2)]
            third = await Sender.connect(ingest)
            answer = await third.ask(message("C"))
            assert msa(answer) == ("AR", "C")
            assert b"Too many connections" in answer
            assert await third.ended()
            for sender in first:
                assert msa(await sender.ask(message("A"))) == ("AA", "A")
                await sender.close()
            await until(lambda: not ingest.stats["adt"].connections)
            fourth = await Sender.connect(ingest)
            assert msa(await fourth.ask(message("D"))) == ("AA", "D")
            await fourth.close()

    run(main)


def test_a_thousand_idle_connections_do_not_disturb_one_that_works() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))

    async def main() -> None:
        async with server([mllp_feed()], ListLanding()) as ingest:
            idle = [await Sender.connect(ingest) for _ in range(1000)]
            sender = await Sender.connect(ingest)
            for i in range(50):
                assert msa(await sender.ask(message(f"W{i}"))) == ("AA", f"W{i}")
            await until(lambda: ingest.stats["adt"].connections == 1001)
            assert msa(await idle[999].ask(message("I"))) == ("AA", "I")
            for each in [*idle, sender]:
                await each.close()

    try:
        run(main)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_back_pressure_reaches_the_sender_and_memory_stays_bounded(loop: str) -> None:
    """The landing stands still: the sender's socket must fill up, not our memory."""
    landing = ListLanding()
    body = message("X", text="z" * 10_000)

    async def main() -> None:
        async with server([mllp_feed(in_flight_max=8)], landing) as ingest:
            address = ingest.ready()["adt"]
            assert address is not None
            landing.gate.clear()
            client = socket.create_connection(address)
            client.setblocking(False)
            sent = 0
            stalled = 0
            while stalled < 20:
                try:
                    sent += client.send(frame(body) * 20)
                    stalled = 0
                except BlockingIOError:
                    stalled += 1
                await asyncio.sleep(0.01)
            # Kernel buffers on both sides take a few MB; without back-pressure this would not end.
            assert sent < 32 * 1024 * 1024
            assert ingest.waiting_count == 8
            client.close()
            landing.gate.set()

    run(main, loop)
    assert sum(landing.groups) >= 8


def test_congestion_stops_every_connection_and_all_go_on_afterwards() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed()], landing, waiting_max=10) as ingest:
            landing.gate.clear()
            senders = [await Sender.connect(ingest) for _ in range(30)]
            for i, sender in enumerate(senders):
                await sender.send(frame(message(f"S{i}")))
            await until(lambda: ingest.waiting_count >= 10)
            await asyncio.sleep(0.1)  # for those that should not come
            assert ingest.waiting_count == 10
            landing.gate.set()
            for i, sender in enumerate(senders):
                assert msa(await sender.answer()) == ("AA", f"S{i}")
                await sender.close()

    run(main)
    assert len(landing.arrivals) == 30


def test_large_unfinished_messages_share_a_budget() -> None:
    landing = ListLanding()
    big = frame(message("BIG", text="b" * 400_000))

    async def main() -> None:
        async with server([mllp_feed()], landing, unfinished_bytes_max=700_000) as ingest:
            one, two = await Sender.connect(ingest), await Sender.connect(ingest)
            await one.send(big[:390_000])
            await asyncio.sleep(0.1)
            await two.send(big[:390_000])
            await asyncio.sleep(0.1)
            await two.send(big[390_000:])
            answer = await two.answer()
            assert msa(answer) == ("AR", "BIG")
            assert b"Too many large messages" in answer
            await one.send(big[390_000:])
            assert msa(await one.answer()) == ("AA", "BIG")
            assert msa(await two.ask(message("OK"))) == ("AA", "OK")
            assert msa(await two.ask(message("BIG2", text="b" * 400_000))) == ("AA", "BIG2")
            await one.close()
            await two.close()

    run(main)


def test_a_sender_that_does_not_read_its_answers_is_not_read_either() -> None:
    landing = ListLanding()

    async def main() -> None:
        async with server([mllp_feed(in_flight_max=1000)], landing) as ingest:
            address = ingest.ready()["adt"]
            assert address is not None
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address)
            client.setblocking(False)
            # Answers name who is answered: long names fill the buffers on the way soon.
            long = b"|" + b"A" * 4_000 + b"|"
            block = b"".join(frame(message(f"N{i}").replace(b"|APP|", long)) for i in range(50))
            stalled = 0
            while stalled < 30:
                try:
                    client.send(block)
                    stalled = 0
                except BlockingIOError:
                    stalled += 1
                await asyncio.sleep(0.005)
            assert ingest.stats["adt"].paused > 0
            client.close()

    run(main)
