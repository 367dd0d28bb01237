"""Key status: which generations there are and how many keys each wraps. Never a key."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.grant import Grant
from chartloom.serve import needs
from chartloom.serve.console import Console
from chartloom.serve.doors import KeyStatus


def routes(console: Console) -> list[BaseRoute]:
    """``/keys``."""

    async def page(request: Request) -> Response:
        status = await console.ask(request, needs.KEYS, _status, console)
        doors = console.doors
        return console.page(
            request, "keys.html", status=status, check=doors.log_check(), head=doors.newest_head()
        )

    return [Route("/keys", page)]


def _status(grant: Grant, console: Console) -> KeyStatus | None:
    return console.doors.key_status() if console.doors.key_status else None
