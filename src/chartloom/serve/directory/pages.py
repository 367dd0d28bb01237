"""The pages of the directory: look somebody or some place up, see where each value came from."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.registry.directory import (
    DirectoryKind,
    changes_of,
    is_day,
    record_on,
    rule_of,
    tables_on,
)
from chartloom.serve import needs
from chartloom.serve.console import Console, whole_number
from chartloom.serve.directory import formulary, questions, shown
from chartloom.serve.directory.common import book_of, common
from chartloom.serve.directory.door import DirectoryDoor

_PAGE_ROWS = 50
_SAID_ROWS = 200


def routes(console: Console) -> list[BaseRoute]:
    """``/directory`` and everything below it; nothing where the console has no directory."""
    door = console.doors.directory
    if door is None:
        return []

    async def show_list(request: Request) -> Response:
        need = needs.directory("records")
        return await console.ask(request, need, _list, console, door, request)

    async def show_record(request: Request) -> Response:
        need = needs.directory("record", may_miss=True)
        return await console.ask(request, need, _record, console, door, request)

    async def show_places(request: Request) -> Response:
        need = needs.directory("places")
        return await console.ask(request, need, _places, console, door, request)

    async def show_said(request: Request) -> Response:
        need = needs.directory_questions("said")
        return await console.ask(request, need, _said, console, door, request)

    return [
        Route("/directory", show_list),
        Route("/directory/records/{handle}", show_record),
        Route("/directory/places", show_places),
        Route("/directory/said", show_said),
        *formulary.routes(console, door),
        *questions.routes(console, door),
    ]


def _list(grant: Grant, console: Console, door: DirectoryDoor, request: Request) -> Response:
    book, query = book_of(grant, console, door), request.query_params
    wanted = query.get("kind", "")
    kind = next((k for k, words in shown.KINDS.items() if words[0] == wanted), None)
    text = query.get("q", "").strip()[:100]
    if text:
        found = book.finder.matching(text, kind)
    else:
        found = [g for g in book.finder.all if kind is None or g.kind is kind]
    start = min(whole_number(query.get("from", "")), len(found))
    more = {k: v for k, v in (("q", text), ("kind", wanted if kind else "")) if v}
    counts = {k: book.finder.counts[k] for k in DirectoryKind}
    return console.page(
        request, "directory.html", rows=found[start : start + _PAGE_ROWS], total=len(found),
        start=start, text=text, kind=kind, counts=counts, page_rows=_PAGE_ROWS,
        next_query=urlencode({**more, "from": start + _PAGE_ROWS}), query=urlencode(more),
        **common(console, request, book),
    )  # fmt: skip


def _record(grant: Grant, console: Console, door: DirectoryDoor, request: Request) -> Response:
    book = book_of(grant, console, door)
    now = book.record(request.path_params["handle"])
    if now is None:
        raise NotFound("nobody and no place has that number any more.")
    day = request.query_params.get("at", "")
    day = day if is_day(day) and day <= book.today else ""
    versions = door.versions(grant, book.tables, book.today)
    record, parts = record_on(versions, book.words, now, day) if day else (now, 1)
    edited = bool(day) and tables_on(versions, day).fingerprint != book.tables.fingerprint
    return console.page(
        request, "directory_record.html", now=now, record=record, day=day, parts=parts,
        edited=edited, changes=changes_of(versions, book.words, now),
        above=book.directory.path(now)[1:],
        inside=book.finder.inside(now),
        rule_words=lambda name, value: shown.rule_words(
            rule_of(book.tables.rules, now.kind, name), value
        ),
        open=[
            a for a in book.open()
            if any(book.holder(a.about, item) == now for item in a.about.items)
        ],
        **common(console, request, book),
    )  # fmt: skip


def _places(grant: Grant, console: Console, door: DirectoryDoor, request: Request) -> Response:
    book = book_of(grant, console, door)
    return console.page(
        request, "directory_places.html",
        places=shown.tree_of(book.directory, DirectoryKind.LOCATION),
        organizations=shown.tree_of(book.directory, DirectoryKind.ORGANIZATION),
        **common(console, request, book),
    )  # fmt: skip


def _said(grant: Grant, console: Console, door: DirectoryDoor, request: Request) -> Response:
    book = book_of(grant, console, door)
    counts = set(book.directory.told.last.values())
    return console.page(
        request, "directory_said.html", rows=book.words[:_SAID_ROWS],
        taken_back=request.query_params.get("word") == "withdraw",
        more=len(book.words) > _SAID_ROWS, counts=counts,
        record_of=lambda word: book.holder(word.about, word.about.items[0]),
        **common(console, request, book),
    )  # fmt: skip
