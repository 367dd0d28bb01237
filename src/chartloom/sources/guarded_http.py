"""uvicorn's HTTP protocol with the limits it lacks: for the console and for the HTTP source.

A server that waits for ever for the rest of a request can be held by a handful of silent clients.
Here the head of a request must be complete within a few seconds and fit into a few kilobytes, and
connections beyond a number are told so and closed, however little they have sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.clients import PEER
from chartloom.sources.tls import certificate_shown

_LOG = logging.getLogger(__name__)
_ANSWERS: Final = {
    400: b"400 Bad Request",
    403: b"403 Forbidden",
    408: b"408 Request Timeout",
    414: b"414 URI Too Long",
    431: b"431 Request Header Fields Too Large",
    503: b"503 Service Unavailable",
}


class HttpLimits(msgspec.Struct, frozen=True):
    """head_s: within which request line and headers must be complete. target_bytes_max: of path
    and query. head_bytes_max: of request line and headers. connections_max: at a time."""

    head_s: float = 10.0
    target_bytes_max: int = 8 * 1024
    head_bytes_max: int = 32 * 1024
    connections_max: int = 512


def guarded_http(
    limits: HttpLimits, denied: Callable[[bytes], bool] | None = None
) -> type[asyncio.Protocol]:
    """A class for uvicorn's setting ``http``. denied: whether a client's certificate (DER) must not
    be taken although it verifies."""

    class Guarded(_GuardedHttp):
        _limits = limits
        _denied = staticmethod(denied) if denied else None

    return Guarded


_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"host"})


def _is_clear(version: str, framing: list[tuple[bytes, bytes]]) -> bool:
    """Whether all readers of a head agree on where its request ends and for whom it is.

    RFC 9112 sections 3.2, 6.1 and 6.3, without the leniency that they allow. The parser refuses
    most of it by itself; what a proxy in front of it might read otherwise, it may not.
    """
    values = {name: [v for n, v in framing if n == name] for name in _FRAMING}
    lengths, codings = values[b"content-length"], values[b"transfer-encoding"]
    if version not in ("1.0", "1.1") or len(values[b"host"]) > 1:
        return False
    if version == "1.1" and not values[b"host"]:
        return False
    if codings:
        return version == "1.1" and codings == [b"chunked"] and not lengths
    return not lengths or (len(lengths) == 1 and lengths[0].isdigit())


class _HeadRefused(httptools.HttpParserCallbackError):
    """Stops the parser; its answer is already on the way."""


class _GuardedHttp(HttpToolsProtocol):
    """uvicorn calls the parser's ``on_...`` methods; each is kept and only narrowed."""

    _limits: HttpLimits
    _denied: Callable[[bytes], bool] | None = None
    _peer = b""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._owes_head = True  # from its first moment, and after each request
        self._head_begun = False
        self._head_number = self._heads_complete = 0
        self._pieces_bytes = self._parsed_bytes = 0
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Also starts the clock for the first head."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections_max:
            self._refuse(503)
            return
        self._peer = certificate_shown(transport)
        if self._peer and self._is_denied(self._peer):
            self._refuse(403)
        else:
            self._start_clock()

    def _is_denied(self, certificate: bytes) -> bool:
        try:
            return self._denied is not None and self._denied(certificate)
        except ConfigurationError:
            _LOG.error("the list of denied certificates cannot be read; nobody is let in")
            return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Also stops the clock."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Also counts the bytes of an unfinished head."""
        if self._refused:
            return
        number, was_within_head = self._head_number, self._owes_head
        heads_complete = self._heads_complete
        super().data_received(data)
        if not self._owes_head or self._refused:
            return
        # Whether nothing of it was of a body, nor ended one.
        same_head = self._head_number == number and was_within_head
        same_head = same_head and self._heads_complete == heads_complete
        if same_head or self._head_begun:  # not after the last byte of a request
            self._start_clock()
        if same_head:
            # The parser tells of a header when it is whole: an endless one it would never mention.
            self._pieces_bytes += len(data)
            if self._pieces_bytes > self._limits.head_bytes_max:
                self._refuse(431)

    def send_400_response(self, msg: str) -> None:
        """Not after another refusal, which ends the parser's work as well."""
        if not self._refused:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_begun = True
        self._head_number += 1
        self._pieces_bytes = self._parsed_bytes = 0
        self._framing: list[tuple[bytes, bytes]] = []
        super().on_message_begin()
        self.scope[PEER] = self._peer  # type: ignore[typeddict-unknown-key]

    def on_url(self, url: bytes) -> None:
        """The target, possibly in pieces."""
        super().on_url(url)
        if len(self.url) > self._limits.target_bytes_max:
            self._refuse(414)
            raise _HeadRefused

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header."""
        self._parsed_bytes += len(name) + len(value) + 4
        if self._parsed_bytes > self._limits.head_bytes_max:
            self._refuse(431)
            raise _HeadRefused
        if name.lower() in _FRAMING:
            self._framing.append((name.lower(), value.strip().lower()))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; for the body the application has limits of its own."""
        if not _is_clear(self.parser.get_http_version(), self._framing):
            self._refuse(400)
            raise _HeadRefused
        self._owes_head = self._head_begun = False
        self._heads_complete += 1
        self._stop_clock()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Whatever comes next belongs to another head."""
        self._owes_head = True
        super().on_message_complete()

    def _start_clock(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_s, self._head_is_late)

    def _stop_clock(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._start_clock()  # an earlier request is still being answered
        else:
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        """Answers and closes. What is left of a client that does not read goes a little later."""
        self._stop_clock()
        self._refused = True
        if self.transport.is_closing():
            return
        self.transport.write(
            b"HTTP/1.1 " + _ANSWERS[status] + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
        self.transport.close()
        self.loop.call_later(1.0, self.transport.abort)
