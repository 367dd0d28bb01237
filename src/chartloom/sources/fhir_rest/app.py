"""The HTTP door of one feed: FHIR R4 JSON, or HL7 v2 when that is the feed's format.

A success means durable. The order of the checks is from cheap to dear, and the body is read only
when everything before it holds.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from chartloom.domain.errors import LandingRefused, StoreUnavailable
from chartloom.domain.message import Arrival, Format, LandingOutcome, Receipt
from chartloom.guard.clients import PEER
from chartloom.guard.tokens import TokenRefused
from chartloom.sources import events
from chartloom.sources.common import land, room
from chartloom.sources.context import SourceContext
from chartloom.sources.fhir_rest import hl7, outcome
from chartloom.sources.fhir_rest.outcome import Refusal
from chartloom.sources.fhir_rest.quick_look import quick_look
from chartloom.sources.limits import TokenBucket

_METHODS: Final = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
_FHIR_TYPES: Final = frozenset(
    {"application/fhir+json", "application/json", "application/json+fhir", "text/json"}
)
_HL7_TYPES: Final = frozenset(
    {"application/hl7-v2", "application/hl7-v2+er7", "x-application/hl7-v2+er7", "text/plain"}
)
_TYPE: Final = re.compile(r"[A-Z][A-Za-z]{2,63}\Z")
_REQUEST_ID: Final = re.compile(r"[\x21-\x7e]{1,128}\Z")
_SMALL_BYTES: Final = 64 * 1024
POSITION_HEADER: Final = "X-Chartloom-Position"
REQUEST_ID_HEADER: Final = "X-Request-Id"
OUTCOME_HEADER: Final = "X-Chartloom-Outcome"
_ANSWERS: Final = {
    LandingOutcome.LANDED: outcome.LANDED,
    LandingOutcome.DUPLICATE: outcome.DUPLICATE,
    LandingOutcome.CONFLICT: outcome.CONFLICT,
}


class Door:
    """Handles the requests of one feed. token: the bearer token asked for; "" asks for none."""

    def __init__(self, context: SourceContext, token: str = "") -> None:
        self._context = context
        self._feed = context.feed
        self._token = token.encode()
        self._base = "/" + str(context.feed.options.get("path", "")).strip("/")
        self._bucket = TokenBucket(context.feed.limits.messages_per_second_max)
        self._hl7 = hl7.Hl7Reception(context)
        admission, host = context.admission, str(context.feed.options.get("host", ""))
        guarded = admission is not None and admission.guards(context.feed)
        self._asks_somebody = bool(token) or guarded
        self._hosts = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host}

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(routes=[Route("/{path:path}", self.handle, methods=_METHODS)])

    async def handle(self, request: Request) -> Response:
        """One request: its answer is always an OperationOutcome or an HL7 acknowledgement."""
        try:
            response = await self._receive(request)
        except Refusal as refusal:
            self._context.note(refusal.event)
            response = outcome.refuse(refusal)
        if request_id := _request_id(request):
            response.headers[REQUEST_ID_HEADER] = request_id
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Content-Type-Options"] = "nosniff"
        self._context.stats.answers[str(response.status_code)] += 1
        return response

    async def _receive(self, request: Request) -> Response:
        self._check_origin(request)
        path_type = self._check_target(request)
        self._check_sender(request, path_type)
        self._check_content_type(request)
        declared = self._declared_size(request)
        if not self._bucket.take(1, asyncio.get_running_loop().time()):
            raise Refusal(
                429,
                "throttled",
                "Rate limit of this feed. Nothing was kept. Send again later.",
                event=events.RATE,
                headers={"Retry-After": "1"},
            )
        await room(self._context.lander)
        body = await self._body(request, declared)
        if self._feed.format is Format.HL7V2:
            return await self._hl7.receive(body)
        return await self._land_fhir(request, body, path_type)

    def _check_origin(self, request: Request) -> None:
        """A feed that asks nobody is for programs of this machine: not for a page in its browser,
        neither under a name that was made to lead here (DNS rebinding) nor from another site."""
        if self._asks_somebody:
            return
        if _host_name(request.headers.get("host", "")) not in self._hosts:
            raise Refusal(
                400,
                "invalid",
                "This feed is not served under that host name. Use 127.0.0.1, or have the feed ask "
                "for a token.",
                event=events.HTTP_REFUSED,
            )
        if "origin" in request.headers or "sec-fetch-site" in request.headers:
            raise Refusal(
                403,
                "forbidden",
                "This feed takes nothing from a browser. Have it ask for a token.",
                event=events.HTTP_REFUSED,
            )

    def _check_target(self, request: Request) -> str:
        """The resource type that the path names, "" for the base."""
        path = request.url.path.rstrip("/") or "/"
        if request.method != "POST":
            raise Refusal(
                405, "not-supported", "Only POST is answered here.", headers={"Allow": "POST"}
            )
        if path == self._base:
            return ""
        rest = path.removeprefix(self._base.rstrip("/") + "/")  # elsewhere it begins with a slash
        if self._feed.format is Format.FHIR and _TYPE.match(rest):
            return rest
        raise Refusal(404, "not-found", "Post to the base of this feed, or to a resource type.")

    def _check_sender(self, request: Request, path_type: str) -> None:
        """By the feed's own token, an access token or a certificate of a service that may send."""
        if not self._asks_somebody:
            return
        admission = self._context.admission
        guarded = admission is not None and admission.guards(self._feed)
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        token = given.strip() if scheme.lower() == "bearer" else ""
        if self._token and hmac.compare_digest(token.encode("utf-8", "replace"), self._token):
            return
        certificate: bytes = request.scope.get(PEER, b"")
        if not guarded or admission is None:
            raise _stranger()
        if not token:
            if admission.by_certificate(self._feed, certificate, path_type):
                return
            raise _stranger()
        try:
            admission.by_token(self._feed, token, certificate, path_type)
        except TokenRefused as error:
            if error.reason == "scope":
                raise Refusal(
                    403,
                    "forbidden",
                    "The access token does not cover this.",
                    event=events.HTTP_REFUSED,
                    headers={"WWW-Authenticate": 'Bearer error="insufficient_scope"'},
                ) from None
            raise _stranger() from None

    def _check_content_type(self, request: Request) -> None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        allowed = _FHIR_TYPES if self._feed.format is Format.FHIR else _HL7_TYPES
        if kind not in allowed:
            wanted = "application/fhir+json"
            if self._feed.format is Format.HL7V2:
                wanted = "application/hl7-v2"
            raise Refusal(415, "not-supported", f"This feed takes {wanted}.")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refusal(415, "not-supported", "Send the body without content encoding.")

    def _declared_size(self, request: Request) -> int:
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdigit() else 0
        if size > self._feed.limits.message_size_bytes_max:
            raise self._too_large()
        return size

    def _too_large(self) -> Refusal:
        size = self._feed.limits.message_size_bytes_max
        return Refusal(
            413,
            "too-long",
            f"Larger than this feed takes ({size} bytes). Nothing was kept.",
            event=events.OVERSIZE,
            headers={"Connection": "close"},
        )

    async def _body(self, request: Request, declared: int) -> bytes:
        body = bytearray()
        booked = 0
        try:
            async with asyncio.timeout(self._feed.limits.frame_timeout_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > self._feed.limits.message_size_bytes_max:
                        raise self._too_large()
                    booked = self._book(booked, len(body))
        except TimeoutError:
            raise Refusal(
                408,
                "timeout",
                "The body was not complete in time. Nothing was kept. Send again.",
                event=events.FRAME_TIMEOUT,
                headers={"Connection": "close"},
            ) from None
        except ClientDisconnect:
            raise Refusal(
                400, "incomplete", "The client went away.", event=events.HALF_FRAME
            ) from None
        finally:
            self._context.budget.change(booked, 0)
        if not body or len(body) < declared:
            raise Refusal(400, "required", "The request has no body.")
        return bytes(body)

    def _book(self, booked: int, size: int) -> int:
        if size <= _SMALL_BYTES:
            return booked
        if not self._context.budget.change(booked, size):
            self._context.budget.change(size, booked)
            raise Refusal(
                503,
                "throttled",
                "Too many large messages at once. Nothing was kept. Send again.",
                event=events.MEMORY,
                headers={"Retry-After": "5", "Connection": "close"},
            )
        return size

    async def _land_fhir(self, request: Request, body: bytes, path_type: str) -> Response:
        if len(body) > _SMALL_BYTES:  # other connections shall not wait for it
            seen = await asyncio.to_thread(quick_look, body, self._feed, self._context.namespace)
        else:
            seen = quick_look(body, self._feed, self._context.namespace)
        now_us = self._context.clock.now_us()
        arrival = seen.arrival(self._feed, body, now_us, _request_id(request))
        receipt = await self._land(arrival)
        answer = _ANSWERS[receipt.outcome]
        if not seen.resource_type:
            answer = outcome.NOT_FHIR
            self._context.note(events.NO_HEADER)
        elif path_type and seen.resource_type != path_type:
            answer = outcome.WRONG_TYPE
            self._context.note(events.HTTP_REFUSED)
        headers = {POSITION_HEADER: str(receipt.position), OUTCOME_HEADER: str(receipt.outcome)}
        return outcome.respond(answer, headers)

    async def _land(self, arrival: Arrival) -> Receipt:
        stats = self._context.stats
        stats.in_flight += 1
        try:
            receipt = await land(self._context.lander, arrival)
        except StoreUnavailable:
            raise Refusal(
                503,
                "transient",
                "Not stored: the store is not available. Send again later.",
                event=events.STORE,
                headers={"Retry-After": "5"},
            ) from None
        except LandingRefused:
            text = "The store cannot hold this. Nothing was kept."
            raise Refusal(422, "exception", text, event=events.REFUSED) from None
        finally:
            stats.in_flight -= 1
        now_us = self._context.clock.now_us()
        stats.durable(receipt.outcome, len(arrival.body), arrival.received_at_us, now_us)
        return receipt


def _host_name(host: str) -> str:
    """``Host`` without its port; brackets of an IPv6 address stay."""
    host = host.strip().lower()
    end = host.find("]") + 1 if host.startswith("[") else host.find(":")
    return host[:end] if end > 0 else host


def _stranger() -> Refusal:
    return Refusal(
        401,
        "login",
        "A valid bearer token, or the certificate of a service that may send here, is needed.",
        event=events.HTTP_REFUSED,
        headers={"WWW-Authenticate": "Bearer"},
    )


def _request_id(request: Request) -> str:
    """The client's id for this request, "" if it gave none. Equal bytes alone do not make the same
    request: a resource that is changed and changed back is sent with the bytes it had before."""
    given = request.headers.get(REQUEST_ID_HEADER, "")
    return given if _REQUEST_ID.match(given) else ""
