"""What all pages of the directory read and show with."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from chartloom.domain.grant import Grant
from chartloom.guard.facts import actor_of
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal
from chartloom.serve.console import Console
from chartloom.serve.directory import shown
from chartloom.serve.directory.book import Book, handle_of, read_book, short, title_of
from chartloom.serve.directory.door import DirectoryDoor


def book_of(grant: Grant, console: Console, door: DirectoryDoor) -> Book:
    """The directory as it is now."""
    return read_book(grant, door, console.clock.now_us())


def names_of(console: Console) -> dict[str, str]:
    """Of members of staff, as the record calls them."""
    return {actor_of(Principal(m.subject)): m.name for m in console.doors.staff().staff}


def common(console: Console, request: Request, book: Book) -> dict[str, Any]:
    """What all pages of the directory show with."""
    return {
        "book": book,
        "asks": shown.ASKS,
        "kinds": shown.KINDS,
        "kind_words": shown.KIND_WORDS,
        "attribute": lambda name: shown.ATTRIBUTES.get(name, name),
        "in_order": lambda some: sorted(some, key=shown.place_of),
        "title_of": title_of,
        "short": short,
        "numbers": lambda some: ", ".join(map(short, some)),
        "path_of": lambda g: f"/directory/records/{handle_of(g.kind, g.id)}",
        "said_words": shown.said_words,
        "names": names_of(console),
        "may_ask": console.may(request, Action.VIEW_DIRECTORY),
        "may_decide": console.may(request, Action.STEWARD_DIRECTORY),
        "may_read": console.may(request, Action.VIEW_MESSAGE),
    }
