"""What people and sources say about pairs, as one word per pair.

Sources: the last word counts. People: the last word of each counts, and a withdrawn one as if it
had not been said. People are above sources: what a source says later does not undo them, it opens
the review again. Where a guard saw what misleads people too, two of them have to say the same.

All of it is a function of the set of words: of when they were said, not of when they came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from chartloom.domain.identity import IdentityWord, Pair, ReviewState
from chartloom.domain.resource import LinkKind

#: Guards that see what misleads people too: two of them have to say the same.
TWO_NEEDED: Final = frozenset(
    {"birth-order", "mother-and-child", "namesake-same-number", "overlay", "twins-same-number"}
)


#: Reason of a review of a pair that rules would not ask about: people or sources do not agree.
CONTRADICTED: Final = "contradicted"


class Standing(NamedTuple):
    """What was said about one pair. verdict: one person, not one person, or nothing that counts.

    state: CLOSED if somebody decided; OPEN if nobody did, or if a source contradicted later.
    """

    verdict: bool | None
    state: ReviewState


def two_needed(guard: str) -> bool:
    """Whether two people have to say the same about a pair that this guard held back."""
    return guard in TWO_NEEDED


def last_words(words: Iterable[IdentityWord], hard: Callable[[Pair], bool]) -> dict[Pair, bool]:
    """The word that counts about each pair: one person, or not one; none where nothing counts.

    words: about any pairs, in any order; those about a record itself (the same id twice) are left
    out. hard: whether two people have to say the same about a pair.
    """
    found = {}
    for pair, said in by_pair(words).items():
        verdict = standing_of(said, hard(pair)).verdict if pair[0] != pair[1] else None
        if verdict is not None:
            found[pair] = verdict
    return found


def said_by_people(words: Iterable[IdentityWord], hard: Callable[[Pair], bool]) -> frozenset[Pair]:
    """The pairs about which people have the word that counts (:func:`last_words`)."""
    decided = (ReviewState.CLOSED, ReviewState.OPEN)  # half, disputed: the source's word counts
    return frozenset(
        pair
        for pair, said in by_pair(words).items()
        if people_spoke(said) and standing_of(said, hard(pair)).state in decided
    )


def waits_for_second(words: Iterable[IdentityWord]) -> bool:
    """Whether a person's word that stands was said when it took two people.

    It goes on waiting whatever becomes of the records: an update that takes the guard away must
    not make it the one that counts. The word carries it, so that it does not matter when, and in
    which order, the guard came and went.
    """
    return any(word.two for word in standing_people(words))


def people_spoke(words: Iterable[IdentityWord]) -> bool:
    """Whether a word of a person about one pair stands."""
    return bool(standing_people(words))


def standing(words: Iterable[IdentityWord], two: bool) -> ReviewState:
    """Where the review of a pair stands, given what was said about it, in any order.

    two: two people have to say the same. A review that stands OPEN because a source contradicted
    people later stays in the queue whatever rules and weights say.
    """
    return standing_of(words, two).state


def contested(
    words: Iterable[IdentityWord], hard: Callable[[Pair], bool]
) -> dict[Pair, ReviewState]:
    """The pairs that belong into the queue because of what people said: one of two spoke, two do
    not agree, or a source contradicted them later."""
    found: dict[Pair, ReviewState] = {}
    for pair, said in by_pair(words).items():
        if pair[0] != pair[1] and standing_people(said):
            state = standing_of(said, hard(pair)).state
            if state is not ReviewState.CLOSED:
                found[pair] = state
    return found


def by_pair(words: Iterable[IdentityWord]) -> dict[Pair, list[IdentityWord]]:
    """The words about each pair."""
    found: dict[Pair, list[IdentityWord]] = {}
    for word in words:
        found.setdefault(word.pair, []).append(word)
    return found


def standing_of(words: Iterable[IdentityWord], two: bool) -> Standing:
    """What counts of the words about one pair, and where that leaves its review."""
    said = sorted(words, key=_when)
    people = standing_people(said)
    source = _last_of_sources(said)
    source_says = None if source is None else _joins(source)
    if not people:
        return Standing(source_says, ReviewState.OPEN)
    verdict = _joins(people[-1])
    if two:
        if any(_joins(word) is not verdict for word in people):
            return Standing(source_says, ReviewState.DISPUTED)
        if len(people) < 2:
            return Standing(source_says, ReviewState.HALF)
    against = (
        source is not None and source_says is not verdict and _when(source) > _when(people[-1])
    )
    return Standing(verdict, ReviewState.OPEN if against else ReviewState.CLOSED)


def merged_into(words: Iterable[IdentityWord]) -> dict[str, str]:
    """The records that were merged away -> the one that each was merged into, by the words that
    count (of people if any spoke, else of sources). It holds where the two are one person."""
    found = {}
    for pair, said in by_pair(words).items():
        ordered = sorted(said, key=_when)
        people = standing_people(ordered)
        last = people[-1] if people else _last_of_sources(ordered)
        if last is not None and last.kind is LinkKind.MERGE and last.surviving in pair:
            gone = pair[0] if last.surviving == pair[1] else pair[1]
            found[gone] = last.surviving
    return found


def standing_people(words: Iterable[IdentityWord]) -> list[IdentityWord]:
    """The last word of each person who did not withdraw it, in order."""
    last = {w.by: w for w in sorted(words, key=_when) if w.by}
    return sorted((w for w in last.values() if w.kind is not LinkKind.WITHDRAW), key=_when)


def _when(word: IdentityWord) -> tuple[int, int, int]:
    return word.event_us, word.position, word.ordinal


def _joins(word: IdentityWord) -> bool:
    return word.kind is not LinkKind.UNLINK


def _last_of_sources(ordered: Sequence[IdentityWord]) -> IdentityWord | None:
    last = next((w for w in reversed(ordered) if not w.by), None)
    return None if last is None or last.kind is LinkKind.WITHDRAW else last
