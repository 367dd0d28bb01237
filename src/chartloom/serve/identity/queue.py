"""The review queue: what waits, in which order, and what comes after a pair."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

import msgspec

from chartloom.domain.grant import Grant
from chartloom.domain.identity import IdentityReview, Pair, QueueFigures, ReviewState
from chartloom.domain.ports import Identities
from chartloom.serve.identity.statistics import standing

PAGE_ROWS: Final = 50
#: Reviews that figures of agreement look at, the newest states first.
COUNTED_MAX: Final = 5_000
_STEP: Final = 500
#: Reviews read at once for the next one.
_NEAR: Final = 8

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
#: Keeps those pairs that may be named.
OpenPairs = Callable[[Sequence[Pair]], Collection[Pair]]


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


class Listing(msgspec.Struct, frozen=True):
    """A page of the queue. more: there are further ones after the last row."""

    rows: tuple[IdentityReview, ...]
    figures: QueueFigures
    more: bool


def listing(
    grant: Grant, identities: Identities, choice: Choice, after: Pair | None, may: OpenPairs
) -> Listing:
    """The heaviest first; those that nobody has looked at before those that wait for a second."""
    rows: list[IdentityReview] = []
    for review in _walk(grant, identities, choice, after, may):
        if len(rows) == PAGE_ROWS:
            return Listing(tuple(rows), identities.figures(grant), more=True)
        rows.append(review)
    return Listing(tuple(rows), identities.figures(grant), more=False)


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
        for review in _walk(grant, identities, choice, after, may, _NEAR):
            asked = review.state is ReviewState.OPEN or actor not in standing(review.words)
            if review.pair != current and asked:
                return review.pair
    return None


def all_reviews(grant: Grant, identities: Identities) -> list[IdentityReview]:
    """All reviews there ever were, as far as figures look."""
    found: list[IdentityReview] = []
    after: Pair | None = None
    while len(found) < COUNTED_MAX:
        part = identities.reviews(grant, state=None, after=after, limit=_STEP)
        found += part
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
) -> Iterator[IdentityReview]:
    """Reviews of a choice in their order, after a pair, as far as they may be named."""
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
            open_ = may([r.pair for r in part])
            yield from (r for r in part if r.pair in open_)
            if len(part) < step:
                break
            after = part[-1].pair
        after = None
