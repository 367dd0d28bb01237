"""Addresses of the pages of identity: opaque ids and words of ours, no value of anybody."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request

from chartloom.domain.identity import Pair
from chartloom.serve import needs
from chartloom.serve.console import Console, visitor_of
from chartloom.serve.identity import evidence_words, queue
from chartloom.serve.identity.door import WAITS, WORDS
from chartloom.serve.identity.questions import OpenPairs
from chartloom.serve.identity.queue import Choice

_PAIR: Final = re.compile(r"([0-9a-f-]{36})~([0-9a-f-]{36})")


def choice_of(request: Request) -> Choice:
    """What of the queue the visitor came from, by the address."""
    view, reason = request.query_params.get("view", ""), request.query_params.get("reason", "")
    return Choice(
        view if view in queue.VIEWS else "todo", reason if reason in evidence_words.REASONS else ""
    )


def pair_path(pair: Pair, choice: Choice, **more: str) -> str:
    """The address of a pair, as seen from a choice of the queue."""
    query = "&".join(q for q in (choice.query, urlencode(more)) if q)
    return f"/identity/pairs/{pair[0]}/{pair[1]}{'?' if query else ''}{query}"


def open_pairs(console: Console, request: Request) -> OpenPairs:
    """Keeps the pairs that may be named to the visitor."""

    def may(pairs: Sequence[Pair]) -> Collection[Pair]:
        options = needs.identity_queue().options
        return console.authority.open_pairs(visitor_of(request).principal, options, pairs)

    return may


def last_of(request: Request) -> tuple[Pair | None, str]:
    """The pair that was decided just before, and the word: for the line with *Undo*."""
    word = request.query_params.get("word", "")
    return pair_in(request.query_params.get("last", "")), word if word in (*WORDS, WAITS) else ""


def pair_in(text: str) -> Pair | None:
    """A pair as it stands in a query."""
    match = _PAIR.fullmatch(text)
    return (match[1], match[2]) if match else None
