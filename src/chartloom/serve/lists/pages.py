"""The pages of reconciled lists: medications, allergies, problems and results of a chart."""

from __future__ import annotations

from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.chart.reconcile import ListKind
from chartloom.domain import codec
from chartloom.domain.chart import Section
from chartloom.domain.grant import Grant, Purpose
from chartloom.guard.permit import Permit
from chartloom.serve import chart_pages, needs
from chartloom.serve.console import Console, visitor_of
from chartloom.serve.lists import result_rows
from chartloom.serve.lists.deciding import counts, decide, done_purpose
from chartloom.serve.lists.reading import read_lists
from chartloom.serve.lists.shown import SAID_WORDS, ShownList, shown
from chartloom.serve.wholeness import heard_of, marked, told

#: What a list may be narrowed to; the first is shown unasked.
SHOWS: Final = ("current", "check", "all")
_LISTS: Final = (ListKind.MEDICATIONS, ListKind.ALLERGIES, ListKind.PROBLEMS)


def routes(console: Console) -> list[BaseRoute]:
    """``/chart/{person}/{kind}``, its entries as sent, decisions, and the lists in the API."""

    def page_of(kind: ListKind) -> Any:
        async def page(request: Request) -> Response:
            any_id = request.path_params["person"]
            need = needs.chart(any_id, kind.value)
            read = await console.ask(request, need, _read, console, any_id, kind)
            return _page(console, request, read, kind)

        return page

    def sent_of(kind: ListKind) -> Any:
        async def sent(request: Request) -> Response:
            any_id = request.path_params["person"]
            need = needs.chart(any_id, kind.value)
            person = await console.ask(request, need, chart_pages.person_page, console, any_id)
            return chart_pages.page_of(
                console, request, "section.html", person, tab=kind.value,
                chosen=Section[kind.name],
            )  # fmt: skip

        return sent

    def deciding_of(kind: ListKind) -> Any:
        async def deciding(request: Request) -> Response:
            return await run_in_threadpool(decide, console, request, kind)

        return deciding

    async def results(request: Request) -> Response:
        any_id = request.path_params["person"]
        need = needs.chart(any_id, "results")
        read = await console.ask(request, need, _read, console, any_id, ListKind.RESULTS)
        made = read.lists.of[ListKind.RESULTS]
        section = read.told.sections["results"]
        return chart_pages.page_of(
            console, request, "results_list.html", read, tab="results",
            rows=result_rows.rows(made, section, console.feeds), made=made,
        )  # fmt: skip

    async def api(request: Request) -> Response:
        any_id = request.path_params["person"]
        answer = await console.ask(request, needs.chart(any_id, "lists"), _api, console, any_id)
        made = Response(codec.encode(answer), media_type="application/json")
        return marked(made, console.made_anew)

    found: list[BaseRoute] = [Route("/api/chart/{person}/lists", api)]
    for kind in ListKind:
        at = f"/chart/{{person}}/{kind.value}"
        found.append(Route(at, page_of(kind) if kind in _LISTS else results))
        found.append(Route(f"{at}/sent", sent_of(kind)))
        if kind in _LISTS:
            found.append(Route(f"{at}/decide", deciding_of(kind), methods=["POST"]))
    return found


def _read(grant: Grant, console: Console, any_id: str, kind: ListKind) -> chart_pages.PersonPage:
    with console.store.together(grant):
        return chart_pages.person_page(grant, console, any_id, [kind], sources=True)


def _api(grant: Grant, console: Console, any_id: str) -> dict[str, Any]:
    with console.store.together(grant):
        hit, chart = chart_pages.read_person(grant, console, any_id)
        lists = read_lists(grant, console, hit, chart, list(ListKind))
        labels, _ = heard_of(grant, console, hit)
    return {
        "person_id": hit.person_id,
        **told(console.look_for_gaps(), labels),
        "made_at_us": chart.made_at_us,
        "lists": {kind.value: made for kind, made in lists.of.items()},
    }


def _page(
    console: Console, request: Request, read: chart_pages.PersonPage, kind: ListKind
) -> Response:
    show = request.query_params.get("show", SHOWS[0])
    made = shown(read.lists.of[kind], console.feeds, visitor_of(request).csrf)
    handle = request.query_params.get("done", "")
    nothing = dict.fromkeys(("changed", "line", "text", "said", "position"), "")
    done = nothing | console.handles.reveal(handle, done_purpose(request))
    waits = bool(done["said"]) and not counts(
        read.lists.decisions, kind, done["line"], done["said"]
    )
    return chart_pages.page_of(
        console, request, "list.html", read, tab=kind.value, kind=kind.value, made=made,
        show=show if show in SHOWS else SHOWS[0], lines=_chosen(made, show),
        may_decide=_may_decide(console, request), done=done, waits=waits, said_words=SAID_WORDS,
        decisions={d.key: d for d in read.lists.decisions if d.kind is kind},
        title=kind.value.capitalize(),
    )  # fmt: skip


def _chosen(made: ShownList, show: str) -> Any:
    if show == "all":
        return made.lines
    return made.checks if show == "check" else made.current


def _may_decide(console: Console, request: Request) -> bool:
    """Whether buttons are shown: to who reads for treatment by a care relation. What may be decided
    is asked again when it is."""
    permit: Permit | None = request.scope.get("chartloom.permit")
    return (
        console.doors.lists.log is not None
        and permit is not None
        and permit.purpose is Purpose.TREATMENT
    )
