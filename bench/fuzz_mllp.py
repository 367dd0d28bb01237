"""Framing abuse against a live MLLP source: nothing may crash, hang, grow or be answered wrongly.

``python -m bench.fuzz_mllp [CONNECTIONS] [SEED]``. Every connection sends a seeded mixture of sound
frames, cut, doubled, interleaved and random bytes, in random chunks. Held at the end:

- each sound message that came after a clean frame end was landed verbatim and answered;
- every sound message that was answered AA is in the landing;
- no defect was reported, no connection and no message is left over. The largest RSS is printed.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sys
import time
from collections import Counter
from typing import Any

import psutil
import uvloop
from bench._report import Report
from tests.support.ingest import ListLanding, frame, message, mllp_feed, server

from chartloom.sources.mllp.framing import Framer

_LIMIT_BYTES = 20_000


def _noise(rng: random.Random) -> bytes:
    """One piece of abuse that ends with a clean frame end, so that what follows counts."""
    sound = frame(message(f"N{rng.randrange(10**9)}", text="n" * rng.randrange(200)))
    kind = rng.randrange(9)
    if kind == 0:  # bytes between frames
        return rng.randbytes(rng.randrange(60)).replace(b"\x0b", b"").replace(b"\x1c", b"")
    if kind == 1:  # half a frame; a new one begins
        return sound[: rng.randrange(4, len(sound) - 2)]
    if kind == 2:  # no start byte
        return b"\x1c\r" + sound[1:]
    if kind == 3:  # no carriage return
        return sound[:-1]
    if kind == 4:  # too large
        return frame(message("L", text="L" * rng.randrange(_LIMIT_BYTES, 5 * _LIMIT_BYTES)))
    if kind == 5:  # flipped bits, then a clean end
        broken = bytearray(sound)
        for _ in range(rng.randrange(1, 20)):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        return bytes(broken) + b"\x1c\r"
    if kind == 6:  # random bytes in a frame
        return frame(rng.randbytes(rng.randrange(300)))
    if kind == 7:  # framing bytes only
        return bytes(rng.choice(b"\x0b\x1c\r\n") for _ in range(rng.randrange(12))) + b"\x1c\r"
    return frame(b"BHS|^~\\&|X\r" + message("B1") + rng.randbytes(20) + message("B2") + b"BTS|9\r")


def _script(rng: random.Random, number: int) -> tuple[bytes, list[bytes]]:
    """What one connection sends, and the sound messages in it that must be landed."""
    parts: list[bytes] = []
    sound: list[bytes] = []
    for i in range(rng.randrange(1, 12)):
        if rng.random() < 0.5:
            parts.append(_noise(rng))
        else:
            body = message(f"F{number}-{i}", text="s" * rng.randrange(300))
            sound.append(body)
            parts.append(frame(body))
    if rng.random() < 0.2:
        parts.append(frame(message("CUT"))[: rng.randrange(1, 100)])
    return b"".join(parts), sound


async def _attack(
    port: int, rng: random.Random, number: int, wanted: set[bytes], accepted: set[str]
) -> Counter[str]:
    data, sound = _script(rng, number)
    wanted.update(sound)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers: Counter[str] = Counter()

    async def read() -> None:
        framer = Framer(10_000_000)
        while chunk := await reader.read(65536):
            framer.feed(chunk)
            while (answer := framer.next()) is not None:
                at = answer.body.find(b"MSA|")
                code = answer.body[at + 4 : at + 6].decode("ascii", "replace")
                answers[code] += 1
                if code == "AA":
                    accepted.add(answer.body[at + 7 :].split(b"\r")[0].decode("ascii", "replace"))

    reading = asyncio.create_task(read())
    at = 0
    while at < len(data):
        size = rng.choice((1, 2, 3, 10, 100, 1000, 100_000))
        writer.write(data[at : at + size])
        at += size
        if rng.random() < 0.2:
            await asyncio.sleep(0)
    await writer.drain()
    writer.write_eof()
    await reading
    writer.close()
    return answers


async def _campaign(connections: int, seed: int) -> dict[str, Any]:
    rng = random.Random(seed)
    landing = ListLanding()
    wanted: set[bytes] = set()
    accepted: set[str] = set()
    answers: Counter[str] = Counter()
    process = psutil.Process()
    feed = mllp_feed(message_size_bytes_max=_LIMIT_BYTES, in_flight_max=7)
    async with server([feed], landing) as ingest:
        address = ingest.ready()["adt"]
        assert address is not None
        started_s = time.monotonic()
        held_max = 0
        for first in range(0, connections, 20):
            batch = [
                _attack(address[1], random.Random(rng.random()), n, wanted, accepted)
                for n in range(first, min(first + 20, connections))
            ]
            async with asyncio.timeout(60):
                for each in await asyncio.gather(*batch):
                    answers += each
            landed = {a.body for a in landing.arrivals}
            missing = wanted - landed
            assert not missing, f"seed {seed}: {len(missing)} sound messages not landed"
            known = {a.control_id for a in landing.arrivals}
            invented = {i for i in accepted if i.startswith("F")} - known
            assert not invented, f"seed {seed}: {len(invented)} acknowledged but not landed"
            accepted.clear()
            landing.arrivals.clear()
            landing._seen.clear()
            wanted.clear()
            held_max = max(held_max, process.memory_info().rss)
        stats = ingest.stats["adt"]
        assert stats.connections == 0
        assert stats.in_flight == 0
        with contextlib.suppress(TimeoutError):  # raises the defect if there was one
            await asyncio.wait_for(ingest.failed(), 0.01)
        return {
            "what": f"seed {seed}",
            "connections": connections,
            "seconds": round(time.monotonic() - started_s, 1),
            "durable": stats.durable_count,
            "AA": stats.answers["AA"],
            "AR": stats.answers["AR"],
            "other answers": stats.answers.total() - stats.answers["AA"] - stats.answers["AR"],
            "answers read": answers.total(),
            "irregularities": stats.events.total(),
            "RSS max MB": held_max // 2**20,
        }


def main(connections: int = 2000, seed: int = 1) -> None:
    """One campaign; raises on the first thing that does not hold."""
    logging.disable(logging.WARNING)
    Report("fuzz-mllp").row(**uvloop.run(_campaign(connections, seed))).write()


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3]))
