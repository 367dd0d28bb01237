"""Lists of everything that somebody takes, and what they leave out.

Whoever is asked at a visit, or leaves a hospital with a list, names what they take. A drug that
such a list does not name, though it names others, is probably not taken: the silence of a list is a
word, weaker than a stop, and the only one that there is of most drugs that people just give up.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from chartloom.chart.reconcile.heard import DAY_US
from chartloom.chart.reconcile.pieces import Piece
from chartloom.chart.reconcile.rules_medications import MedicationRules

_NAMES: Final = frozenset(("listed", "noted"))
_SPEAKS: Final = frozenset(
    ("listed", "listed-stopped", "listed-not-taken", "listed-completed", "listed-on-hold",
     "listed-unknown", "noted", "noted-stopped")
)  # fmt: skip
#: A therapy of which something was heard within these days before a list was there to be named.
_STANDING_US: Final = 180 * DAY_US
#: In place of the day: a document is one list, whenever it was made.
_OF_DOCUMENT: Final = -1
_NOTHING: Final[frozenset[str]] = frozenset()
_HEARD: Final = _NAMES | {"filled", "order-active"}


class Enumerated(msgspec.Struct, frozen=True):
    """One list: at_us: when it was made; about: the therapies that it speaks of; named: every
    ingredient that it names, whatever it says of it."""

    at_us: int
    about: frozenset[str]
    named: frozenset[str] = frozenset()


def lists_of(
    groups: Mapping[str, list[Piece]],
    rules: MedicationRules,
    documents: Mapping[str, frozenset[str] | None] = MappingProxyType({}),
) -> tuple[Enumerated, ...]:
    """The lists that name what is taken, oldest first. groups: key of a therapy -> its pieces.

    What one source lists on one day is one list, so is one document, and what a discharge orders
    for home. It counts as a list of everything if it names something, speaks of at least
    ``list_names`` therapies, and of at least ``list_share`` of those that were heard of shortly
    before: whoever only writes down their own drug says nothing about others. Who orders nothing
    has no drug of their own and wrote down what they were told: of such a source shorter lists
    count too. documents: of each what it names, None of those that
    are not read to their end: silence of these is none. One list that came through two feeds, on
    one day and about the same, is one.
    """
    named: dict[tuple[str, int], set[str]] = {}
    about: dict[tuple[str, int], set[str]] = {}
    times: dict[tuple[str, int], int] = {}
    for key, pieces in groups.items():
        for piece in pieces:
            if piece.at_us <= 0 or not (piece.says in _SPEAKS or piece.discharge):
                continue
            where = (piece.source, piece.at_us // DAY_US)
            if piece.document:
                where = piece.id, _OF_DOCUMENT
                if documents.get(piece.id, _NOTHING) is None:
                    continue
            about.setdefault(where, set()).add(key)
            times[where] = max(times.get(where, 0), piece.at_us)
            if piece.says in _NAMES or piece.discharge:
                named.setdefault(where, set()).add(key)
    found: dict[tuple[int, frozenset[str]], Enumerated] = {}
    orderers, belief = _orderers(groups), rules.belief
    for where in named:
        at_us, told = times[where], frozenset(about[where])
        asked = where[1] != _OF_DOCUMENT and where[0] not in orderers
        if asked or len(told) >= belief.list_names:
            standing = _standing(groups, at_us, rules)
            if len(told & standing) >= belief.list_share * len(standing):
                same = found.get((at_us // DAY_US, told), Enumerated(at_us, told))
                passing = documents.get(where[0]) or _NOTHING
                found[at_us // DAY_US, told] = Enumerated(
                    max(at_us, same.at_us), told, same.named | passing
                )
    return tuple(sorted(found.values(), key=lambda x: (x.at_us, sorted(x.about))))


def _orderers(groups: Mapping[str, list[Piece]]) -> frozenset[str]:
    """The sources that order drugs themselves."""
    return frozenset(
        p.source for pieces in groups.values() for p in pieces if p.kind == "MedicationRequest"
    )


def _standing(groups: Mapping[str, list[Piece]], at_us: int, rules: MedicationRules) -> set[str]:
    """The therapies that somebody spoke of or filled shortly before a moment, or at it.

    A course that was over by then is none that a list of what is taken should name.
    """
    return {
        key
        for key, pieces in groups.items()
        if any(
            p.says in _HEARD and at_us - _heard_us(p, rules) <= p.at_us <= at_us
            and not 0 < p.ends_us <= at_us
            for p in pieces
        )
    }  # fmt: skip


def _heard_us(piece: Piece, rules: MedicationRules) -> int:
    """For how long what was said or filled lets a list be expected to name it."""
    own = [d for c, d in rules.order_days_of_class.items() if c in piece.drug.classes]
    return min((d * DAY_US for d in own), default=_STANDING_US)


def left_out(key: str, since_us: int, lists: tuple[Enumerated, ...]) -> int:
    """How many lists after a moment do not speak of a therapy."""
    parts = key.partition("|")[0].split("+")
    return sum(
        x.at_us > since_us and key not in x.about and x.named.isdisjoint(parts) for x in lists
    )
