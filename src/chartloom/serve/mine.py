"""My access: who I am here, whom I care for, which glass is open, and what I looked at last."""

from __future__ import annotations

from collections import Counter

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.grant import Grant, Purpose
from chartloom.guard.audit import Seen, read_events
from chartloom.guard.facts import actor_of
from chartloom.guard.policy import Action, PersonFacts
from chartloom.guard.policy import Request as Asked
from chartloom.guard.staff import Principal
from chartloom.serve import glass, needs
from chartloom.serve.console import Console, visitor_of

#: Events of the log that are looked through for one's own.
_EVENTS_MAX = 5_000
_SHOWN_MAX = 50

RELATIONS = {
    "attending": "Attending",
    "encounter": "Took part in a stay or visit",
    "ordering": "Ordered something",
    "appointment": "Appointment",
    "care_team": "Care team",
    "primary_care": "Primary care",
    "department": "Patient of my department",
}


class Mine(msgspec.Struct, frozen=True):
    """What the page shows."""

    relations: tuple[tuple[str, int], ...]
    persons: int
    seen: tuple[Seen, ...]


def routes(console: Console) -> list[BaseRoute]:
    """``/me``."""

    async def page(request: Request) -> Response:
        mine = await console.ask(request, needs.OWN_ACCESS, _mine, console, request)
        records = await run_in_threadpool(glass.own_records, console, request)
        visitor = visitor_of(request)
        return console.page(
            request, "me.html", mine=mine, principal=visitor.principal, session=visitor.session,
            relations=RELATIONS, glass=[r for r in records if r.open], limits=console.doors.limits,
        )  # fmt: skip

    return [Route("/me", page)]


def _mine(grant: Grant, console: Console, request: Request) -> Mine:
    principal = visitor_of(request).principal
    persons = _findable(console, principal)
    kinds = Counter(kind for person in persons for kind in person.relations)
    me = actor_of(principal)
    seen = [s for s in newest(console, _EVENTS_MAX) if me in s.people and not s.refresh][
        :_SHOWN_MAX
    ]
    # Whom a denied question was about is for the privacy office: it would tell that there is
    # somebody behind an id.
    told = tuple(msgspec.structs.replace(s, patients=()) if s.denied else s for s in seen)
    return Mine(tuple(sorted(kinds.items())), len(persons), told)


def _findable(console: Console, principal: Principal) -> list[PersonFacts]:
    """The persons of one's relations whose chart would open; the others are not counted."""
    gatherer, policies = console.authority.gatherer, console.authority.policies
    who = gatherer.who(principal)
    persons = gatherer.with_consent(who, gatherer.own_persons(who), Purpose.TREATMENT)
    request = Asked(who.principal, Action.VIEW_CHART, Purpose.TREATMENT)
    return [
        person
        for person in persons
        if policies.decide(msgspec.structs.replace(request, person=person)).allowed
    ]


def newest(console: Console, count: int) -> list[Seen]:
    """The newest events of the log, newest first."""
    size = console.doors.audit.end().size
    return list(read_events(console.doors.audit.read(max(0, size - count), count)))[::-1]
