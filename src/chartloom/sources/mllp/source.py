"""The MLLP source: one listening port per feed."""

from __future__ import annotations

import asyncio
import logging
import ssl

from chartloom.domain.errors import ConfigurationError
from chartloom.sources import events
from chartloom.sources.context import SourceContext
from chartloom.sources.intake import Hl7Intake
from chartloom.sources.limits import TokenBucket
from chartloom.sources.mllp.answers import Acknowledger
from chartloom.sources.mllp.connection import MllpConnection
from chartloom.sources.tls import Renewing, server_context

_LOG = logging.getLogger(__name__)
_SWEEP_S = 0.25
#: Connections beyond the limit that are told so; more than these are closed without a word.
_REFUSED_CONNECTIONS_MAX = 64
_BACKLOG = 1024


class MllpSource:
    """Implements :class:`~chartloom.sources.context.Source`; see the room's README for options."""

    def __init__(self, context: SourceContext) -> None:
        self.context = context
        options = context.feed.options
        self.intake = Hl7Intake(context.feed, context.namespace)
        self.acknowledger = Acknowledger(context.next_control_id)
        self.bucket = TokenBucket(context.feed.limits.messages_per_second_max)
        self.parse_first = context.feed.acknowledge == "parsed"
        self.in_flight_max = int(options.get("in_flight_max", 64))
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._connections: set[MllpConnection] = set()
        self._refused: set[MllpConnection] = set()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._stopping = False
        self._renewing: Renewing | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; with port 0 in the options, the one the system chose."""
        if self._server is None or not self._server.sockets:
            return None
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Listens; raises ``ConfigurationError`` if the port or the TLS files cannot be used."""
        options = self.context.feed.options
        host, port = str(options.get("host", "127.0.0.1")), int(options["port"])
        try:
            self._server = await self.loop.create_server(
                lambda: MllpConnection(self), host, port, ssl=self._tls(), backlog=_BACKLOG
            )
        except OSError as e:
            raise ConfigurationError(
                f"Feed {self.context.feed.name} cannot listen on {host}:{port} ({e.strerror}).",
                cure="Choose a free port and an address of this machine in [mllp] of the feed.",
            ) from e
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)
        if self._renewing is not None:
            self._renewing.start(self.loop)

    async def stop(self, drain_s: float) -> None:
        """Stops listening and reading, answers what is on its way, closes."""
        self._stopping = True
        if self._renewing is not None:
            self._renewing.stop()
        if self._server is not None:
            self._server.close()
        for connection in [*self._connections, *self._refused]:
            connection.finish()
        try:
            async with asyncio.timeout(drain_s):
                await self._all_gone.wait()
        except TimeoutError:
            _LOG.warning(
                "connections were cut at the end of the drain time",
                extra={"chartloom": {"feed": self.context.feed.name}},
            )
        for connection in [*self._connections, *self._refused]:
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()

    def knows(self, certificate: bytes) -> bool:
        """Whether whoever shows a certificate (``b""``: none) may send to this feed at all."""
        admission = self.context.admission
        if admission is None:
            return True
        try:
            if admission.guards(self.context.feed):
                return bool(admission.by_certificate(self.context.feed, certificate))
            return not admission.denied(certificate)
        except ConfigurationError:
            _LOG.error("the list of denied certificates cannot be read; nobody is let in")
            return False

    def admit(self, connection: MllpConnection, certificate: bytes) -> str:
        """Registers a connection; an event code if it is one too many or comes from a stranger."""
        self._all_gone.clear()
        self.context.stats.connections_total += 1
        if not self.knows(certificate):
            self._refused.add(connection)
            self.context.note(events.STRANGER)
            self.loop.call_soon(connection.abort)
            return events.STRANGER
        if len(self._connections) < self.context.feed.limits.connections_max:
            self._connections.add(connection)
            self.context.stats.connections = len(self._connections)
            if self._stopping:
                self.loop.call_soon(connection.finish)
            return ""
        self._refused.add(connection)
        if len(self._refused) > _REFUSED_CONNECTIONS_MAX:
            self.context.note(events.CONNECTIONS)
            self.loop.call_soon(connection.abort)
        return events.CONNECTIONS

    def forget(self, connection: MllpConnection) -> None:
        """A connection is gone."""
        self._connections.discard(connection)
        self._refused.discard(connection)
        self.context.stats.connections = len(self._connections)
        if not self._connections and not self._refused:
            self._all_gone.set()

    def _sweep(self) -> None:
        now_s = self.loop.time()
        for connection in [*self._connections, *self._refused]:
            connection.sweep(now_s)
        self._sweeper = self.loop.call_later(_SWEEP_S, self._sweep)

    def _tls(self) -> ssl.SSLContext | None:
        cert, key = self.context.path("tls_cert"), self.context.path("tls_key")
        if cert is None:
            return None
        context = server_context(cert, key or cert, self.context.path("tls_client_ca"))
        self._renewing = Renewing(context, cert, key or cert)
        return context
