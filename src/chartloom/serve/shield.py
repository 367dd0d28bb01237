"""The outermost layer of the console: allowed hosts, security headers, sessions, CSRF, size limits.

Plain ASGI, so that nothing behind it can forget a check: a page that is not on the short list of
open paths is never reached without a session, and no POST without its CSRF token.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chartloom.serve.access import COOKIE, Access

#: Reachable without a session: no page here shows anything about a patient or a message.
OPEN_PATHS = frozenset({"/enter", "/healthz", "/readyz", "/metrics"})
OPEN_FOLDERS = ("/static/",)
FORM_BYTES_MAX = 64 * 1024
_FORM_FIELDS_MAX = 1000

#: On every answer.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}

Refuse = Callable[[Request, int], Response]


class Shield:
    """Wraps the application. ``refuse`` draws the page for a status (400, 401, 403, 413)."""

    def __init__(
        self, app: ASGIApp, *, access: Access, hosts: Sequence[str], refuse: Refuse
    ) -> None:
        self._app, self._access, self._refuse = app, access, refuse
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shielded = _with_headers(send, scope["path"])
        request = Request(scope, receive)
        refusal = await self._admit(request, scope)
        if refusal is not None:
            await refusal(scope, receive, shielded)
        else:
            await self._app(scope, receive, shielded)

    async def _admit(self, request: Request, scope: Scope) -> Response | None:
        """None to go on; otherwise the answer."""
        scope["chartloom.session"] = None
        scope["chartloom.form"] = {}
        if _host_name(request.headers.get("host", "")) not in self._hosts:
            return self._refuse(request, 400)
        session = self._access.session(request.cookies.get(COOKIE, ""))
        if session is None and request.url.path.startswith("/api/"):
            session = self._access.bearer(request.headers.get("authorization", ""))
        scope["chartloom.session"] = session
        is_open = scope["path"] in OPEN_PATHS or scope["path"].startswith(OPEN_FOLDERS)
        if session is None and not is_open:
            return self._refuse(request, 401)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return self._refuse(request, 404)  # no id or word holds one, and no database can
        if request.method in ("GET", "HEAD"):
            return None
        if request.method != "POST":
            return self._refuse(request, 405)
        if not _same_site(request.headers):
            return self._refuse(request, 403)
        form = await _read_form(request)
        if form is None:
            return self._refuse(request, 413)
        scope["chartloom.form"] = form
        presented = form.get("csrf", [""])[0]
        if session is not None and not self._access.csrf_holds(session, presented):
            return self._refuse(request, 403)
        return None


def signed_out(path: str = "/enter") -> Response:
    """Ends the session in the browser."""
    response = RedirectResponse(path, 303)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


def _host_name(host: str) -> str:
    """``Host`` without its port; brackets of an IPv6 address stay."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _same_site(headers: Headers) -> bool:
    """Browsers say where a request began; a request from elsewhere is refused before its token."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


async def _read_form(request: Request) -> dict[str, list[str]] | None:
    """A URL-encoded body as lists of values; None if it is larger than any form of ours."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > FORM_BYTES_MAX:
            return None
    form: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FORM_FIELDS_MAX
        )
    except ValueError:
        return None
    for key, value in pairs:
        form.setdefault(key, []).append(value.replace("\0", ""))
    return form


def _with_headers(send: Send, path: str) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if not path.startswith("/static/"):
                headers["cache-control"] = "no-store"
        await send(message)

    return sending
