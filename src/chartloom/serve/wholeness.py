"""Whether answers for machines are whole and how fresh: what pages say in a banner and badges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from chartloom.domain.grant import Grant
from chartloom.domain.store import MessageFilter, MessageRow, SearchHit
from chartloom.serve.console import Console
from chartloom.serve.freshness import FreshnessLabel, judge, worst

#: Why an answer is not whole: messages are applied again, and what is not there may yet come.
BEING_MADE_ANEW: Final = "charts-made-anew"
#: A header of answers that have no room to say so.
HEADER: Final = "chartloom-incomplete"
#: Of a person, to see which feeds speak of them.
_MESSAGES_MAX: Final = 200


def heard_of(
    grant: Grant, console: Console, hit: SearchHit
) -> tuple[tuple[FreshnessLabel, ...], MessageRow | None]:
    """How fresh the feeds are that speak of a person, and the newest message."""
    where = MessageFilter(source_patients=hit.source_patients, limit=_MESSAGES_MAX)
    heard = console.store.search(grant, where)
    statuses, speaking = console.statuses(grant), {row.feed for row in heard}
    now_us = console.clock.now_us()
    labels = tuple(
        judge(feed, statuses.get(feed.name), now_us)
        for feed in console.project.feeds
        if feed.name in speaking and not feed.internal
    )
    return labels, heard[0] if heard else None


def told(made_anew: bool, labels: Sequence[FreshnessLabel]) -> dict[str, Any]:
    """For an answer about one person. labels: of the feeds that speak of that person."""
    return {
        "complete": not made_anew,
        "incomplete_because": BEING_MADE_ANEW if made_anew else None,
        "freshness": {"worst": worst(list(labels)), "feeds": list(labels)},
    }


def marked(answer: Response, made_anew: bool) -> Response:
    """An answer with the header, if it is not whole."""
    if made_anew:
        answer.headers[HEADER] = BEING_MADE_ANEW
    return answer
