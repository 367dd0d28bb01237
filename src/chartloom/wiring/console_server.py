"""The server under the console: HTTP or HTTPS, with limits on heads and connections."""

from __future__ import annotations

import asyncio
import socket
import ssl

import uvicorn
from starlette.types import ASGIApp

from chartloom.guard.ca import DenyList
from chartloom.project import Project
from chartloom.project.tls import certificate_files, client_authority, deny_file
from chartloom.sources import HttpLimits, guarded_http, server_context
from chartloom.sources.tls import Renewing
from chartloom.wiring.supervisor import say_ready


class ConsoleServer(uvicorn.Server):
    """uvicorn that tells the supervisor when it listens, and takes renewed certificates."""

    def __init__(self, project: Project, app: ASGIApp) -> None:
        console, denied = project.settings.console, deny_file(project.settings, project.folder)
        config = uvicorn.Config(
            app,
            host=console.host,
            port=console.port,
            log_config=None,
            access_log=False,
            server_header=False,
            http=guarded_http(HttpLimits(), DenyList(denied).denied),
            timeout_graceful_shutdown=3,
        )
        config.load()
        config.ssl = self._tls(project)
        super().__init__(config)

    def _tls(self, project: Project) -> ssl.SSLContext | None:
        self._renewing: Renewing | None = None
        settings, folder = project.settings, project.folder
        files = certificate_files(settings, folder)
        if files is None:
            return None
        client_ca = client_authority(settings, folder, settings.tls.client_ca)
        context = server_context(*files, client_ca, optional=True)
        self._renewing = Renewing(context, *files)
        return context

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, then says so."""
        await super().startup(sockets)
        if self.started:
            if self._renewing is not None:
                self._renewing.start(asyncio.get_running_loop())
            say_ready()
