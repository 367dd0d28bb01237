"""Data uses: asked for by one person, decided by another, over when their time is."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from uuid import uuid4

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.access import DataUse, UseState
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Kind, events
from chartloom.guard.deid import Profile, fields_that_may_leave
from chartloom.guard.facts import actor_of
from chartloom.guard.policy import Action
from chartloom.serve import needs
from chartloom.serve.again import ask_again
from chartloom.serve.console import (
    Console,
    asking_of,
    first,
    form_of,
    visitor_of,
    whole_number,
)
from chartloom.serve.denials import denied
from chartloom.serve.people import is_our_id

_PURPOSES = (Purpose.QUALITY, Purpose.RESEARCH)
_FIELDS_MAX = 100
_DAYS_MAX = 731
#: Fewest persons who look alike, where nobody says otherwise.
K_USUAL = 11
_PERSONS_MAX = 1_500
_K_MAX = 1_000
_ASKED = ("title", "purpose", "fields", "cohort", "until", "everyone", "persons", "profile", "k")
_LIMITS = {"persons": 60_000}
PROFILES = {
    Profile.SAFE_HARBOR: "Safe harbor: years, states, three digits of ZIP",
    Profile.SHIFTED: "Shifted: dates moved per person (an expert's word is needed)",
    Profile.LIMITED: "Limited data set: dates and ZIP as they are (a data use agreement is needed)",
}


def routes(console: Console) -> list[BaseRoute]:
    """``/uses``: list and request; ``/uses/{id}``: decide or withdraw."""

    async def page(request: Request) -> Response:
        return await run_in_threadpool(_page, console, request, 200, "", {})

    async def submit(request: Request) -> Response:
        return await run_in_threadpool(_request, console, request)

    async def decide(request: Request) -> Response:
        return await run_in_threadpool(_decide, console, request)

    return [
        Route("/uses", page),
        Route("/uses", submit, methods=["POST"]),
        Route("/uses/{id}", decide, methods=["POST"]),
    ]


def _page(
    console: Console, request: Request, code: int, trouble: str, kept: dict[str, str]
) -> Response:
    visitor = visitor_of(request)
    permit = console.authority.permit(visitor.principal, needs.uses(), asking_of(request))
    me = actor_of(visitor.principal)
    all_uses = permit.run(console.doors.uses.list)
    decides = permit.action is Action.VIEW_DATA_USES
    shown = all_uses if decides else [u for u in all_uses if me in (u.requested_by, *u.users)]
    request.scope["chartloom.permit"] = permit
    now_us = console.clock.now_us()
    return console.page(
        request, "uses.html", code, uses=shown, decides=decides, me=me, trouble=trouble,
        kept=kept, asks=console.may(request, Action.REQUEST_DATA_USE, *_PURPOSES),
        use_purposes=_PURPOSES, profiles=PROFILES, k_usual=K_USUAL,
        fields=fields_that_may_leave(), over=[u.id for u in shown if u.until_us <= now_us],
        today=datetime.fromtimestamp(now_us / 1e6, console.zone).date().isoformat(),
    )  # fmt: skip


def _request(console: Console, request: Request) -> Response:
    form, visitor = form_of(request), visitor_of(request)
    kept = {n: first(form, n, _LIMITS.get(n, 2000)) for n in _ASKED}
    use = _use_of(console, kept, actor_of(visitor.principal))
    if isinstance(use, str):
        return _page(console, request, 400, use, kept)
    need = needs.use_request(use.purpose)
    permit = console.authority.permit(visitor.principal, need, asking_of(request))
    about = console.authority.context(
        visitor.principal, use.purpose, asking_of(request), permit.grant
    )
    console.authority.record(events.change(about, Kind.USE_REQUESTED, use.id))
    console.doors.uses.add(permit.grant, use)
    return RedirectResponse("/uses", 303)


def _use_of(console: Console, kept: dict[str, str], me: str) -> DataUse | str:
    """The request, or which part of it is not as it should be."""
    if kept["purpose"] not in {p.value for p in _PURPOSES}:
        return "purpose"
    fields = tuple(dict.fromkeys(re.split(r"[\s,;]+", kept["fields"].strip())))
    if not kept["title"] or not kept["cohort"]:
        return "title" if not kept["title"] else "cohort"
    if not 0 < len(fields) <= _FIELDS_MAX or not set(fields).issubset(fields_that_may_leave()):
        return "fields"
    now_us = console.clock.now_us()
    try:
        day = date.fromisoformat(kept["until"])
    except ValueError:
        return "until"
    until = datetime.combine(day, time(23, 59, 59), console.zone).astimezone(UTC)
    until_us = int(until.timestamp()) * 1_000_000
    if not now_us < until_us < now_us + _DAYS_MAX * 86_400_000_000:
        return "until"
    persons = tuple(dict.fromkeys(re.split(r"[\s,;]+", kept["persons"].strip().lower())))
    persons = () if persons == ("",) else persons
    if (kept["everyone"] == "") == (not persons) or len(persons) > _PERSONS_MAX:
        return "persons"
    if not all(map(is_our_id, persons)):
        return "persons"
    profile, k = kept["profile"] or Profile.SAFE_HARBOR, whole_number(kept["k"], K_USUAL)
    if profile not in set(Profile):
        return "profile"
    if not 1 < k <= _K_MAX:
        return "k"
    return DataUse(
        uuid4().hex, kept["title"][:200], Purpose(kept["purpose"]), fields, kept["cohort"],
        (me,), until_us, me, now_us, everyone=not persons, persons=persons, profile=str(profile),
        k=k,
    )  # fmt: skip


def _decide(console: Console, request: Request) -> Response:
    visitor, word = visitor_of(request), first(form_of(request), "decision", 20)
    me, asking = actor_of(visitor.principal), asking_of(request)
    listing = console.authority.permit(visitor.principal, needs.uses(), asking)
    try:
        use = console.doors.uses.get(listing.grant, request.path_params["id"])
    except NotFound:
        raise denied(console, request, needs.uses()) from None
    if word == "withdraw" and use.requested_by == me:
        permit, state = listing, UseState.WITHDRAWN
    elif word in ("approve", "refuse"):
        mine = me in (use.requested_by, *use.users)
        if not (visitor.fresh or mine) and console.may(
            request, Action.APPROVE_DATA_USE, Purpose.OPERATIONS
        ):
            return ask_again(console, request, needs.uses(), "/uses")
        need = needs.use_decision(mine=mine)
        permit = console.authority.permit(visitor.principal, need, asking)
        state = UseState.APPROVED if word == "approve" else UseState.REFUSED
    else:
        raise denied(console, request, needs.uses())
    now_us = console.clock.now_us()
    decided = msgspec.structs.replace(use, state=state, decided_by=me, decided_us=now_us)
    about = console.authority.context(visitor.principal, permit.purpose, asking, permit.grant)
    console.authority.record(events.change(about, Kind.USE_DECIDED, use.id, decision=state.value))
    console.doors.uses.decide(permit.grant, decided)
    return RedirectResponse("/uses", 303)
