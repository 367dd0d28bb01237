"""What is to be settled in the directory: the list, one question, and the word that settles it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.guard.authority import AccessDenied
from chartloom.guard.facts import actor_of
from chartloom.registry.directory import VALUES_DIFFER, Golden, Said
from chartloom.serve import needs
from chartloom.serve.console import Console, asking_of, first, form_of, visitor_of, whole_number
from chartloom.serve.denials import denied
from chartloom.serve.directory import common, shown
from chartloom.serve.directory.book import CODES, UNKNOWN_CODES, Asked, Book, State, sayable_of
from chartloom.serve.directory.door import DirectoryDoor
from chartloom.serve.directory.saying import Unfitting, speak, until_of
from chartloom.serve.messages import NO_POSITION
from chartloom.serve.outdated import outdated

VIEWS: Final = {State.OPEN: "To do", State.LATER: "Put off", State.DECIDED: "Decided"}
_PAGE_ROWS: Final = 50


class Choice(msgspec.Struct, frozen=True):
    """Which questions. feed: only what its messages name."""

    view: State = State.OPEN
    code: str = ""
    feed: str = ""

    @property
    def query(self) -> str:
        """The query of an address."""
        values = {"view": self.view.value, "code": self.code, "feed": self.feed}
        return urlencode({k: v for k, v in values.items() if v and v != State.OPEN})

    def shows(self, asked: Asked) -> bool:
        """Whether a question is among them."""
        return (
            asked.state is self.view
            and self.code in ("", asked.question.code)
            and (not self.feed or any(s.feed == self.feed for s in asked.seen))
        )


def routes(console: Console, door: DirectoryDoor) -> list[BaseRoute]:
    """``/directory/questions`` and below."""

    async def show_list(request: Request) -> Response:
        need = needs.directory_questions()
        return await console.ask(request, need, _list, console, door, request)

    async def show_one(request: Request) -> Response:
        need = needs.directory_questions("question", may_miss=True)
        return await console.ask(request, need, _one, console, door, request)

    async def say(request: Request) -> Response:
        return await run_in_threadpool(_say, console, door, request)

    return [
        Route("/directory/questions", show_list),
        Route("/directory/questions/{key}", show_one),
        Route("/directory/questions/{key}", say, methods=["POST"]),
    ]


def _choice(request: Request) -> Choice:
    query = request.query_params
    view, code = query.get("view", ""), query.get("code", "")
    return Choice(
        State(view) if view in list(State) else State.OPEN,
        code if code in CODES else "",
        query.get("feed", "")[:100],
    )


def _path(asked: Asked, choice: Choice, **more: str) -> str:
    query = "&".join(q for q in (choice.query, urlencode(more)) if q)
    return f"/directory/questions/{asked.about.key}{'?' if query else ''}{query}"


def _common(console: Console, request: Request, book: Book) -> dict[str, Any]:
    choice = _choice(request)
    last, word = request.query_params.get("last", "")[:16], request.query_params.get("word", "")
    said = book.said(last) if last else None
    return {
        "choice": choice,
        "views": VIEWS,
        "question_path": lambda asked, **more: _path(asked, choice, **more),
        "records_of": lambda asked: _records(book, asked),
        "subject": lambda asked: shown.subject_of(asked, _records(book, asked)),
        "last": said,
        "taken_back": word == Said.WITHDRAW.value,
        "states": State,
        **common.common(console, request, book),
    }


def _records(book: Book, asked: Asked) -> list[Golden | None]:
    return [book.holder(asked.about, item) for item in asked.about.items]


def _list(grant: Grant, console: Console, door: DirectoryDoor, request: Request) -> Response:
    book, choice = common.book_of(grant, console, door), _choice(request)
    found = [a for a in book.asked if choice.shows(a)]
    start = min(whole_number(request.query_params.get("from", "")), len(found))
    rows = found[start : start + _PAGE_ROWS]
    by_code = {c: sum(a.state is choice.view and a.question.code == c for a in book.asked)
               for c in CODES}  # fmt: skip
    feeds = sorted({s.feed for a in book.asked for s in a.seen})
    return console.page(
        request, "directory_questions.html", rows=rows, total=len(found), start=start,
        by_code={c: n for c, n in by_code.items() if n}, feeds=feeds, page_rows=_PAGE_ROWS,
        counts={s: sum(a.state is s for a in book.asked) for s in State},
        unknown_codes=UNKNOWN_CODES, examples=_examples(console, request, rows),
        **_common(console, request, book),
    )  # fmt: skip


def _examples(console: Console, request: Request, rows: Sequence[Asked]) -> frozenset[int]:
    """Of the messages that name what is unknown, those that may be named to the visitor."""
    positions = sorted({s.last_position for a in rows for s in a.seen})
    options = needs.message(NO_POSITION).options
    return console.authority.listable(visitor_of(request).principal, options, positions)


def _one(grant: Grant, console: Console, door: DirectoryDoor, request: Request) -> Response:
    book = common.book_of(grant, console, door)
    asked = book.find(request.path_params["key"])
    if asked is None:
        raise NotFound("there is no such question any more.")
    records = _records(book, asked)
    first_record, question = records[0], asked.question
    value = (
        first_record.attributes.get(question.attribute)
        if first_record and question.code == VALUES_DIFFER
        else None
    )
    return console.page(
        request, "directory_question.html", asked=asked, records=records, value=value,
        options=_options(value.claims) if value else (), suggested=book.suggested(asked),
        attributes=sorted({a for r in records if r for a in r.attributes}, key=shown.place_of),
        following=_following(book, _choice(request), asked), put_off=shown.PUT_OFF,
        may_say={s.value for s in sayable_of(asked)}, row=shown.row_to_add(asked),
        examples=_examples(console, request, [asked]),
        wrong=request.query_params.get("wrong") == "holder",
        history=[w for w in book.words if w.about == asked.about],
        **_common(console, request, book),
    )  # fmt: skip


def _options(claims: Sequence[Any]) -> list[tuple[str, list[Any]]]:
    """The different values, each with who says it."""
    found: dict[str, list[Any]] = {}
    for claim in claims:
        found.setdefault(claim.text, []).append(claim)
    return list(found.items())


def _following(book: Book, choice: Choice, asked: Asked) -> Asked | None:
    """The question after one: further down the list, else from the top; never the same."""
    rest = [a for a in book.asked if choice.shows(a) and a.about != asked.about]
    place = (CODES.index(asked.question.code), -asked.count, asked.about)
    later = [a for a in rest if (CODES.index(a.question.code), -a.count, a.about) > place]
    return next(iter(later or rest), None)


def _say(console: Console, door: DirectoryDoor, request: Request) -> Response:
    """Takes the form of a question and leads to the next; after an undo back to the question."""
    key, form, visitor = request.path_params["key"], form_of(request), visitor_of(request)
    asking, need = asking_of(request), needs.DIRECTORY_WORD
    permit = console.authority.permit(visitor.principal, need, asking)
    about = console.authority.context(visitor.principal, permit.purpose, asking, permit.grant)
    book, choice = common.book_of(permit.grant, console, door), _choice(request)
    asked = book.find(key)
    following = _following(book, choice, asked) if asked else None
    word, text = first(form, "word", 20), ""
    for name, said in (("keep", Said.KEEP), ("holder", Said.SAME)):
        if name in form and not word:
            word, text = said.value, first(form, name, 500)
    days = whole_number(first(form, "days", 4), 30)
    try:
        if word not in list(Said) or (word == Said.IGNORE and days not in shown.PUT_OFF):
            raise AccessDenied  # no form says that
        until = until_of(book.today, days) if word == Said.IGNORE else ""
        speak(
            permit.grant, console.authority, about, door, console.clock, book, key, Said(word),
            by=actor_of(visitor.principal), text=text, until=until,
            note=first(form, "note", 500),
        )  # fmt: skip
    except Unfitting:
        if asked is None or "holder" not in form:
            return outdated(console, request, permit)
        return RedirectResponse(_path(asked, choice, wrong="holder"), 303)
    except AccessDenied:
        raise denied(console, request, need) from None
    if word == Said.WITHDRAW:
        home = f"/directory/questions/{key}?word=withdraw"
        still = common.book_of(permit.grant, console, door).find(key)
        return RedirectResponse(home if still else "/directory/said?word=withdraw", 303)
    last = {"last": key, "word": word}
    if following is None:
        return RedirectResponse(f"/directory/questions?{urlencode(last)}", 303)
    return RedirectResponse(_path(following, choice, **last), 303)
