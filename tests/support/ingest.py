"""Running sources with real sockets over a landing that tests control."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
import uvloop
from tests.support.patience import PATIENCE_S

from chartloom.domain.errors import StoreUnavailable
from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.message import Arrival, Format, LandingOutcome, Receipt
from chartloom.guard import SystemClock
from chartloom.sources import IngestServer, IngestSettings
from chartloom.sources.limits import TokenBucket

NAMESPACE = UUID("0c5bd2a8-0a05-4d3c-9d5c-111111111111")
T = TypeVar("T")


@dataclass
class ListLanding:
    """The landing's contract in memory. ``gate`` cleared: it blocks; ``down``: not available."""

    arrivals: list[Arrival] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    down: bool = False
    gate: threading.Event = field(default_factory=threading.Event)
    busy: threading.Event = field(default_factory=threading.Event)  #: somebody came
    _seen: dict[tuple[str, str], dict[bytes, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate.set()

    def land(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        self.busy.set()
        assert self.gate.wait(PATIENCE_S)
        if self.down:
            raise StoreUnavailable("The store is away.")
        self.groups.append(len(arrivals))
        return [self._one(a) for a in arrivals]

    def _one(self, a: Arrival) -> Receipt:
        known = self._seen.setdefault((a.feed, a.control_id), {}) if a.control_id else {}
        if a.sha256 in known:
            return Receipt(known[a.sha256], LandingOutcome.DUPLICATE)
        outcome = LandingOutcome.CONFLICT if known else LandingOutcome.LANDED
        self.arrivals.append(a)
        known[a.sha256] = len(self.arrivals)
        return Receipt(len(self.arrivals), outcome)

    @property
    def bodies(self) -> list[bytes]:
        return [a.body for a in self.arrivals]


def mllp_feed(name: str = "adt", *, acknowledge: str = "landed", **changes: Any) -> Feed:
    """An MLLP feed on a free port; ``changes`` are limits or options."""
    limits = {k: v for k, v in changes.items() if k in FeedLimits.__struct_fields__}
    options = {k: v for k, v in changes.items() if k not in limits}
    return Feed(
        name,
        "Department",
        "owner@example.org",
        "mllp",
        Format.HL7V2,
        acknowledge=acknowledge,
        limits=FeedLimits(**limits),
        options={"port": 0, **options},
    )


def server(
    feeds: Sequence[Feed], landing: Any, base: Path | None = None, **settings: Any
) -> IngestServer:
    """An ingest server with quick limits for tests."""
    chosen = IngestSettings(**{"patience_s": 0.0, "drain_s": 2.0, **settings})
    return IngestServer(feeds, landing, SystemClock(), NAMESPACE, base=base, settings=chosen)


def run(
    main: Callable[[], Awaitable[T]], loop: str = "uvloop", timeout_s: float = 2 * PATIENCE_S
) -> T:
    """Runs a test's coroutine on a fresh loop of either kind."""

    async def limited() -> T:
        try:
            async with asyncio.timeout(timeout_s):
                return await main()
        finally:
            await Sender.close_all()

    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(limited())


async def until(condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Waits until ``condition`` holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.005)


def hand_rate(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of all rate limits, in seconds, moved by the test alone."""
    now = [100.0]
    take = TokenBucket.take
    monkeypatch.setattr(TokenBucket, "take", lambda self, count, _: take(self, count, now[0]))
    return now


def message(control_id: str, *, accept: str = "", application: str = "", text: str = "x") -> bytes:
    """A small ADT message."""
    modes = f"|||{accept}|{application}" if accept or application else ""
    return (
        f"MSH|^~\\&|APP|FAC|US|HERE|20260101120000||ADT^A01^ADT_A01|{control_id}|P|2.5.1{modes}\r"
        f"EVN|A01|20260101120000\rPID|1||{control_id}^^^HOSP^MR||DOE^JANE\rNTE|1||{text}\r"
    ).encode()


def frame(body: bytes) -> bytes:
    return b"\x0b" + body + b"\x1c\r"


class Sender:
    """A plain MLLP client that sends any bytes and reads frames."""

    _open: ClassVar[list[Sender]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self._open.append(self)

    @classmethod
    async def connect(cls, ingest: IngestServer, feed: str = "adt", ssl: Any = None) -> Sender:
        address = ingest.ready()[feed]
        assert address is not None
        return cls(*await asyncio.open_connection(*address, ssl=ssl, limit=2**24))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, timeout_s: float = PATIENCE_S) -> bytes:
        """The next frame's body."""
        async with asyncio.timeout(timeout_s):
            data = await self.reader.readuntil(b"\x1c\r")
        assert data[:1] == b"\x0b"
        return data[1:-2]

    async def ask(self, body: bytes) -> bytes:
        await self.send(frame(body))
        return await self.answer()

    async def silent(self, for_s: float = 0.15) -> bool:
        """True if nothing comes."""
        try:
            async with asyncio.timeout(for_s):
                await self.reader.readexactly(1)
        except TimeoutError:
            return True
        return False

    async def ended(self) -> bool:
        """True once the server closed, with nothing more to read."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self.reader.read(1) == b""
            except ConnectionResetError:
                return True

    async def close(self) -> None:
        self.writer.close()

    @classmethod
    async def close_all(cls) -> None:
        """Also those that a failed test left open."""
        for sender in cls._open:
            sender.writer.close()
        for sender in cls._open:
            with contextlib.suppress(OSError):
                await sender.writer.wait_closed()
        cls._open.clear()


def msa(answer: bytes) -> tuple[str, str]:
    """MSA-1 and MSA-2 of an acknowledgement."""
    line = next(s for s in answer.split(b"\r") if s.startswith(b"MSA"))
    fields = line.decode().split("|")
    return fields[1], fields[2] if len(fields) > 2 else ""
