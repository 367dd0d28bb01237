"""Breaking the glass in an emergency, and judging afterwards whether that was right."""

from __future__ import annotations

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.access import GLASS_SUBJECT, Glass
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.guard.audit import events
from chartloom.guard.authority import Permit
from chartloom.guard.breaking import break_glass
from chartloom.guard.facts import OwnGrants, actor_of
from chartloom.guard.staff import Principal
from chartloom.serve import needs
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of
from chartloom.serve.denials import denied
from chartloom.serve.people import iso_day

#: Why somebody may need it: code -> words. The code stands in the record, the text is sealed.
REASONS = {
    "emergency": "Medical emergency",
    "cover": "Covering for a colleague",
    "consult": "Asked for advice by the treating team",
    "safety": "Danger for the patient or others",
    "other": "Something else",
}
#: With what stands in records besides.
_WORDS = {**REASONS, "mend": "To mend a message in quarantine"}
OUTCOMES = {"justified": "Justified", "unjustified": "Not justified", "escalated": "Look further"}
_TEXT_CHARS = (10, 1000)
_DAY_US = 86_400_000_000
_HITS_MAX = 20


class Shown(msgspec.Struct, frozen=True):
    """A record with what a page says about it."""

    glass: Glass
    open: bool
    again: bool
    mine: bool = False


def routes(console: Console) -> list[BaseRoute]:
    """``/glass`` with its forms, ``/review``."""

    async def page(request: Request) -> Response:
        return await run_in_threadpool(_page, console, request, 200, "")

    async def submit(request: Request) -> Response:
        return await run_in_threadpool(_break, console, request)

    async def again(request: Request) -> Response:
        return await run_in_threadpool(_again, console, request)

    async def end(request: Request) -> Response:
        return await run_in_threadpool(_end, console, request)

    async def reviews(request: Request) -> Response:
        return await run_in_threadpool(_reviews, console, request)

    async def review(request: Request) -> Response:
        return await run_in_threadpool(_review, console, request)

    return [
        Route("/glass", page),
        Route("/glass", submit, methods=["POST"]),
        Route("/glass/again", again, methods=["POST"]),
        Route("/glass/end", end, methods=["POST"]),
        Route("/review", reviews),
        Route("/review/{id}", review, methods=["POST"]),
    ]


def own_records(console: Console, request: Request) -> list[Shown]:
    """The visitor's own emergency accesses, newest first, without what was written."""
    now_us, rules = console.clock.now_us(), console.doors.glass_rules
    actor = actor_of(visitor_of(request).principal)
    grant = own_grant(console)
    return [
        Shown(
            glass,
            glass.until_us > now_us,
            not glass.position
            and glass.until_us <= now_us < glass.started_us + rules.repeat_days * _DAY_US
            and glass.outcome != "unjustified",
        )
        for glass in console.doors.glass.list(grant, actor=actor, limit=50)
    ]


def own_grant(console: Console) -> Grant:
    """The house's own, for the records of emergency access."""
    return OwnGrants(console.doors.minter, console.clock, "service:glass", (GLASS_SUBJECT,))()


def _page(
    console: Console, request: Request, code: int, trouble: str, kept: dict[str, str] | None = None
) -> Response:
    # To see the form, one must be permitted to use it. Beside it stand one's own records.
    if not console.may(request, needs.FIND[0], needs.FIND[1]):
        raise denied(console, request, needs.GLASS_FORM)
    visitor = visitor_of(request)
    permit = console.authority.permit(visitor.principal, needs.OWN_GLASS, asking_of(request))
    shown = permit.run(lambda _: own_records(console, request))
    return console.page(
        request, "glass.html", code, reasons=REASONS, words=_WORDS, trouble=trouble, shown=shown,
        kept=kept or {}, open_s=console.doors.glass_rules.open_s,
    )  # fmt: skip


def _break(console: Console, request: Request) -> Response:
    form = form_of(request)
    identifier, born = first(form, "identifier"), iso_day(first(form, "birth_date", 20))
    reason, text = first(form, "reason", 40), first(form, "text", _TEXT_CHARS[1])
    kept = {
        "reason": reason,
        "text": text,
        "identifier": identifier,
        "birth_date": first(form, "birth_date", 20),
    }
    if reason not in REASONS or len(text) < _TEXT_CHARS[0] or not identifier or not born:
        return _page(console, request, 400, "incomplete", kept)
    visitor = visitor_of(request)
    need = needs.glass_search(identifier, born)
    found = console.authority.permit(visitor.principal, need, asking_of(request))
    person = found.search(_patients, _exactly_one, console, identifier, born)
    if not person:
        return _page(console, request, 404, "nobody", kept)
    return _open(console, request, person[0], reason, text)


def _patients(person: tuple[str, ...]) -> tuple[str, ...]:
    return person


def _exactly_one(grant: Grant, console: Console, identifier: str, born: str) -> tuple[str, ...]:
    """The source patients of the one person with this identifier and birth date."""
    by_number = console.store.find_persons(grant, "identifier", identifier, _HITS_MAX)
    by_birth = console.store.find_persons(grant, "birthdate", born, 10_000)
    born_then = {hit.person_id for hit in by_birth}
    both = [hit for hit in by_number if hit.person_id in born_then]
    return both[0].source_patients if len(both) == 1 else ()


def _open(console: Console, request: Request, patient: str, reason: str, text: str) -> Response:
    """Breaks the glass: decided, on record, kept; then the chart."""
    visitor, rules = visitor_of(request), console.doors.glass_rules
    asking = asking_of(request)
    permit = console.authority.permit(visitor.principal, needs.glass_break(patient), asking)
    now_us = console.clock.now_us()
    break_glass(
        console.authority,
        permit,
        visitor.principal,
        asking,
        console.doors.glass,
        own_grant(console),
        reason=reason,
        text=text,
        now_us=now_us,
        until_us=now_us + rules.open_s * 1_000_000,
    )
    return RedirectResponse(f"/chart/{permit.patients[0]}", 303)


def _again(console: Console, request: Request) -> Response:
    """Opens the same chart again for the reason that was given some days ago."""
    wanted = first(form_of(request), "id", 64)
    shown = next((s for s in own_records(console, request) if s.glass.id == wanted), None)
    if shown is None or not shown.again:
        raise denied(console, request, needs.GLASS_FORM)
    return _open(console, request, shown.glass.source_patients[0], shown.glass.reason, "")


def _end(console: Console, request: Request) -> Response:
    wanted = first(form_of(request), "id", 64)
    shown = next((s for s in own_records(console, request) if s.glass.id == wanted), None)
    if shown is None:
        raise denied(console, request, needs.GLASS_FORM)
    visitor = visitor_of(request)
    about = console.authority.context(visitor.principal, Purpose.BREAK_GLASS, asking_of(request))
    if console.doors.glass.end(own_grant(console), wanted, console.clock.now_us()):
        console.authority.record(events.glass_ended(about, wanted, shown.glass.source_patients[0]))
    return RedirectResponse("/glass", 303)


def _reviews(console: Console, request: Request) -> Response:
    """All emergency accesses; what was written is opened under a grant for just those patients."""
    visitor, now_us = visitor_of(request), console.clock.now_us()
    if not console.may(request, needs.REVIEW[0], needs.REVIEW[1]):
        raise denied(console, request, needs.REVIEW_FORM)
    listed = console.doors.glass.list(own_grant(console), limit=200)
    need = needs.glass_reviews(sorted({p for g in listed for p in g.source_patients}))
    permit: Permit = console.authority.permit(visitor.principal, need, asking_of(request))
    records = permit.run(console.doors.glass.list, limit=200)
    me = actor_of(visitor.principal)
    shown = [Shown(g, g.until_us > now_us, again=False, mine=g.actor == me) for g in records]
    request.scope["chartloom.permit"] = permit
    names = {actor_of_subject(m.subject): m.name for m in console.doors.staff().staff}
    return console.page(
        request, "review.html", waiting=[s for s in shown if not s.glass.outcome],
        done=[s for s in shown if s.glass.outcome], reasons=_WORDS, outcomes=OUTCOMES,
        names=names,
    )  # fmt: skip


def actor_of_subject(subject: str) -> str:
    """How the record names a subject of the list of staff."""
    return actor_of(Principal(subject))


def _review(console: Console, request: Request) -> Response:
    visitor, outcome = visitor_of(request), first(form_of(request), "outcome", 20)
    try:
        glass = console.doors.glass.get(own_grant(console), request.path_params["id"])
    except NotFound:
        raise denied(console, request, needs.REVIEW_FORM) from None
    me = actor_of(visitor.principal)
    need = needs.glass_review(mine=glass.actor == me)
    permit = console.authority.permit(visitor.principal, need, asking_of(request))
    if outcome not in OUTCOMES:
        return RedirectResponse("/review", 303)
    about = console.authority.context(
        visitor.principal, Purpose.OPERATIONS, asking_of(request), permit.grant
    )
    patient = glass.source_patients[0]
    console.authority.record(events.glass_reviewed(about, glass.id, patient, outcome))
    now_us = console.clock.now_us()
    console.doors.glass.review(permit.grant, glass.id, me, outcome, now_us)
    return RedirectResponse("/review", 303)
