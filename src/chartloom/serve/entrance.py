"""Signing in and out, choosing a purpose, and where ``/`` leads."""

from __future__ import annotations

import re

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain import codec
from chartloom.domain.errors import ChartloomError
from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Context, events
from chartloom.guard.staff import Principal
from chartloom.guard.tokens import Demands, Pending, TokenRefused
from chartloom.serve.console import (
    Console,
    asking_of,
    first,
    form_of,
    purposes_of,
    rooms_of,
    visitor_of,
)
from chartloom.serve.sessions import LOCAL_OPERATOR, Visitor, kept_claims, local_operator
from chartloom.serve.shield import cookie_name, drop_cookie, set_cookie

PENDING_COOKIE = "chartloom_signing_in"
_PENDING_S = 600
_ANSWER_CHARS_MAX = 8_000
#: Where a sign-in may lead: into this console, by a plain path.
_INSIDE = re.compile(r"/(?:[A-Za-z0-9_~.%-][A-Za-z0-9_~./%?=&+-]*)?")


def inside(path: str) -> str:
    """``path`` if it leads into this console, else ``/``."""
    return path if len(path) <= 500 and _INSIDE.fullmatch(path) and "//" not in path else "/"


def routes(console: Console) -> list[BaseRoute]:
    """``/``, ``/sign-in``, ``/callback``, ``/enter``, ``/sign-out``, ``/purpose``, ``/help``."""

    async def home(request: Request) -> Response:
        rooms = await run_in_threadpool(rooms_of, console, request)
        return RedirectResponse(rooms[0][0] if rooms else "/me", 303)

    async def sign_in(request: Request) -> Response:
        return _sign_in_page(console, request, inside(request.query_params.get("next", "/")))

    async def start(request: Request) -> Response:
        onward = inside(request.query_params.get("next", "/"))
        if console.doors.sign_in is None:
            return RedirectResponse("/sign-in", 303)
        try:
            party = await run_in_threadpool(console.doors.sign_in)
        except ChartloomError:
            return _sign_in_page(console, request, onward, 503, trouble="unreachable")
        # Before what is grave, the provider is asked to see the person once more.
        again = "again" in request.query_params
        address, pending = party.begin(max_age_s=0, prompt="login") if again else party.begin()
        response = RedirectResponse(address, 303)
        kept = {"pending": codec.encode(pending).decode(), "next": onward}
        handle = console.handles.hide(kept, "sign-in")
        set_cookie(
            response, console.doors.https, handle, base=PENDING_COOKIE, max_age_s=_PENDING_S,
            lax=True,
        )  # fmt: skip
        return response

    async def callback(request: Request) -> Response:
        return await run_in_threadpool(_callback, console, request)

    async def enter(request: Request) -> Response:
        if console.doors.sign_in is not None:
            return RedirectResponse("/sign-in", 303)
        token = request.query_params.get("token", "")
        if request.method == "POST":
            token = _token(first(form_of(request), "token", 500))
        if not token:
            return RedirectResponse("/sign-in", 303)
        return await run_in_threadpool(_enter, console, request, token)

    async def sign_out(request: Request) -> Response:
        return await run_in_threadpool(_sign_out, console, request)

    async def purpose(request: Request) -> Response:
        form = form_of(request)
        chosen, visitor = first(form, "purpose"), visitor_of(request)
        if chosen in purposes_of(visitor):
            await run_in_threadpool(console.sessions.choose, visitor, chosen)
        return RedirectResponse(inside(first(form, "next", 500) or "/"), 303)

    async def help_page(request: Request) -> Response:
        return console.page(request, "help.html")

    return [
        Route("/", home),
        Route("/sign-in", sign_in),
        Route("/sign-in/start", start),
        Route("/callback", callback),
        Route("/enter", enter, methods=["GET", "POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
        Route("/purpose", purpose, methods=["POST"]),
        Route("/help", help_page),
    ]


def _sign_in_page(
    console: Console,
    request: Request,
    onward: str,
    code: int = 200,
    *,
    trouble: str = "",
    demands: Demands | None = None,
) -> Response:
    return console.page(
        request,
        "sign_in.html",
        code,
        onward=onward,
        provider=console.doors.sign_in is not None,
        trouble=trouble,
        demands=demands or Demands(),
    )


def _callback(console: Console, request: Request) -> Response:
    """The provider's answer. One answer, one try: what was kept for it is used up first."""
    name = cookie_of(console, request)
    kept = console.handles.reveal(name, "sign-in")
    answer = dict(request.query_params)
    identity = None
    reason = "state"
    party = console.doors.sign_in() if console.doors.sign_in is not None else None
    whole = sum(map(len, answer.values())) <= _ANSWER_CHARS_MAX
    single = len(answer) == len(request.query_params.multi_items())
    if party is not None and kept and whole and single:
        pending = msgspec.json.decode(kept["pending"], type=Pending)
        until_us = pending.started_us + 2 * _PENDING_S * 1_000_000
        if console.doors.used.first_use("sign-in", pending.state, until_us):
            try:
                identity = party.finish(pending, answer)
            except TokenRefused as error:
                reason = error.reason
        else:
            reason = "replayed"
    if identity is None or party is None:
        nobody = Principal(subject="nobody")
        about = _about(console, request, nobody)
        console.authority.record(events.sign_in(about, "oidc", denied=reason or "refused"))
        trouble = "factors" if reason in ("acr", "amr") else "refused"
        demands = party.demands if party is not None else None
        response = _sign_in_page(console, request, "/", 403, trouble=trouble, demands=demands)
        drop_cookie(response, console.doors.https, PENDING_COOKIE)
        return response
    subject = _subject(console, identity.issuer, identity.subject)
    claims = kept_claims(console.doors.staff(), identity.claims)
    response = _admit(
        console, request, subject, "oidc", claims, onward=inside(kept.get("next", "/")),
        issuer=identity.issuer, issuer_session=identity.session_id, id_token=identity.id_token,
        proved_us=identity.signed_in_s * 1_000_000 if identity.proved else 0,
    )  # fmt: skip
    drop_cookie(response, console.doors.https, PENDING_COOKIE)
    return response


def cookie_of(console: Console, request: Request) -> str:
    """What was kept in the browser while somebody signs in."""
    return request.cookies.get(cookie_name(console.doors.https, PENDING_COOKIE), "")


def _subject(console: Console, issuer: str, subject: str) -> str:
    """As the list of staff names it: ``sub``, or ``issuer|sub`` if that stands there."""
    staff = console.doors.staff()
    return f"{issuer}|{subject}" if staff.member(f"{issuer}|{subject}") else subject


def _enter(console: Console, request: Request, token: str) -> Response:
    if not console.handles.redeem(token):
        about = _about(console, request, Principal(subject="nobody"))
        console.authority.record(events.sign_in(about, "link", denied="refused"))
        return _sign_in_page(console, request, "/", 403, trouble="link")
    now_us = console.clock.now_us()
    return _admit(console, request, LOCAL_OPERATOR, "local", {}, onward="/", proved_us=now_us)


def _admit(
    console: Console,
    request: Request,
    subject: str,
    method: str,
    claims: dict[str, object],
    *,
    onward: str,
    issuer: str = "",
    issuer_session: str = "",
    id_token: str = "",
    proved_us: int = 0,
) -> Response:
    """Opens a session under a new word, whatever the browser held before."""
    before = request.scope["chartloom.visitor"]
    word = console.sessions.open(
        subject, method, claims, issuer=issuer, issuer_session=issuer_session, id_token=id_token,
        proved_us=proved_us, replaces=before.key if before else b"",
    )  # fmt: skip
    visitor = console.sessions.find(word)
    principal = visitor.principal if visitor else local_operator()
    about = _about(console, request, principal)
    console.authority.record(events.sign_in(about, "oidc" if method == "oidc" else "link"))
    # A page of our own leads on: a redirect here would still count as coming from the provider,
    # and browsers would keep the strict cookie back.
    request.scope["chartloom.visitor"] = None
    response = console.page(request, "signed_in.html", onward=onward, name=principal.name)
    set_cookie(
        response, console.doors.https, word, max_age_s=console.sessions.limits.absolute_s, lax=False
    )
    return response


def _sign_out(console: Console, request: Request) -> Response:
    visitor = visitor_of(request)
    console.sessions.end(visitor)
    console.authority.record(events.sign_out(_about(console, request, visitor.principal)))
    leave = _leave(console, visitor)
    if leave:
        # A page of our own leads on: the policy for forms permits no other origin.
        request.scope["chartloom.visitor"] = None
        response = console.page(request, "signed_out.html", leave=leave)
    else:
        response = RedirectResponse("/sign-in", 303)
    drop_cookie(response, console.doors.https)
    return response


def _leave(console: Console, visitor: Visitor) -> str:
    """Where the provider's own session ends, if there is such a place."""
    session = visitor.session
    if session is None or session.method != "oidc" or console.doors.sign_in is None:
        return ""
    try:
        party = console.doors.sign_in()
    except ChartloomError:
        return ""  # the provider is not there; the session here is over all the same
    return party.leave(session.id_token) if session.issuer == party.provider.issuer else ""


def _about(console: Console, request: Request, principal: Principal) -> Context:
    return console.authority.context(principal, Purpose.OPERATIONS, asking_of(request))


def _token(pasted: str) -> str:
    """The token of a pasted link, or the token itself."""
    return pasted.partition("token=")[2] or pasted
