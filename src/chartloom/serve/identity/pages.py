"""The pages of identity: the queue, a pair, figures, and how a person's records came together."""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.identity import Pair
from chartloom.domain.message import Message
from chartloom.domain.resource import FhirJson
from chartloom.guard.authority import Need, Permit
from chartloom.guard.facts import actor_of
from chartloom.guard.staff import Principal
from chartloom.registry.persons import thresholds_of
from chartloom.serve import needs, words
from chartloom.serve.console import Console, asking_of, visitor_of
from chartloom.serve.identity import drawings, evidence_words, merging, queue, statistics
from chartloom.serve.identity.addresses import (
    choice_of,
    last_of,
    open_pairs,
    pair_in,
    pair_path,
)
from chartloom.serve.identity.door import WAITS, IdentityDoor, reasons
from chartloom.serve.identity.history import read_history
from chartloom.serve.identity.pairs import OwnWords, PairView, pair_of, read_own, read_pair
from chartloom.serve.identity.questions import question_about, said_elsewhere, settled_by
from chartloom.serve.identity.queue import Choice
from chartloom.serve.identity.saying import say


def routes(console: Console) -> list[BaseRoute]:
    """``/identity`` and everything below it; nothing where nobody keeps who is who."""
    door = console.doors.identity
    if door is None:
        return []

    async def show_queue(request: Request) -> Response:
        return await run_in_threadpool(_queue, console, door, request)

    async def show_figures(request: Request) -> Response:
        return await run_in_threadpool(_figures, console, door, request)

    async def show_pair(request: Request) -> Response:
        return await run_in_threadpool(_pair, console, door, request)

    async def speak(request: Request) -> Response:
        return await run_in_threadpool(say, console, door, request, choice_of(request))

    async def show_history(request: Request) -> Response:
        return await run_in_threadpool(_history, console, door, request)

    return [
        Route("/identity", show_queue),
        Route("/identity/figures", show_figures),
        Route("/identity/pairs/{first}/{second}", show_pair),
        Route("/identity/pairs/{first}/{second}", speak, methods=["POST"]),
        Route("/identity/persons/{person}", show_history),
        *merging.routes(console, door),
    ]


def _names(console: Console) -> dict[str, str]:
    """Of members of staff, as the record calls them."""
    return {actor_of(Principal(m.subject)): m.name for m in console.doors.staff().staff}


def _common(
    console: Console, door: IdentityDoor, request: Request, choice: Choice
) -> dict[str, Any]:
    last, word = last_of(request)
    return {
        "choice": choice,
        "last": last,
        "last_word": word,
        "undoable": last is not None
        and word in ("same", "different", WAITS)
        and not (last[0] == last[1] and word == "same"),
        "overlay_people": door.overlay_people,
        "views": queue.VIEWS,
        "state_words": queue.STATE_WORDS,
        "why": evidence_words.why,
        "path_of": lambda pair, **more: pair_path(pair, choice, **more),
        "names": _names(console),
        "age": words.age,
        "day": lambda us: _day(us, console),
        "lower_first": lambda text: text[:1].lower() + text[1:],
        "reason_words": lambda code: reasons()[code].text if code in reasons() else code,
        "says_same": statistics.SAYS_SAME,
    }


def _day(us: int, console: Console) -> str:
    at = words.moment(us, console.zone)
    return words.fhir_time(at.date().isoformat()) if at else ""


def _queue(console: Console, door: IdentityDoor, request: Request) -> Response:
    choice = choice_of(request)
    after = pair_in(request.query_params.get("after", ""))
    permit = _permit(console, request, needs.identity_queue())
    found = permit.run(queue.listing, door.identities, choice, after, open_pairs(console, request))
    return console.page(
        request, "identity_queue.html", found=found, after=after, bar=drawings.bar,
        **_common(console, door, request, choice),
    )  # fmt: skip


def _figures(console: Console, door: IdentityDoor, request: Request) -> Response:
    permit = _permit(console, request, needs.identity_queue("figures"))

    def read(grant: Grant) -> dict[str, Any]:
        may = open_pairs(console, request)
        reviews = queue.all_reviews(grant, door.identities, may)
        days = statistics.per_day(reviews, console.clock.now_us(), console.zone)
        return {
            "figures": queue.waiting(grant, door.identities, may, queue.COUNTED_MAX),
            "records": door.identities.figures(grant).records,
            "rekeying": door.identities.rekeying(grant),
            "agreement": statistics.agreement(reviews),
            "mixes": statistics.by_reason(reviews),
            "days": days,
            "drawing": drawings.days_chart(days),
            "cut": len(reviews) >= queue.COUNTED_MAX,
        }

    return console.page(
        request, "identity_figures.html", **permit.run(read),
        **_common(console, door, request, Choice()),
    )  # fmt: skip


def _pair(console: Console, door: IdentityDoor, request: Request) -> Response:
    pair = pair_of(request.path_params["first"], request.path_params["second"])
    choice, actor = choice_of(request), actor_of(visitor_of(request).principal)
    permit = _permit(console, request, needs.identity_pair(pair))
    parameters = door.parameters()

    def stated(message: Message) -> list[FhirJson]:
        known = console.mappings.get(message.feed)
        if known is None:
            return []
        traced = known[1].trace(message, known[0], console.namespace)
        return [c.resource for c in traced.derived.contributions]

    may = open_pairs(console, request)

    def read(grant: Grant) -> tuple[PairView, Pair | None, dict[str, Any]] | OwnWords:
        try:
            view = read_pair(
                grant, console.store, door.identities, pair, actor, parameters, stated=stated
            )
        except NotFound:
            if (own := read_own(grant, door.identities, pair, actor)) is None:
                raise
            return own
        question = question_about(grant, door.identities, pair, may)
        around = {
            "others": [r for r in (question.lead, *question.others) if r.pair != pair]
            if question is not None
            else [],
            "two": view.review is not None and (view.review.two or bool(question and question.two)),
            "elsewhere": said_elsewhere(question, pair) if view.mine is None else None,
            "settled_by": settled_by(grant, door.identities, view.review, view.decision, may),
        }
        return view, queue.following(grant, door.identities, choice, pair, actor, may), around

    found = permit.run(read)
    if isinstance(found, OwnWords):
        return console.page(
            request, "identity_own.html", own=found, **_common(console, door, request, choice)
        )
    view, following, around = found
    decision = view.decision
    levels = {field: level for field, (level, _) in decision.fields.items()} if decision else {}
    link, review = thresholds_of(levels, parameters)
    return console.page(
        request, "identity_pair.html", view=view, following=following, me=actor, **around,
        seen=evidence_words.seen(decision, parameters) if decision else [],
        scale=drawings.scale(decision.weight, review, link)
        if decision else "",
        verdict=evidence_words.verdict(decision, link, review)
        if decision else "",
        rules=evidence_words.RULES, causes=evidence_words.CAUSES, bar=drawings.bar,
        reasons=[r for r in reasons().values() if r.kinds & statistics.SAYS_SAME.keys()],
        **_common(console, door, request, choice),
    )  # fmt: skip


def _history(console: Console, door: IdentityDoor, request: Request) -> Response:
    actor = actor_of(visitor_of(request).principal)
    permit = _permit(console, request, needs.identity_history(request.path_params["person"]))
    found = permit.run(read_history, door.identities, permit.patients, actor)
    return console.page(
        request, "identity_history.html", found=found, causes=evidence_words.CAUSES,
        rules=evidence_words.RULES,
        **_common(console, door, request, Choice()),
    )  # fmt: skip


def _permit(console: Console, request: Request, need: Need) -> Permit:
    visitor = visitor_of(request)
    permit = console.authority.permit(visitor.principal, need, asking_of(request))
    request.scope["chartloom.permit"] = permit
    return permit
