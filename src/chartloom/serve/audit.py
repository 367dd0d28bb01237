"""The audit explorer: who did what, who saw a person, and whether the record is whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.audit import LogEnd
from chartloom.domain.grant import Grant, Purpose
from chartloom.guard.audit import Disclosed, Head, Kind, Seen, Viewing, accounting, who_saw
from chartloom.guard.audit import read_events as read
from chartloom.guard.authority import AccessDenied, Need
from chartloom.guard.policy import Action
from chartloom.serve import needs
from chartloom.serve.console import (
    Console,
    asking_of,
    first,
    form_of,
    local_us,
    ordered,
    purpose_of,
    visitor_of,
    whole_number,
)
from chartloom.serve.doors import LogCheck
from chartloom.serve.glass import actor_of_subject
from chartloom.serve.people import is_our_id, meant

#: Events looked through for one page, the newest ones; more is what the command line is for.
_EVENTS_MAX = 50_000
_SHOWN_MAX = 50
_READ_ROWS = 5_000
#: A typed field is far shorter; a handle is longer.
_FIELD_CHARS_MAX = 600


class Search(msgspec.Struct, frozen=True):
    """What the form asks for; empty fields do not restrict."""

    person: str = ""
    actor: str = ""
    kind: str = ""
    since: str = ""
    until: str = ""
    work: str = ""  #: not empty: also what workers did with messages
    before: str = ""  #: only events with lower numbers

    def query(self, **other: object) -> str:
        """For the address: nothing here is more than an opaque id or a subject."""
        asked = {**msgspec.structs.asdict(self), **other}
        return urlencode({k: v for k, v in asked.items() if v})


class Answer(msgspec.Struct, frozen=True):
    """What the page shows."""

    events: tuple[Seen, ...]
    viewings: tuple[Viewing, ...]
    disclosures: tuple[Disclosed, ...]
    more: bool
    looked_at: int
    end: LogEnd
    head: Head | None
    check: LogCheck
    patients: tuple[str, ...]
    gone: bool = False  #: nobody is known under the id


def routes(console: Console) -> list[BaseRoute]:
    """``/audit``."""

    async def page(request: Request) -> Response:
        return await run_in_threadpool(_page, console, request)

    async def submit(request: Request) -> Response:
        form = form_of(request)
        asked = Search(*(first(form, n, 130) for n in Search.__struct_fields__))
        if asked.person and not is_our_id(asked.person):  # no number in an address
            handle = console.handles.hide({"typed": asked.person}, purpose_of(request))
            asked = msgspec.structs.replace(asked, person=handle)
        return RedirectResponse(f"/audit?{asked.query()}", 303)

    return [Route("/audit", page), Route("/audit", submit, methods=["POST"])]


def _page(console: Console, request: Request) -> Response:
    query = request.query_params
    asked = Search(*(query.get(n, "")[:_FIELD_CHARS_MAX] for n in Search.__struct_fields__))
    hidden = console.handles.reveal(asked.person, purpose_of(request))
    typed = hidden.get("typed", "") or asked.person
    names = {actor_of_subject(m.subject): m.name for m in console.doors.staff().staff}
    visitor = visitor_of(request)

    def shown(answer: Answer | None, code: int = 200) -> Response:
        return console.page(
            request, "audit.html", code, asked=asked, typed=typed, answer=answer,
            kinds=list(Kind), names=names,
        )  # fmt: skip

    person = meant(console, typed)
    gone = bool(person) and _is_gone(console, person)
    need: Need = needs.disclosures(person) if person and not gone else needs.AUDIT
    need = msgspec.structs.replace(need, options=ordered(need.options, visitor))
    try:
        permit = console.authority.permit(visitor.principal, need, asking_of(request))
    except AccessDenied:
        if person and not gone and console.may(request, Action.VIEW_AUDIT, Purpose.OPERATIONS):
            return shown(None, 404)
        raise
    answer = permit.run(_search, console, asked, person if gone else "")
    return shown(answer)


def _is_gone(console: Console, person: str) -> bool:
    """Of a person whose keys were destroyed: the record of who saw that one is a look at the log
    like any other. Ids under which nobody ever was known are as those of whom one may not see."""
    # Both are asked, always: the time taken tells nothing.
    destroyed = console.doors.is_destroyed(person)
    return not console.authority.gatherer.known_of(person).source_patients and destroyed


def _search(grant: Grant, console: Console, asked: Search, gone: str) -> Answer:
    log = console.doors.audit
    end = log.end()
    since_us = local_us(console, asked.since) or 0
    until_us = local_us(console, asked.until) or 1 << 62
    events: list[Seen] = []
    before = end.size
    while before > 0 and end.size - before < _EVENTS_MAX:
        after = max(0, before - _READ_ROWS)
        part = list(read(log.read(after, before - after)))
        events = part + events
        before = after
        if part and part[0].at_us < since_us:
            break
    patients = (gone,) if gone else grant.persons if asked.person else ()
    hits = [e for e in events if since_us <= e.at_us < until_us and _fits(e, asked, patients)]
    below = whole_number(asked.before) or 1 << 62
    shown = [e for e in reversed(hits) if e.seq < below]
    of_person: dict[str, Any] = {"viewings": (), "disclosures": ()}
    if patients:
        of_person["viewings"] = tuple(who_saw(events, patients, since_us, until_us))
        of_person["disclosures"] = tuple(accounting(events, patients, since_us, until_us))
    return Answer(
        events=tuple(shown[:_SHOWN_MAX]),
        more=len(shown) > _SHOWN_MAX,
        looked_at=len(events),
        end=end,
        head=console.doors.newest_head(),
        check=console.doors.log_check(),
        patients=patients,
        gone=bool(gone),
        **of_person,
    )


def _fits(event: Seen, asked: Search, patients: tuple[str, ...]) -> bool:
    if asked.actor and asked.actor not in event.people:
        return False
    if asked.kind and asked.kind != event.kind:
        return False
    if event.kind == Kind.TRANSFORM and not asked.work and not asked.kind and not patients:
        return False  # thousands a day, of no person's doing
    if event.refresh and not asked.work:
        return False  # of a page that stayed open, every few seconds
    return not patients or not set(patients).isdisjoint(event.patients)
