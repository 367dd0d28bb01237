"""Questions over MLLP: one frame in, one frame out, answered in the order in which they came.

Nothing is landed here. Whoever answers may take a while (it asks the store), so answers are made in
threads; while one is made, nothing more is read from that connection.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, cast
from uuid import uuid4

import msgspec

from chartloom.domain.errors import ConfigurationError
from chartloom.sources.mllp.framing import Frame, Framer
from chartloom.sources.mllp.reception import is_blank
from chartloom.sources.tls import Renewing, certificate_shown

_LOG = logging.getLogger(__name__)
_SWEEP_S: Final = 1.0
_DRAIN_S: Final = 3.0
_THREADS: Final = 4


class Answering(Protocol):
    """Who answers. Called from several threads."""

    def knows(self, certificate: bytes) -> bool:
        """Whether somebody with this certificate (``b""``: none) may be connected at all."""
        ...

    def answer(
        self, body: bytes, certificate: bytes, address: str, request_id: str, *, cut: bool = False
    ) -> bytes:
        """The answer to a message; cut: it was too large, and this is its head."""
        ...


class QuestionLimits(msgspec.Struct, frozen=True):
    """body_bytes_max: of one question. idle_s: without one. frame_s: for the rest of a frame."""

    connections_max: int = 64
    body_bytes_max: int = 64 * 1024
    idle_s: float = 300.0
    frame_s: float = 15.0


class QuestionDoor:
    """Listens on one port; start and stop it in a running loop."""

    def __init__(
        self,
        answering: Answering,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        renewing: Renewing | None = None,
        limits: QuestionLimits = QuestionLimits(),  # noqa: B008 - frozen
    ) -> None:
        self.answering, self.limits = answering, limits
        self._host, self._port, self._tls, self._renewing = host, port, tls, renewing
        self.connections: set[_Connection] = set()
        self.threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="identity")
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port; with port 0, the one that the system chose."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Listens; raises ``ConfigurationError`` if the port cannot be used."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: _Connection(self, loop), self._host, self._port, ssl=self._tls
            )
        except OSError as e:
            raise ConfigurationError(
                f"The door for identity queries cannot listen on {self._host}:{self._port} "
                f"({e.strerror}).",
                where="chartloom.toml",
                cure="Choose a free port and an address of this machine in [doors.identity].",
            ) from e
        if self._renewing is not None:
            self._renewing.start(loop)
        self._sweep(loop)

    async def stop(self) -> None:
        """Stops listening, lets answers under way leave, closes."""
        if self._server is not None:
            self._server.close()
        if self._renewing is not None:
            self._renewing.stop()
        if self._sweeper is not None:
            self._sweeper.cancel()
        busy = [c.busy for c in self.connections if c.busy is not None]
        if busy:
            await asyncio.wait(busy, timeout=_DRAIN_S)
        for connection in list(self.connections):
            connection.close()
        self.threads.shutdown(wait=False, cancel_futures=True)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        for connection in list(self.connections):
            connection.sweep(loop.time())
        self._sweeper = loop.call_later(_SWEEP_S, self._sweep, loop)


class _Connection(asyncio.Protocol):
    """One who asks."""

    def __init__(self, door: QuestionDoor, loop: asyncio.AbstractEventLoop) -> None:
        self._door, self._loop = door, loop
        self._framer = Framer(door.limits.body_bytes_max)
        self._transport: asyncio.Transport | None = None
        self._certificate, self._address = b"", ""
        self._heard_s = self._loop.time()
        self._begun_s = 0.0
        self.busy: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected; strangers and those beyond the limit are closed without a word."""
        self._transport = cast(asyncio.Transport, transport)
        self._certificate = certificate_shown(transport)
        peer = transport.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        full = len(self._door.connections) >= self._door.limits.connections_max
        if full or not self._door.answering.knows(self._certificate):
            _LOG.warning("a connection for identity queries was refused")
            self._transport.abort()
            return
        self._door.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; its answer, if one is made, is dropped."""
        self._transport = None
        self._framer.abandon()
        self._door.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self not in self._door.connections:
            return
        self._heard_s = self._loop.time()
        self._framer.feed(data)
        self._next()

    def _next(self) -> None:
        """Takes the next question, if there is a whole one and none is being answered."""
        while self.busy is None and self._transport is not None:
            frame = self._framer.next()
            if frame is None:
                self._begun_s = (self._begun_s or self._heard_s) if self._framer.inside else 0.0
                self._transport.resume_reading()
                return
            self._begun_s = 0.0
            if not is_blank(frame.body):
                self._ask(frame)

    def _ask(self, frame: Frame) -> None:
        assert self._transport is not None
        self._transport.pause_reading()
        self.busy = self._loop.run_in_executor(self._door.threads, self._answer, frame)
        self.busy.add_done_callback(self._answered)

    def _answer(self, frame: Frame) -> bytes:
        return self._door.answering.answer(
            frame.body,
            self._certificate,
            self._address,
            uuid4().hex,
            cut=bool(frame.refused),
        )

    def _answered(self, done: asyncio.Future[bytes]) -> None:
        self.busy = None
        self._heard_s = self._loop.time()
        if self._transport is None or done.cancelled():
            return
        if (error := done.exception()) is not None:
            # A defect of ours: no answer is better than one that may be wrong.
            what = {"error": type(error).__name__}
            _LOG.error("a query was not answered", extra={"chartloom": what})
            self.close()
            return
        self._transport.write(b"\x0b" + done.result() + b"\x1c\x0d")
        self._next()

    def sweep(self, now_s: float) -> None:
        """Closes who has been silent for too long, or does not end what was begun."""
        limits = self._door.limits
        if self.busy is not None:
            return
        late = self._begun_s and now_s - self._begun_s > limits.frame_s
        if late or now_s - self._heard_s > limits.idle_s:
            self.close()

    def close(self) -> None:
        """Closes once what was written is gone."""
        if self._transport is not None:
            self._transport.close()
