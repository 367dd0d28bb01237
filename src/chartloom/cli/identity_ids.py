"""Records and pairs as people name them at the command line: whole, or as tables show them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from chartloom.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from chartloom.domain.identity import Pair
    from chartloom.wiring.desk import Desk

_SHORT_CHARS: Final = 8
_SHORT: Final = re.compile(r"[0-9a-f-]{4,35}")
_ID_CHARS: Final = 36


def short(pair: Pair) -> str:
    """A pair as tables show it; of a record turned over, one id."""
    return "~".join(id[:_SHORT_CHARS] for id in dict.fromkeys(pair))


def pair_named(desk: Desk, text: str) -> Pair:
    """The pair of two ids, or of their beginnings as the queue shows them."""
    from chartloom.serve.identity.pairs import pair_of

    a, tilde, b = text.partition("~")
    b = b if tilde else a
    if len(a) == len(b) == _ID_CHARS:
        return pair_of(a, b)
    found = {pair for pair in _reviewed(desk) if _begins(pair, a, b)}
    if len(found) == 1:
        return found.pop()
    what = "pair" if tilde else "record turned over"
    said = f"That is ambiguous: {len(found)} {what}s begin" if found else f"No {what} begins"
    raise ConfigurationError(
        f"{said} like that in the queue.",
        where=text,
        cure="Name it as `chartloom identity queue` shows it, or by whole ids (--json has them).",
    )


def whole_id(desk: Desk, text: str) -> str:
    """The id of the record of the queue that begins like this; what was given if none does."""
    if not _SHORT.fullmatch(text):
        return text
    found = {id for pair in _reviewed(desk) for id in pair if id.startswith(text)}
    if len(found) > 1:
        raise ConfigurationError(
            f"That is ambiguous: {len(found)} records of the queue begin like that.",
            where=text,
            cure="Give more of the id; `chartloom identity queue --json` has whole ones.",
        )
    return found.pop() if found else text


def _begins(pair: Pair, a: str, b: str) -> bool:
    first, second = pair
    if not a or not b or (a == b) is not (first == second):
        return False
    straight = first.startswith(a) and second.startswith(b)
    return straight or (first.startswith(b) and second.startswith(a))


def _reviewed(desk: Desk) -> set[Pair]:
    from chartloom.serve import needs
    from chartloom.serve.identity.queue import all_reviews

    found = desk.ask(needs.identity_queue(), all_reviews, desk.opened.store)
    return {review.pair for review in found}
