"""The small JSON API: the same reads as the pages, through the same grants."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain import codec
from chartloom.domain.grant import Grant
from chartloom.domain.store import MessageDetail
from chartloom.serve import needs
from chartloom.serve.chart_pages import read_person
from chartloom.serve.console import Console, whole_number
from chartloom.serve.freshness import judge
from chartloom.serve.messages import asked_of, find_rows, known, needed
from chartloom.serve.wholeness import heard_of, marked, told


def routes(console: Console) -> list[BaseRoute]:
    """``/api/feeds``, ``/api/messages``, ``/api/messages/{position}``, ``/api/chart/{person}``."""

    async def feeds(request: Request) -> Response:
        statuses = await console.ask(request, needs.SITE, console.store.feeds)
        by_name = {s.feed: s for s in statuses}
        now_us = console.clock.now_us()
        return _json(
            [
                {
                    "feed": feed.name,
                    "department": feed.department,
                    "freshness": judge(feed, by_name.get(feed.name), now_us),
                    "status": by_name.get(feed.name),
                }
                for feed in console.project.feeds
            ]
        )

    async def messages(request: Request) -> Response:
        asked = asked_of(console, request)
        found = await console.ask(request, needed(asked), find_rows, console, request, asked)
        rows, before = (found.rows, found.before) if found else ((), 0)
        answer = _json({"messages": rows, "before": before or None})
        return marked(answer, console.made_anew)

    async def message(request: Request) -> Response:
        position = whole_number(request.path_params["position"])
        need = needs.message(known(position))
        detail = await console.ask(request, need, console.store.detail, position)
        return marked(_json(_detail(detail)), console.made_anew)

    async def chart(request: Request) -> Response:
        any_id = request.path_params["person"]
        found = await console.ask(request, needs.chart(any_id), _chart, console, any_id)
        return marked(_json(found), console.made_anew)

    return [
        Route("/api/feeds", feeds),
        Route("/api/messages", messages),
        Route("/api/messages/{position}", message),
        Route("/api/chart/{person}", chart),
    ]


def _chart(grant: Grant, console: Console, any_id: str) -> dict[str, Any]:
    with console.store.together(grant):
        hit, chart = read_person(grant, console, any_id)
        labels, _ = heard_of(grant, console, hit)
    whole = told(console.look_for_gaps(), labels)
    return {"person_id": hit.person_id, **whole, **msgspec.structs.asdict(chart)}


def _detail(detail: MessageDetail) -> dict[str, Any]:
    """Everything but the bytes, which ``/messages/{position}/raw`` gives as they are."""
    return {
        "message": detail.row,
        # Not of what is shown in parts: the whole's would confirm guesses about the others.
        "sha256": "" if detail.row.excerpt else detail.message.sha256.hex(),
        "project_version": detail.project_version,
        "resources": detail.resources,
        "provenance": detail.provenance,
        "issues": detail.issues,
        "unmapped": detail.unmapped,
        "links": detail.links,
    }


def _json(value: Any) -> Response:
    return Response(codec.encode(value), media_type="application/json")
