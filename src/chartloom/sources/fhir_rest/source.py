"""The HTTP source: uvicorn inside the ingest process, one port per feed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Final

import uvicorn

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.clients import Clients
from chartloom.sources.admission import asks_nobody
from chartloom.sources.context import SourceContext
from chartloom.sources.fhir_rest.app import Door
from chartloom.sources.guarded_http import HttpLimits, guarded_http
from chartloom.sources.tls import Renewing, server_context

_START_S: Final = 10.0
_BACKLOG: Final = 1024


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the ingest process has its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class HttpSource:
    """Implements :class:`~chartloom.sources.context.Source`; see the room's README for options."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._server: _Server | None = None
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._renewing: Renewing | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port; with port 0 in the options, the one the system chose."""
        if self._socket is None:
            return None
        host, port = self._socket.getsockname()[:2]
        return str(host), int(port)

    async def start(self) -> None:
        """Listens; raises ``ConfigurationError`` if port, token or TLS files cannot be used."""
        feed = self._context.feed
        if asks_nobody(feed, self._clients()):
            raise ConfigurationError(
                f"Feed {feed.name} would take messages from anybody in the network.",
                where=f"feeds/{feed.name}.toml",
                cure="Name a service for it in clients.toml, set token_file, or listen on "
                "127.0.0.1.",
            )
        admission = self._context.admission
        door = Door(self._context, bearer_token(self._context))
        config = uvicorn.Config(
            door.app(),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            date_header=False,
            http=guarded_http(
                HttpLimits(connections_max=feed.limits.connections_max),
                admission.denied if admission else None,
            ),
            timeout_keep_alive=int(feed.limits.idle_timeout_s) or 75,
        )
        config.load()
        config.ssl = self._tls()
        self._socket = self._bind()
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve([self._socket]))
        async with asyncio.timeout(_START_S):
            while not self._server.started and not self._task.done():
                await asyncio.sleep(0.005)
        if self._task.done():
            await self._task

    async def stop(self, drain_s: float) -> None:
        """Stops listening, lets running requests end within ``drain_s``."""
        if self._server is None or self._task is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, int(drain_s))
        self._server.should_exit = True
        if self._renewing is not None:
            self._renewing.stop()
        await self._task
        if self._socket is not None:
            self._socket.close()

    def _bind(self) -> socket.socket:
        options = self._context.feed.options
        host, port = str(options.get("host", "127.0.0.1")), int(options["port"])
        try:
            return socket.create_server(
                (host, port),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                backlog=_BACKLOG,
            )
        except OSError as e:
            raise ConfigurationError(
                f"Feed {self._context.feed.name} cannot listen on {host}:{port} ({e.strerror}).",
                cure="Choose a free port and an address of this machine in [http] of the feed.",
            ) from e

    def _tls(self) -> ssl.SSLContext | None:
        cert, key = self._context.path("tls_cert"), self._context.path("tls_key")
        if cert is None:
            return None
        # Where a token will do as well, a certificate is looked at and not demanded.
        optional = bool(self._context.feed.options.get("tls_client_optional", False))
        client_ca = self._context.path("tls_client_ca")
        context = server_context(cert, key or cert, client_ca, optional=optional)
        self._renewing = Renewing(context, cert, key or cert)
        self._renewing.start(asyncio.get_running_loop())
        return context

    def _clients(self) -> Clients:
        return self._context.admission.clients if self._context.admission else Clients()


def bearer_token(context: SourceContext) -> str:
    """The token that the options refer to, "" if none is asked for.

    Raises ``ConfigurationError`` if the reference leads nowhere: never falls back to no token.
    """
    options = context.feed.options
    variable, file = str(options.get("token_env", "")), context.path("token_file")
    if variable:
        token = os.environ.get(variable, "").strip()
        where = f"environment variable {variable}"
    elif file is not None:
        token = _read(file)
        where = str(file)
    else:
        return ""
    if not token:
        raise ConfigurationError(
            f"The bearer token of feed {context.feed.name} is empty or cannot be read.",
            where=where,
            cure="Put the token there, or remove the reference to let everybody in.",
        )
    return token


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
