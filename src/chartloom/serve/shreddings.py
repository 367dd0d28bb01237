"""Destruction of a person's keys: asked for here or at the command line, approved by another.

It is carried out at the command line (``chartloom keys shred --approved``): the console holds no
right to destroy a key.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.access import Shredding, ShredState
from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Grant, Purpose
from chartloom.guard.authority import AccessDenied
from chartloom.guard.facts import actor_of
from chartloom.guard.policy import Action
from chartloom.guard.shredding import DECISIONS, Reason, TwoPersons, same_person
from chartloom.serve import needs
from chartloom.serve.again import ask_again
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of
from chartloom.serve.denials import denied
from chartloom.serve.people import PersonRow, about, meant

REASONS = {
    Reason.PATIENT_REQUEST: "The patient asks for it",
    Reason.RETENTION_OVER: "The time of keeping it is over",
    Reason.COURT_ORDER: "A court orders it",
    Reason.SENT_BY_MISTAKE: "It was sent by mistake",
    Reason.TEST_DATA: "It is test data",
}
_OPERATE = Purpose.OPERATIONS
_UNDECIDED = (ShredState.REQUESTED, ShredState.APPROVED)


def routes(console: Console) -> list[BaseRoute]:
    """``/shreddings``: list and request; ``/shreddings/{id}``: decide or withdraw."""
    two = TwoPersons(
        console.authority, console.doors.shreddings, console.doors.minter, console.clock
    )

    async def page(request: Request) -> Response:
        return await run_in_threadpool(_page, console, two, request)

    async def submit(request: Request) -> Response:
        return await run_in_threadpool(_request, console, two, request)

    async def decide(request: Request) -> Response:
        return await run_in_threadpool(_decide, console, two, request)

    return [
        Route("/shreddings", page),
        Route("/shreddings", submit, methods=["POST"]),
        Route("/shreddings/{id}", decide, methods=["POST"]),
    ]


def _page(
    console: Console, two: TwoPersons, request: Request, code: int = 200, trouble: str = ""
) -> Response:
    visitor = visitor_of(request)
    me = actor_of(visitor.principal)
    approves = console.may(request, Action.APPROVE_SHRED, _OPERATE)
    # Whoever decides sees about whom; that is a look at these patients, and on record as one.
    waiting = [s for s in two.kept() if s.state in _UNDECIDED] if approves else []
    need = needs.shreddings(sorted({p for s in waiting for p in s.source_patients}))
    permit = console.authority.permit(visitor.principal, need, asking_of(request))
    found, whom = permit.run(_listed, console, waiting)
    return console.page(
        request, "shreddings.html", code, found=found, me=me, trouble=trouble, reasons=REASONS,
        whom=whom,
        mine=[s.id for s in found if same_person(s.requested_by, me)],
        asks=console.may(request, Action.MANAGE_KEYS, _OPERATE),
        approves=approves,
    )  # fmt: skip


def _listed(
    grant: Grant, console: Console, waiting: list[Shredding]
) -> tuple[list[Shredding], dict[str, PersonRow]]:
    """All requests, and whom those are about that wait."""
    whom = {s.id: about(grant, console, s.source_patients) for s in waiting}
    return console.doors.shreddings.list(grant), whom


def _request(console: Console, two: TwoPersons, request: Request) -> Response:
    form, visitor = form_of(request), visitor_of(request)
    person, reason = first(form, "person", 64), first(form, "reason", 40)
    if not person or reason not in set(Reason):
        return _page(console, two, request, 400, "incomplete")
    try:
        found = meant(console, person)
        two.request(visitor.principal, found, Reason(reason), asking_of(request))
    except AccessDenied:
        if not console.may(request, Action.MANAGE_KEYS, _OPERATE):
            raise
        return _page(console, two, request, 404, "nobody")
    return RedirectResponse("/shreddings", 303)


def _decide(console: Console, two: TwoPersons, request: Request) -> Response:
    visitor, decision = visitor_of(request), first(form_of(request), "decision", 20)
    if decision not in DECISIONS:
        raise denied(console, request, needs.shreddings())
    asks_for_proof = decision != "withdraw" and not visitor.fresh
    if asks_for_proof and console.may(request, Action.APPROVE_SHRED, _OPERATE):
        return ask_again(console, request, needs.shreddings(), "/shreddings")
    try:
        two.decide(visitor.principal, request.path_params["id"], decision, asking_of(request))
    except ConfigurationError:  # somebody was quicker
        return _page(console, two, request, 409, "decided")
    return RedirectResponse("/shreddings", 303)
