"""Signing in with a one-time link, signing out, and where ``/`` leads."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.serve.access import COOKIE, SESSION_S
from chartloom.serve.console import Console, first, form_of
from chartloom.serve.shield import signed_out


def routes(console: Console) -> list[BaseRoute]:
    """``/``, ``/enter``, ``/leave``, ``/help``."""

    async def home(request: Request) -> Response:
        return RedirectResponse("/chart", 303)

    async def enter(request: Request) -> Response:
        token = request.query_params.get("token", "")
        if request.method == "POST":
            token = _token(first(form_of(request), "token", 500))
        if not token:
            if request.scope["chartloom.session"] is not None:
                return RedirectResponse("/", 303)
            return console.page(request, "enter.html", refused=False)
        session = console.access.redeem(token)
        if session is None:
            if request.scope["chartloom.session"] is not None:
                return RedirectResponse("/", 303)
            return console.page(request, "enter.html", 403, refused=True)
        response = RedirectResponse("/", 303)
        response.set_cookie(
            COOKIE,
            console.access.cookie(session),
            max_age=SESSION_S,
            path="/",
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def leave(request: Request) -> Response:
        return signed_out()

    async def help_page(request: Request) -> Response:
        return console.page(request, "help.html")

    return [
        Route("/", home),
        Route("/enter", enter, methods=["GET", "POST"]),
        Route("/leave", leave, methods=["POST"]),
        Route("/help", help_page),
    ]


def _token(pasted: str) -> str:
    """The token of a pasted link, or the token itself."""
    return pasted.partition("token=")[2] or pasted
