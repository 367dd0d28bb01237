"""``/labels``: what waits for a second person, and what of one person is labelled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.grant import Grant
from chartloom.domain.label_words import REASONS, LabelSaid, LabelWord, wanting_lift
from chartloom.domain.labels import OF_THE_PERSON, Label
from chartloom.guard.authority import AccessDenied
from chartloom.guard.facts import actor_of
from chartloom.guard.policy import Action
from chartloom.guard.shredding import same_person
from chartloom.serve import needs
from chartloom.serve.again import ask_again
from chartloom.serve.console import Console, asking_of, first, form_of, purpose_of, visitor_of
from chartloom.serve.denials import denied, must_be_whole
from chartloom.serve.glass import actor_of_subject
from chartloom.serve.labels.door import LabelDoor
from chartloom.serve.labels.reading import (
    LABELS,
    REASON_WORDS,
    THINGS_MAX,
    WAITING_MAX,
    Thing,
    thing_of,
    things_of,
    waiting,
)
from chartloom.serve.labels.saying import said_of, speak
from chartloom.serve.people import NOBODY, PersonRow, about, is_our_id, meant

#: A typed field is far shorter; a handle is longer.
_FIELD_CHARS_MAX = 600


def routes(console: Console) -> list[BaseRoute]:
    """``/labels`` with its form, ``/labels/{person}``."""
    door = console.doors.labels
    if door is None:
        return []

    async def page(request: Request) -> Response:
        return await run_in_threadpool(_page, console, door, request)

    async def find(request: Request) -> Response:
        return await run_in_threadpool(_find, console, request)

    async def person(request: Request) -> Response:
        return await run_in_threadpool(_person, console, door, request)

    async def say(request: Request) -> Response:
        return await run_in_threadpool(_said, console, door, request)

    return [
        Route("/labels", page),
        Route("/labels", find, methods=["POST"]),
        Route("/labels/{person}", person),
        Route("/labels/{person}", say, methods=["POST"]),
    ]


def _nobody(console: Console, request: Request) -> Response:
    """The form again. What waits is not shown: what was asked for is the one thing on record."""
    return console.page(request, "labels.html", 404, things=None, trouble="nobody")


def _page(console: Console, door: LabelDoor, request: Request) -> Response:
    visitor = visitor_of(request)
    if not console.may(request, Action.VIEW_LABELS):
        raise denied(console, request, needs.labels_waiting())
    open_ = partial(_open, console, request)
    found = waiting(console.authority.gatherer.grant(), door, open_)
    need = needs.labels_waiting(sorted({patient for _, patient in found}))
    permit = console.authority.permit(visitor.principal, need, asking_of(request))
    things = permit.run(_waiting, door, [id for id, _ in found])
    return console.page(
        request, "labels.html", things=[(t, w) for t in things for w in _wanting(t)],
        trouble="", more=len(found) >= WAITING_MAX, names=_names(console), label_words=LABELS,
        reason_words=REASON_WORDS,
    )  # fmt: skip


def _waiting(grant: Grant, door: LabelDoor, ids: Sequence[str]) -> list[Thing]:
    states = door.charts.states(grant, ids).values() if ids else ()
    found = [thing_of(state) for state in states]
    return sorted((t for t in found if t.asked), key=lambda t: (-t.words[0].event_us, t.id))


def _open(console: Console, request: Request, patients: Sequence[str]) -> frozenset[str]:
    """Of some source patients, those whose labels the visitor may see."""
    principal = visitor_of(request).principal
    pairs = [(patient, patient) for patient in patients]
    opened = console.authority.open_pairs(principal, needs.labels("").options, pairs)
    return frozenset(patient for patient, _ in opened)


def _find(console: Console, request: Request) -> Response:
    if not console.may(request, Action.VIEW_LABELS):
        raise denied(console, request, needs.labels_waiting())
    typed = first(form_of(request), "person", 64)
    if typed and not is_our_id(typed):  # no number in an address
        typed = console.handles.hide({"typed": typed}, purpose_of(request))
    return RedirectResponse(f"/labels/{typed}" if typed else "/labels", 303)


def _meant(console: Console, request: Request) -> str:
    given = str(request.path_params["person"])[:_FIELD_CHARS_MAX]
    hidden = console.handles.reveal(given, purpose_of(request))
    return meant(console, hidden.get("typed", "") or given) or NOBODY


def _person(console: Console, door: LabelDoor, request: Request) -> Response:
    person, visitor = _meant(console, request), visitor_of(request)
    need = needs.labels(person)
    try:
        permit = console.authority.permit(visitor.principal, need, asking_of(request))
    except AccessDenied:
        if not console.may(request, Action.VIEW_LABELS):
            raise
        return _nobody(console, request)
    things, row = permit.run(_read, console, door, permit.patients)
    me = actor_of(visitor.principal)
    return console.page(
        request, "labels_person.html", things=things, person=permit.patients[0], row=row,
        names=_names(console), label_words=LABELS, reason_words=REASON_WORDS, reasons=REASONS,
        more=len(things) >= THINGS_MAX, all_labels=list(Label), of_the_person=OF_THE_PERSON,
        said=request.query_params.get("said", ""), lift=LabelSaid.LIFT,
        mine={(t.id, w.label) for t in things for w in _wanting(t) if same_person(w.by, me)},
    )  # fmt: skip


def _wanting(thing: Thing) -> list[LabelWord]:
    """Words that want a label lifted, and count."""
    by_label = ([w for w in thing.words if w.label is label] for label in thing.asked)
    return [w for some in by_label for w in wanting_lift(some)]


def _read(
    grant: Grant, console: Console, door: LabelDoor, patients: Sequence[str]
) -> tuple[list[Thing], PersonRow]:
    return things_of(grant, door, patients), about(grant, console, patients)


def _said(console: Console, door: LabelDoor, request: Request) -> Response:
    """As for a page: what is denied looks as if there was nobody."""
    try:
        return _say(console, door, request)
    except AccessDenied:
        if not console.may(request, Action.VIEW_LABELS):
            raise
        return _nobody(console, request)


def _say(console: Console, door: LabelDoor, request: Request) -> Response:
    person, visitor, form = request.path_params["person"], visitor_of(request), form_of(request)
    saying = said_of(*(first(form, n, 80) for n in ("resource", "label", "said", "reason")))
    if saying is None:
        raise denied(console, request, needs.label_word("", Action.SET_LABEL))
    must_be_whole(console)
    grave = saying.said is LabelSaid.LIFT and not visitor.fresh
    if grave and console.may(request, Action.VIEW_LABELS):
        need = needs.label_word("", Action.LIFT_LABEL)
        return ask_again(console, request, need, f"/labels/{person}")
    outcome = speak(
        console.authority, door, console.clock, visitor.principal, asking_of(request), person,
        saying,
    )  # fmt: skip
    return RedirectResponse(f"/labels/{person}?said={outcome}", 303)


def _names(console: Console) -> dict[str, str]:
    return {actor_of_subject(m.subject): m.name for m in console.doors.staff().staff}
