"""Sends messages over N connections, with a rate, retries and a report. Cheap per message.

Order: the messages of one connection are sent, and sent again, in order. With ``key``, messages
with the same key always take the same connection; without, each takes the first that is free.
With pipelining, a message that is refused for now is sent again after those already on their way.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, cast

import msgspec

from chartloom.domain.errors import ChartloomError
from chartloom.sources.send.report import SendReport
from chartloom.sources.send.wires import Fate, Garbled, HttpWire, MllpWire, Wire

_TICK_S: Final = 0.25
#: With a rate: messages due within this time leave together; finer timers would cost more CPU.
_PACE_S: Final = 0.002
_BACKOFF_FIRST_S, _BACKOFF_MAX_S = 0.1, 5.0
#: With a key: how many messages may wait for busy connections before reading stops.
_LOOK_AHEAD_MAX: Final = 10_000


class SendOptions(msgspec.Struct, frozen=True):
    """How to send.

    pipelining: messages on their way per connection. rate_per_s: 0 sends as fast as answers come.
    timeout_s: for connecting, and for each answer. retries: how often in a row a connection may
    fail, and a message be refused for now, before it is given up.
    """

    connections: int = 1
    pipelining: int = 1
    rate_per_s: float = 0.0
    timeout_s: float = 30.0
    retries: int = 5


async def send_mllp(
    messages: Iterable[bytes],
    host: str,
    port: int,
    *,
    options: SendOptions | None = None,
    tls: ssl.SSLContext | None = None,
    key: Callable[[bytes], bytes] | None = None,
    progress: Callable[[SendReport], None] | None = None,
    heard: Callable[[bytes], None] = lambda _: None,
) -> SendReport:
    """Sends HL7 v2 messages over MLLP; returns when all are answered or given up.

    heard: is handed every answer as it came.
    """
    wire = MllpWire(heard)
    sender = _Sender(messages, wire, host, port, options or SendOptions(), tls, key, progress)
    return await sender.run()


async def send_http(
    messages: Iterable[bytes],
    host: str,
    port: int,
    *,
    path: str = "/",
    media_type: str = "application/fhir+json",
    token: str = "",
    options: SendOptions | None = None,
    tls: ssl.SSLContext | None = None,
    key: Callable[[bytes], bytes] | None = None,
    progress: Callable[[SendReport], None] | None = None,
) -> SendReport:
    """Posts messages to ``path``; returns when all are answered or given up."""
    name = f"[{host}]" if ":" in host else host
    wire = HttpWire(f"{name}:{port}", path, media_type, token)
    return await _Sender(
        messages, wire, host, port, options or SendOptions(), tls, key, progress
    ).run()


class _Item(NamedTuple):
    """number: which message of the run it is, the same however often it is sent."""

    message: bytes
    number: int
    sent_s: float = 0.0
    refusals: int = 0


class _Sender:
    def __init__(
        self,
        messages: Iterable[bytes],
        wire: Wire,
        host: str,
        port: int,
        options: SendOptions,
        tls: ssl.SSLContext | None,
        key: Callable[[bytes], bytes] | None,
        progress: Callable[[SendReport], None] | None,
    ) -> None:
        self.wire, self.host, self.port, self.options, self.tls = wire, host, port, options, tls
        self._messages: Iterator[bytes] = iter(messages)
        self._exhausted = False
        self._key, self._progress = key, progress
        self.report = SendReport(latencies_s=array("f"))
        self.loop = asyncio.get_running_loop()
        self.window = min(options.pipelining, wire.pipelining_max)
        self._links = [_Link(self, i) for i in range(options.connections)]
        self._looked_ahead = 0
        self._pulled_count = 0
        self._ready: deque[_Link] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._started_s = 0.0
        self._due_s = 0.0
        self._done: asyncio.Future[None] = self.loop.create_future()

    async def run(self) -> SendReport:
        """The whole run."""
        self._started_s = self._due_s = self.loop.time()
        for link in self._links:
            link.connect()
        ticker = asyncio.create_task(self._tick())
        try:
            await self._done
        finally:
            ticker.cancel()
            if self._timer is not None:
                self._timer.cancel()
            for link in self._links:
                link.close()
            self._snapshot()
        return self.report

    def ready(self, link: _Link) -> None:
        """``link`` can take a message."""
        if not link.queued:
            link.queued = True
            self._ready.append(link)
        self.pump()

    def pump(self) -> None:
        """Gives messages to links that can take one, as fast as the rate allows."""
        if self._done.done():
            return
        idle: list[_Link] = []
        while self._ready:
            if (wait_s := self._wait_s()) > 0:
                if self._timer is None:
                    self._timer = self.loop.call_later(max(wait_s, _PACE_S), self._timer_rang)
                break
            link = self._ready.popleft()
            link.queued = False
            if not link.has_room:
                continue
            item = self._next(link)
            if item is None:
                idle.append(link)
                continue
            if self.options.rate_per_s:
                self._due_s += 1 / self.options.rate_per_s
            link.send(item)
            if link.has_room:
                link.queued = True
                self._ready.append(link)
        for link in idle:  # they may get something by their key later
            if self._key is not None and not self._exhausted and not link.queued:
                link.queued = True
                self._ready.append(link)
        self._end_if_done()

    def give_up(self, link: _Link, reason: str) -> None:
        """A link failed too often: the run ends, with what it says in the report."""
        self.report.failure = reason
        self.report.unanswered_count += sum(ln.unanswered_count for ln in self._links)
        if not self._done.done():
            self._done.set_result(None)

    def _timer_rang(self) -> None:
        self._timer = None
        self.pump()

    def _wait_s(self) -> float:
        if not self.options.rate_per_s:
            return 0.0
        now_s = self.loop.time()
        # After a stall at most a tenth of a second is caught up, so that no burst follows.
        self._due_s = max(self._due_s, now_s - 0.1)
        return self._due_s - now_s

    def _next(self, link: _Link) -> _Item | None:
        if link.again:
            return link.again.popleft()
        if self._key is None:
            return self._pull()
        while not link.assigned and self._looked_ahead < _LOOK_AHEAD_MAX:
            item = self._pull()
            if item is None:
                break
            link_number = zlib.crc32(self._key(item.message)) % len(self._links)
            self._links[link_number].assigned.append(item)
            self._looked_ahead += 1
        if not link.assigned:
            return None
        self._looked_ahead -= 1
        return link.assigned.popleft()

    def _pull(self) -> _Item | None:
        try:
            message = next(self._messages, None)
        except (ChartloomError, OSError) as e:  # a file that is not there, or holds no message
            message = None
            if not self._done.done():
                self._done.set_exception(e)
        if message is None:
            self._exhausted = True
            return None
        self._pulled_count += 1
        return _Item(message, self._pulled_count)

    def _end_if_done(self) -> None:
        answered = not any(link.unanswered_count for link in self._links)
        if self._exhausted and answered and not self._done.done():
            self._done.set_result(None)

    def _snapshot(self) -> None:
        self.report.elapsed_s = self.loop.time() - self._started_s

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now_s = time.perf_counter()
            for link in self._links:
                link.check_timeout(now_s)
            if self._progress is not None:
                self._snapshot()
                self._progress(self.report)


class _Link(asyncio.Protocol):
    """One connection, reconnecting; its unanswered messages survive it."""

    def __init__(self, sender: _Sender, index: int) -> None:
        self._sender = sender
        self._index = index
        self.queued = False  #: stands in the sender's queue of ready links
        self.assigned: deque[_Item] = deque()  #: by key, not yet sent
        self.again: deque[_Item] = deque()  #: to be sent again
        self._open: deque[_Item] = deque()  #: sent, not answered
        self._transport: asyncio.Transport | None = None
        self._reader = sender.wire.reader()
        self._failures = 0
        self._write_paused = self._resting = self._closed = False
        self._connecting: asyncio.Task[None] | None = None

    @property
    def has_room(self) -> bool:
        """True if a message may be sent now."""
        return (
            self._transport is not None
            and not self._write_paused
            and not self._resting
            and len(self._open) < self._sender.window
        )

    @property
    def unanswered_count(self) -> int:
        """Messages this link still has to bring to an end."""
        return len(self._open) + len(self.again) + len(self.assigned)

    def connect(self, delay_s: float = 0.0) -> None:
        """Connects after ``delay_s``."""
        self._connecting = asyncio.create_task(self._connect(delay_s))

    async def _connect(self, delay_s: float) -> None:
        sender = self._sender
        await asyncio.sleep(delay_s)
        try:
            async with asyncio.timeout(sender.options.timeout_s):
                await sender.loop.create_connection(
                    lambda: self, sender.host, sender.port, ssl=sender.tls
                )
        except (OSError, TimeoutError) as e:
            self._failed(f"cannot connect to {sender.host}:{sender.port} ({type(e).__name__})")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected: what was not answered before goes first."""
        self._transport = cast(asyncio.Transport, transport)
        self._reader = self._sender.wire.reader()
        self._write_paused = False
        self._sender.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Disconnected: unanswered messages will be sent again, in order."""
        self._transport = None
        if self._closed:
            return
        self._sender.report.reconnect_count += 1
        self._sender.report.resent_count += len(self._open)
        self.again.extendleft(reversed(self._open))
        self._open.clear()
        self._failed("the connection was closed before all was answered")

    def _failed(self, reason: str) -> None:
        if self._closed:
            return
        self._failures += 1
        if self._failures > self._sender.options.retries:
            self._sender.give_up(self, reason)
        else:
            self.connect(min(_BACKOFF_FIRST_S * 2 ** (self._failures - 1), _BACKOFF_MAX_S))

    def pause_writing(self) -> None:
        """The receiver does not read."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._write_paused = False
        self._sender.ready(self)

    def send(self, item: _Item) -> None:
        """Writes one message."""
        sender, message = self._sender, item.message
        assert self._transport is not None
        if not item.sent_s:
            sender.report.sent_count += 1
            sender.report.sent_bytes += len(message)
        self._transport.write(sender.wire.frame(message, item.number))
        if sender.wire.expects_answer(message):
            self._open.append(item._replace(sent_s=time.perf_counter()))
        else:
            sender.report.silent_count += 1

    def data_received(self, data: bytes) -> None:
        """Answers came."""
        try:
            codes = self._reader.feed(data)
        except Garbled:
            self._transport_lost()
            return
        for code in codes:
            self._answered(code)
        self._sender.ready(self)

    def _transport_lost(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _answered(self, code: str) -> None:
        report = self._sender.report
        report.answers[code] += 1
        if not self._open:
            return  # an answer nobody waits for; counted above
        item = self._open[0]
        fate = self._sender.wire.fate(item.message, code)
        if fate is Fate.WAIT:
            return
        self._open.popleft()
        self._failures = 0
        report.latencies_s.append(time.perf_counter() - item.sent_s)
        if fate is Fate.ACCEPTED:
            report.accepted_count += 1
        elif fate is Fate.RETRY and item.refusals < self._sender.options.retries:
            report.resent_count += 1
            self.again.append(item._replace(refusals=item.refusals + 1))
            self._rest(min(_BACKOFF_FIRST_S * 2**item.refusals, _BACKOFF_MAX_S))
        else:
            report.refused_count += 1

    def _rest(self, pause_s: float) -> None:
        self._resting = True
        self._sender.loop.call_later(pause_s, self._rested)

    def _rested(self) -> None:
        self._resting = False
        self._sender.ready(self)

    def check_timeout(self, now_s: float) -> None:
        """Gives a connection up whose oldest message waits too long."""
        if self._transport is None or not self._open:
            return
        if now_s - self._open[0].sent_s > self._sender.options.timeout_s:
            self._transport.abort()

    def close(self) -> None:
        """Ends for good."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._transport is not None:
            self._transport.close()
