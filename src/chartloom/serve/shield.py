"""The outermost layer of the console: allowed hosts, security headers, sessions, CSRF, size limits.

Plain ASGI, so that nothing behind it can forget a check: a page that is not on the short list of
open paths is never reached without a session, and no POST without its CSRF token.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import parse_qsl
from uuid import uuid4

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import StoreUnavailable
from chartloom.domain.grant import Purpose
from chartloom.guard.clients import PEER
from chartloom.guard.staff import Principal
from chartloom.guard.tokens import TokenRefused
from chartloom.serve.access import equal
from chartloom.serve.doors import Services
from chartloom.serve.limits import Limiter, Refused
from chartloom.serve.sessions import SessionBook, Visitor
from chartloom.serve.strangers import Strangers

#: What no browser uses: never a session, no form of ours.
MACHINE_PATHS = frozenset(
    {"/token", "/backchannel-logout", "/jwks.json", "/healthz", "/readyz", "/metrics"}
)
#: Reachable without a session: no page here shows anything about a patient or a message.
OPEN_PATHS = (
    frozenset({"/sign-in", "/sign-in/start", "/callback", "/enter"})
    | {"/fhir/R4/metadata", "/fhir/R4/.well-known/smart-configuration"}
    | MACHINE_PATHS
)
OPEN_FOLDERS = ("/static/", "/fhir/R4/OperationDefinition/")
#: Where services get in with a token.
SERVICE_FOLDERS = ("/api/", "/fhir/")
FORM_BYTES_MAX = 64 * 1024
#: Of what services post: a Patient to be matched is smaller.
BODY_BYTES_MAX = 256 * 1024
_FORM_FIELDS_MAX = 1000
COOKIE = "chartloom_session"
_JSON_KINDS = ("application/fhir+json", "application/json")

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
#: Puts on record that somebody came too often at a door.
Note = Callable[[Request, Refused], None]
#: Puts on record that a caller who is known was refused at the door. The second argument: a code.
Turned = Callable[[Request, str], None]


class Shield:
    """Wraps the application. ``refuse`` draws the page for a status."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        sessions: SessionBook,
        services: Services | None,
        https: bool,
        hosts: Sequence[str],
        refuse: Refuse,
        limiter: Limiter,
        note: Note,
        turned: Turned,
        strangers: Strangers,
    ) -> None:
        self._limiter, self._note, self._turned = limiter, note, turned
        self._strangers = strangers
        self._app, self._sessions, self._services = app, sessions, services
        self._cookie, self._refuse, self._https = cookie_name(https), refuse, https
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, self._until_the_end(receive), send)
            return
        shielded = _with_headers(send, scope["path"], self._https)
        scope["chartloom.request_id"] = uuid4().hex
        scope["chartloom.visitor"] = None
        scope["chartloom.form"] = {}
        scope["chartloom.body"] = b""
        request = Request(scope, receive)
        try:
            refusal = await self._admit(request, scope)
        except (StoreUnavailable, AuditUnavailable):
            refusal = self._refuse(request, 503)
        except ClientDisconnect:
            return  # nobody is there to be answered
        if refusal is not None:
            await refusal(scope, receive, shielded)
        else:
            await self._app(scope, receive, shielded)

    def _until_the_end(self, receive: Receive) -> Receive:
        """Of a process that ends, what was counted of strangers is written before all is closed."""

        async def received() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await self._strangers.flush()
            return message

        return received

    async def _admit(self, request: Request, scope: Scope) -> Response | None:
        """None to go on; otherwise the answer."""
        if _host_name(request.headers.get("host", "")) not in self._hosts:
            self._strangers.count("host")
            return self._refuse(request, 400)
        path = scope["path"]
        if path not in MACHINE_PATHS and not path.startswith(OPEN_FOLDERS):
            scope["chartloom.visitor"] = await self._visitor(request)
        visitor: Visitor | None = scope["chartloom.visitor"]
        is_open = path in OPEN_PATHS or path.startswith(OPEN_FOLDERS)
        if visitor is None and not is_open:
            self._strangers.count("not-signed-in")
            return self._refuse(request, 401)
        too_often = self._limiter.knock(request, visitor)
        if too_often is not None:
            return await self._wait(request, too_often)
        if "\0" in path or b"%00" in scope["query_string"]:
            # No id or word holds one, and no database can.
            return await self._turn(request, 404, "null-character")
        if request.method in ("GET", "HEAD"):
            return None
        if request.method != "POST":
            return await self._turn(request, 405, "method")
        if path not in MACHINE_PATHS and not _same_site(request.headers):
            return await self._turn(request, 403, "other-site")
        if visitor is not None and visitor.session is None:
            return await self._take_body(request, scope)
        form, presented = await _posted(request, scope)
        if form is None:
            return await self._turn(request, 413, "too-large")
        scope["chartloom.form"] = form
        if visitor is not None and not equal(presented, visitor.csrf):
            return await self._turn(request, 403, "form-secret")
        return None

    async def _take_body(self, request: Request, scope: Scope) -> Response | None:
        """What a service posts: no cookie of a browser let it in, so no form needs a secret."""
        if not scope["path"].startswith("/fhir/"):
            return await self._turn(request, 405, "method")
        body = await _read_body(request, BODY_BYTES_MAX)
        if body is None:
            return await self._turn(request, 413, "too-large")
        kind = _kind(request)
        if kind == "application/x-www-form-urlencoded":
            form = _form_of(body)
            if form is None:
                return await self._turn(request, 413, "too-large")
            scope["chartloom.form"] = form
        elif kind not in _JSON_KINDS:
            return await self._turn(request, 415, "media-type")
        scope["chartloom.body"] = body
        return None

    async def _turn(self, request: Request, status: int, why: str) -> Response:
        """The refusal. Of a caller who is known it is on record first: one event each, as for every
        page that they may open. Those whom nobody knows are counted."""
        if request.scope["chartloom.visitor"] is not None:
            await run_in_threadpool(self._turned, request, why)
        else:
            self._strangers.count(why)
        return self._refuse(request, status)

    async def _wait(self, request: Request, too_often: Refused) -> Response:
        """429, and when to come again. On record once, until the visitor is let in again: whoever
        knocks a thousand times a second shall not fill the record."""
        if too_often.first:
            await run_in_threadpool(self._note, request, too_often)
        response = self._refuse(request, 429)
        response.headers["retry-after"] = str(too_often.retry_after_s)
        return response

    async def _visitor(self, request: Request) -> Visitor | None:
        """Who asks: a person by the session's cookie, for the API also a service by its token."""
        word = request.cookies.get(self._cookie, "")
        if word:
            found = await run_in_threadpool(self._sessions.find, word)
            if found is not None:
                return found
        if not request.url.path.startswith(SERVICE_FOLDERS) or self._services is None:
            return None
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            certificate: bytes = request.scope.get(PEER, b"")
            access = self._services.verifier.verify(token.strip(), certificate=certificate)
        except TokenRefused:
            return None
        if access.purpose not in ("", *Purpose):
            return None
        scopes = policy_scopes(access.scopes)
        principal = Principal(access.client, scopes=scopes, service=True)
        return Visitor(principal, token_purpose=access.purpose)


#: What may be done, in the order in which SMART 2 writes it.
_LETTERS = re.compile("c?r?u?d?s?")


def policy_scopes(scopes: frozenset[str]) -> frozenset[str]:
    """Scopes as policies name them: ``system/*.rs`` (SMART 2) is ``system/*.read`` too, and what
    reads and searches Patients is ``system/Patient.rs``. A scope that is restricted (``?...``)
    names less than that, which no policy here knows: it opens nothing."""
    split = [s.partition(".") for s in scopes]
    reads = {kind for kind, _, may in split if _LETTERS.fullmatch(may) and {"r", "s"} <= set(may)}
    found = set(scopes)
    if "system/*" in reads:
        found.add("system/*.read")
    if reads & {"system/*", "system/Patient"}:
        found.add("system/Patient.rs")
    return frozenset(found)


def cookie_name(https: bool, base: str = COOKIE) -> str:
    """Browsers take a ``__Host-`` cookie only over HTTPS, from this very host."""
    return f"__Host-{base}" if https else base


def set_cookie(
    response: Response, https: bool, value: str, *, base: str = COOKIE, max_age_s: int, lax: bool
) -> None:
    """A cookie for this host, out of reach of scripts and of other sites.

    lax: sent when another site leads here (the answer of an identity provider), never with a form.
    """
    response.set_cookie(
        cookie_name(https, base),
        value,
        max_age=max_age_s,
        path="/",
        httponly=True,
        samesite="lax" if lax else "strict",
        secure=https,
    )


def drop_cookie(response: Response, https: bool, base: str = COOKIE) -> None:
    """Takes a cookie back."""
    response.delete_cookie(
        cookie_name(https, base), path="/", httponly=True, samesite="strict", secure=https
    )


def _host_name(host: str) -> str:
    """``Host`` without its port; brackets of an IPv6 address stay."""
    host = host.strip().lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _same_site(headers: Headers) -> bool:
    """Browsers say where a request began; a request from elsewhere is refused before its token."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()


async def _posted(request: Request, scope: Scope) -> tuple[dict[str, list[str]] | None, str]:
    """What a browser posts, None if it is too large, and the CSRF token with it. At the FHIR door
    it may be JSON, with the token in a header, which no form of another site can set."""
    if scope["path"].startswith("/fhir/") and _kind(request) in _JSON_KINDS:
        body = await _read_body(request, FORM_BYTES_MAX)
        scope["chartloom.body"] = body or b""
        return (None if body is None else {}), request.headers.get("x-csrf-token", "")
    form = await _read_form(request)
    return form, (form or {}).get("csrf", [""])[0]


async def _read_form(request: Request) -> dict[str, list[str]] | None:
    """A URL-encoded body as lists of values; None if it is larger than any form of ours."""
    body = await _read_body(request, FORM_BYTES_MAX)
    return None if body is None else _form_of(body)


async def _read_body(request: Request, bytes_max: int) -> bytes | None:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            return None
    return bytes(body)


def _form_of(body: bytes) -> dict[str, list[str]] | None:
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


def _with_headers(send: Send, path: str, https: bool) -> Callable[[Message], Awaitable[None]]:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            if not path.startswith("/static/"):
                headers["cache-control"] = "no-store"
            if https:
                headers["strict-transport-security"] = "max-age=31536000"
        await send(message)

    return sending
