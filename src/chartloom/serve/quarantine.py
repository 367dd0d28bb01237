"""The Quarantine page: what could not be applied, why, and putting it back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.grant import Grant
from chartloom.domain.issues import IssueCode
from chartloom.domain.message import MessageState
from chartloom.domain.store import MessageFilter, MessageRow, ReplayScope
from chartloom.guard.policy import Action
from chartloom.serve import needs, unjudged
from chartloom.serve.console import Console, first, form_of, whole_number
from chartloom.serve.messages import entry_of, named

_PAGE_ROWS = 50
_READ_ROWS = 500
#: Counting stops here; the page then says "more than".
_COUNTED_ROWS_MAX = 20_000


class Reason(msgspec.Struct, frozen=True):
    """One reason with how many messages it holds back."""

    entry: IssueCode
    count: int


def routes(console: Console) -> list[BaseRoute]:
    """``/quarantine``, its retry, and opening one of them."""

    async def page(request: Request) -> Response:
        chosen = request.query_params.get("reason", "")[:100]
        before = whole_number(request.query_params.get("before", ""))
        rows = await console.ask(request, needs.QUARANTINE, _all, console, request)
        counts: dict[str, int] = {}
        for row in rows:
            counts[row.quarantine] = counts.get(row.quarantine, 0) + 1
        listed = [
            r
            for r in rows
            if (not chosen or r.quarantine == chosen) and (not before or r.position < before)
        ]
        return console.page(
            request,
            "quarantine.html",
            reasons=[
                Reason(entry_of(code), n)
                for code, n in sorted(counts.items(), key=lambda item: -item[1])
            ],
            entries={code: entry_of(code) for code in counts},
            chosen=chosen,
            rows=listed[:_PAGE_ROWS],
            more=len(listed) > _PAGE_ROWS,
            total=len(rows),
            uncounted=len(rows) >= _COUNTED_ROWS_MAX,
            retried=request.query_params.get("retried", ""),
            trouble=request.query_params.get("trouble", ""),
            closed=await run_in_threadpool(_closed, console, request, listed[:_PAGE_ROWS]),
            opens=console.may(request, Action.OPEN_QUARANTINED),
            open_s=console.doors.glass_rules.open_s,
        )

    async def retry(request: Request) -> Response:
        form = form_of(request)
        scope, reason = first(form, "scope"), first(form, "reason")
        selected = tuple(n for text in form.get("position", []) if (n := whole_number(text)))
        n = await console.ask(
            request, needs.RETRY, _retry, console, request, scope, reason, selected
        )
        return RedirectResponse(f"/quarantine?retried={n}", 303)

    async def open_(request: Request) -> Response:
        return await run_in_threadpool(unjudged.open_one, console, request)

    return [
        Route("/quarantine", page),
        Route("/quarantine/open", open_, methods=["POST"]),
        Route("/quarantine/retry", retry, methods=["POST"]),
    ]


def _closed(console: Console, request: Request, rows: Sequence[MessageRow]) -> frozenset[int]:
    """Of the rows, those that would not open to the visitor now."""
    opened = unjudged.opened(console, request)
    return frozenset(r.position for r in rows if unjudged.is_closed(r)) - opened


def _all(grant: Grant, console: Console, request: Request) -> list[MessageRow]:
    """Everything in quarantine that may be named, newest first, up to the counted maximum."""
    rows: list[MessageRow] = []
    before = 0
    while len(rows) < _COUNTED_ROWS_MAX:
        part = console.store.search(
            grant,
            MessageFilter(state=MessageState.QUARANTINED, before=before, limit=_READ_ROWS),
        )
        rows += named(grant, console, request, part)
        if len(part) < _READ_ROWS:
            break
        before = part[-1].position
    return rows


def _retry(
    grant: Grant,
    console: Console,
    request: Request,
    scope: str,
    reason: str,
    selected: tuple[int, ...],
) -> int:
    """Retries the selected messages, or all of a reason, or one (``scope`` = its position): of
    those that the list names."""
    wanted = {whole_number(scope)} if whole_number(scope) else set(selected)
    if scope != "reason" and not wanted:
        return 0
    chosen = tuple(
        row.position
        for row in _all(grant, console, request)
        if (row.quarantine == reason if scope == "reason" else row.position in wanted)
    )
    return console.store.retry(grant, ReplayScope(positions=chosen)) if chosen else 0
