"""Sessions that are open: an officer sees whose, and ends one or all of a person; the identity
provider ends those of whoever signed out there (``/backchannel-logout``)."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.access import StoredSession
from chartloom.domain.errors import ChartloomError
from chartloom.domain.grant import Purpose
from chartloom.guard.audit import events
from chartloom.guard.facts import actor_of
from chartloom.guard.https import ServiceUnavailable
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal
from chartloom.guard.tokens import Notice, RelyingParty, TokenRefused
from chartloom.serve import needs
from chartloom.serve.again import ask_again
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of

_OPERATE = Purpose.OPERATIONS
_TOKEN_CHARS_MAX = 8_192


class OpenSession(msgspec.Struct, frozen=True):
    """One session in the list. id: its name in forms; it signs nobody in. mine: the looker's."""

    id: str
    actor: str
    name: str
    method: str
    started_us: int
    seen_us: int
    until_us: int
    mine: bool


def routes(console: Console) -> list[BaseRoute]:
    """``/sessions``: list, and end; ``/backchannel-logout``: what the provider says."""

    async def page(request: Request) -> Response:
        return await run_in_threadpool(_page, console, request)

    async def end(request: Request) -> Response:
        return await run_in_threadpool(_end, console, request)

    async def logout(request: Request) -> Response:
        return await run_in_threadpool(_logout, console, request)

    return [
        Route("/sessions", page),
        Route("/sessions", end, methods=["POST"]),
        Route("/backchannel-logout", logout, methods=["POST"]),
    ]


def _page(console: Console, request: Request, code: int = 200, trouble: str = "") -> Response:
    visitor = visitor_of(request)
    permit = console.authority.permit(visitor.principal, needs.SESSIONS, asking_of(request))
    found = permit.run(lambda _: console.sessions.open_now())
    rows = [_shown(console, stored, visitor.key) for stored in found]
    people: dict[str, list[OpenSession]] = {}
    for row in sorted(rows, key=lambda r: -r.seen_us):
        people.setdefault(row.actor, []).append(row)
    return console.page(
        request, "sessions.html", code, people=people, trouble=trouble,
        ends=console.may(request, Action.END_SESSIONS, _OPERATE),
    )  # fmt: skip


def _shown(console: Console, stored: StoredSession, mine: bytes) -> OpenSession:
    session, principal = stored.session, console.sessions.principal(stored.session)
    return OpenSession(
        _id_of(stored),
        actor_of(principal),
        principal.name or session.subject,
        session.method,
        session.started_us,
        stored.seen_us,
        session.until_us,
        stored.key == mine,
    )


def _id_of(stored: StoredSession) -> str:
    return sha256(b"chartloom session shown 1\x1f" + stored.key).hexdigest()[:32]


def _end(console: Console, request: Request) -> Response:
    form, visitor = form_of(request), visitor_of(request)
    one, actor = first(form, "session", 32), first(form, "person", 200)
    if console.may(request, Action.END_SESSIONS, _OPERATE) and not visitor.fresh:
        return ask_again(console, request, needs.END_SESSIONS, "/sessions")
    permit = console.authority.permit(visitor.principal, needs.END_SESSIONS, asking_of(request))
    meant = [
        stored
        for stored in console.sessions.open_now()
        if (one and _id_of(stored) == one) or (actor and _actor_of(console, stored) == actor)
    ]
    if not meant:
        return _page(console, request, 409, "over")
    about = console.authority.context(visitor.principal, _OPERATE, asking_of(request), permit.grant)
    for stored in meant:
        whose = _actor_of(console, stored)
        console.authority.record(events.session_ended(about, whose, "officer"))
        console.sessions.end_one(stored)
    if any(stored.key == visitor.key for stored in meant):
        return RedirectResponse("/sign-in", 303)
    return RedirectResponse("/sessions", 303)


def _actor_of(console: Console, stored: StoredSession) -> str:
    return actor_of(console.sessions.principal(stored.session))


# -- by the provider


def _logout(console: Console, request: Request) -> Response:
    """OpenID Connect Back-Channel Logout 1.0, 2.5 to 2.8."""
    given = form_of(request).get("logout_token", [])
    about = console.authority.context(
        Principal("nobody", service=True), _OPERATE, asking_of(request)
    )
    try:
        party = _party(console)
        if party is None or len(given) != 1 or len(given[0]) > _TOKEN_CHARS_MAX:
            raise TokenRefused("malformed")
        notice = _read(party, given[0])
        if not console.doors.used.first_use(
            f"logout {notice.issuer}", notice.token_id, notice.until_us
        ):
            raise TokenRefused("replayed")
    except TokenRefused as error:
        console.authority.record(events.session_ended(about, "", "provider", denied=error.reason))
        return JSONResponse({"error": "invalid_request"}, 400)
    for stored in _meant(console, notice):
        console.authority.record(
            events.session_ended(about, _actor_of(console, stored), "provider")
        )
        console.sessions.end_one(stored)
    return Response(status_code=200)


def _party(console: Console) -> RelyingParty | None:
    if console.doors.sign_in is None:
        return None
    try:
        return console.doors.sign_in()
    except ChartloomError as error:
        raise TokenRefused("provider-unreachable") from error


def _read(party: RelyingParty, token: str) -> Notice:
    try:
        return party.logged_out(token)
    except ServiceUnavailable as error:
        raise TokenRefused("provider-unreachable") from error


def _meant(console: Console, notice: Notice) -> Iterator[StoredSession]:
    """The sessions that came from there: one by ``sid``, or all of the subject."""
    subjects = {notice.subject, f"{notice.issuer}|{notice.subject}"}
    for stored in console.sessions.open_now():
        session = stored.session
        if session.method != "oidc" or session.issuer != notice.issuer:
            continue
        if notice.subject and session.subject not in subjects:
            continue
        if notice.session_id and session.issuer_session != notice.session_id:
            continue
        yield stored
