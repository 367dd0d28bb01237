"""The review queue: what waits, in which order, and what comes after a pair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Final

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.identity import IdentityReview, Pair, QueueFigures, ReviewState
from chartloom.domain.ports import Identities
from chartloom.serve.identity.questions import OpenPairs, Question, questions
from chartloom.serve.identity.statistics import standing

PAGE_ROWS: Final = 50
#: Reviews that figures of agreement look at, the newest states first.
COUNTED_MAX: Final = 5_000
#: Of each state, so many are counted for the head of the queue; "500+" is enough there.
HEAD_MAX: Final = 500
_STEP: Final = 500
#: Reviews read at once for the next one: those around a pair are often answered too.
_NEAR: Final = 50

#: What a visitor can choose to see: name -> (title, states).
VIEWS: Final[dict[str, tuple[str, tuple[ReviewState, ...]]]] = {
    "todo": ("To do", (ReviewState.OPEN, ReviewState.HALF, ReviewState.DISPUTED)),
    "open": ("Nobody looked yet", (ReviewState.OPEN,)),
    "half": ("Second person wanted", (ReviewState.HALF,)),
    "disputed": ("Two do not agree", (ReviewState.DISPUTED,)),
    "closed": ("Decided", (ReviewState.CLOSED,)),
}
STATE_WORDS: Final = {
    ReviewState.OPEN: "Nobody looked yet",
    ReviewState.HALF: "Second person wanted",
    ReviewState.DISPUTED: "Two do not agree",
    ReviewState.CLOSED: "Decided",
}


class Choice(msgspec.Struct, frozen=True):
    """What of the queue somebody looks at. reason: "" for all."""

    view: str = "todo"
    reason: str = ""

    @property
    def query(self) -> str:
        """As it stands in addresses, "" for the usual."""
        parts = [f"view={self.view}"] if self.view != "todo" else []
        parts += [f"reason={self.reason}"] if self.reason else []
        return "&".join(parts)


class Waiting(msgspec.Struct, frozen=True):
    """What waits of the pairs that may be named, once for two persons; no count above ``most``,
    which then means: or more. by_reason: of those that nobody looked at yet. oldest_us: 0 if
    nothing waits."""

    open_count: int
    half_count: int
    disputed_count: int
    oldest_us: int
    by_reason: dict[str, int]
    most: int

    @property
    def cut(self) -> bool:
        """Whether there may be more than was counted."""
        return max(self.open_count, self.half_count, self.disputed_count) >= self.most


class Listing(msgspec.Struct, frozen=True):
    """A page of the queue. more: there are further ones after the last row."""

    rows: tuple[Question, ...]
    figures: QueueFigures | Waiting
    more: bool


def listing(
    grant: Grant,
    identities: Identities,
    choice: Choice,
    after: Pair | None,
    may: OpenPairs,
    *,
    whole: bool = False,
) -> Listing:
    """The heaviest first; those that nobody has looked at before those that wait for a second.

    whole: figures of the whole queue, for whoever may name every pair.
    """
    rows = list(islice(_walk(grant, identities, choice, after, may), PAGE_ROWS + 1))
    figures = identities.figures(grant) if whole else waiting(grant, identities, may)
    return Listing(tuple(rows[:PAGE_ROWS]), figures, more=len(rows) > PAGE_ROWS)


def waiting(grant: Grant, identities: Identities, may: OpenPairs, most: int = HEAD_MAX) -> Waiting:
    """Counts what may be named, and nothing else: a count of hidden pairs would tell of them."""
    found = {
        view: list(islice(_walk(grant, identities, Choice(view), None, may, _STEP), most))
        for view in ("open", "half", "disputed")
    }
    since = [r.since_us for some in found.values() for r in some]
    return Waiting(
        open_count=len(found["open"]),
        half_count=len(found["half"]),
        disputed_count=len(found["disputed"]),
        oldest_us=min(since, default=0),
        by_reason=dict(sorted(Counter(r.reason for r in found["open"]).items())),
        most=most,
    )


def following(
    grant: Grant,
    identities: Identities,
    choice: Choice,
    current: Pair,
    actor: str,
    may: OpenPairs,
) -> Pair | None:
    """The pair that somebody is to look at after one: further down, else from the top again.

    Never the same, and none about which this person has spoken already.
    """
    choice = choice if choice.view != "closed" else Choice()
    for after in (current, None):
        for asked in _walk(grant, identities, choice, after, may, _NEAR):
            mine = asked.state is ReviewState.OPEN or actor not in standing(asked.words)
            if current not in asked.pairs and mine:
                return asked.pair
    return None


def all_reviews(grant: Grant, identities: Identities, may: OpenPairs = set) -> list[IdentityReview]:
    """All reviews there ever were of pairs that may be named (by default: all), as far as figures
    look."""
    found: list[IdentityReview] = []
    after: Pair | None = None
    while len(found) < COUNTED_MAX:
        part = identities.reviews(grant, state=None, after=after, limit=_STEP)
        open_ = may([r.pair for r in part])
        found += (r for r in part if r.pair in open_)
        if len(part) < _STEP:
            break
        after = part[-1].pair
    return found


def _walk(
    grant: Grant,
    identities: Identities,
    choice: Choice,
    after: Pair | None,
    may: OpenPairs,
    step: int = PAGE_ROWS + 1,
) -> Iterator[Question]:
    """Questions of a choice in their order, after a pair, as far as they may be named."""
    states = VIEWS[choice.view][1]
    if after is not None:
        known = identities.review(grant, after)
        # A pair that was decided meanwhile stood where nobody had looked yet.
        at = known.state if known is not None and known.state in states else states[0]
        states = states[states.index(at) :]
    for state in states:
        while True:
            part = identities.reviews(
                grant, state=state, reason=choice.reason, after=after, limit=step
            )
            yield from questions(grant, identities, part, may)
            if len(part) < step:
                break
            after = part[-1].pair
        after = None
