"""Access tokens for services: the token endpoint and the keys that verify what it gives out."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Context, events
from chartloom.guard.clients import PEER
from chartloom.guard.staff import Principal
from chartloom.guard.tokens import Issued, TokenError
from chartloom.serve.console import Console, asking_of, form_of
from chartloom.serve.doors import Services

_METHOD = "client-credentials"


def routes(console: Console) -> list[BaseRoute]:
    """``/token`` (RFC 6749 client credentials with private_key_jwt), ``/jwks.json``."""

    async def token(request: Request) -> Response:
        services = console.doors.services
        if services is None:
            return _error("invalid_client", 401)
        form = form_of(request)
        if any(len(values) != 1 for values in form.values()):
            return _error("invalid_request", 400)
        fields = {name: values[0] for name, values in form.items()}
        return await run_in_threadpool(_answer, console, request, services, fields)

    async def keys(request: Request) -> Response:
        services = console.doors.services
        return JSONResponse(services.key_set if services else {"keys": []})

    return [Route("/token", token, methods=["POST"]), Route("/jwks.json", keys)]


def _answer(
    console: Console, request: Request, services: Services, fields: dict[str, str]
) -> Response:
    try:
        certificate: bytes = request.scope.get(PEER, b"")
        issued = services.endpoint.token(fields, certificate=certificate)
    except TokenError as error:
        about = _about(console, request, Principal(subject="nobody", service=True))
        console.authority.record(events.sign_in(about, _METHOD, denied=error.reason or "refused"))
        return _error(error.error, 401 if error.error == "invalid_client" else 400)
    about = _about(console, request, Principal(subject=issued.client_id, service=True))
    console.authority.record(events.sign_in(about, _METHOD))
    return JSONResponse(_body(issued))


def _body(issued: Issued) -> dict[str, object]:
    return {
        "access_token": issued.access_token,
        "token_type": issued.token_type,
        "expires_in": issued.expires_in,
        "scope": issued.scope,
    }


def _error(error: str, status: int) -> Response:
    return JSONResponse({"error": error}, status)


def _about(console: Console, request: Request, principal: Principal) -> Context:
    return console.authority.context(principal, Purpose.OPERATIONS, asking_of(request))
