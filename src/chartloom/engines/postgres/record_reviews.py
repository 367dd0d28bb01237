"""Reviews of records that a message would turn into somebody else's, as one person may know them.

A stopped message may be labelled. Who may not see it is told neither that it was stopped, nor what
others said of it, nor that its record waits for them: their review is of what they may see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from chartloom.domain.identity import IdentityReview, IdentityWord, ReviewState
from chartloom.domain.resource import LinkKind
from chartloom.engines.postgres.connect import Connection
from chartloom.registry.persons import is_about, record_state, waits_for_second

#: Of those that the grant shows, released ones too.
STOPS: Final = """
SELECT source_patient, position, at_us, released FROM overlay_stop
WHERE source_patient = ANY(%s) ORDER BY position"""


class Stop(NamedTuple):
    """A message that was stopped."""

    position: int
    at_us: int
    released: bool


def stops_of(conn: Connection, patients: Iterable[str]) -> dict[str, list[Stop]]:
    """What was stopped of some records, as far as the transaction's grant shows it."""
    found: dict[str, list[Stop]] = {}
    ids = sorted(set(patients))
    if ids:
        for patient, *stop in conn.execute(STOPS, (ids,)).fetchall():
            found.setdefault(patient, []).append(Stop(*stop))
    return found


def words_shown(
    words: Iterable[IdentityWord], stops: Mapping[str, Sequence[Stop]]
) -> list[IdentityWord]:
    """Of people's words about records themselves, those about messages that are shown, and of
    these no other positions; all other words as they are."""
    found: list[IdentityWord] = []
    spoke: set[tuple[str, str]] = set()
    for word in words:  # oldest first
        low, high = word.pair
        if low == high and word.by:
            known = {stop.position for stop in stops.get(low, ())}
            if word.looked:
                word = msgspec.structs.replace(
                    word, looked=tuple(p for p in word.looked if p in known)
                )
                if not word.looked:
                    continue
            elif word.kind is LinkKind.WITHDRAW and (low, word.by) not in spoke:
                continue
            spoke.add((low, word.by))
        found.append(word)
    return found


def shown(
    review: IdentityReview, words: Sequence[IdentityWord], stops: Sequence[Stop]
) -> IdentityReview | None:
    """The review of a record for whoever sees these of its words and stops; None if they know of
    nothing that was ever stopped."""
    if not stops and not words:
        return None
    waiting = [stop for stop in stops if not stop.released]
    state = record_state(words, [stop.position for stop in waiting])
    if waiting:
        words = [w for w in words if any(is_about(w, stop.position) for stop in waiting)]
    return msgspec.structs.replace(
        review,
        state=state,
        two=waits_for_second(words),
        since_us=min((s.at_us for s in waiting or stops), default=review.since_us),
        words=tuple(words),
    )


def counts(reviews: Iterable[IdentityReview]) -> list[tuple[Any, ...]]:
    """(state, reason, how many, oldest): as the store counts those of pairs."""
    found: dict[tuple[ReviewState, str], tuple[int, int]] = {}
    for review in reviews:
        n, oldest_us = found.get((review.state, review.reason), (0, review.since_us))
        found[review.state, review.reason] = (n + 1, min(oldest_us, review.since_us))
    return [(*key, *value) for key, value in found.items()]
