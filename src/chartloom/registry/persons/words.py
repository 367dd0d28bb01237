"""What people and sources say about pairs, as one word per pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from chartloom.domain.identity import IdentityWord, Pair, ReviewState
from chartloom.domain.resource import LinkKind

#: Guards that see what misleads people too: two of them have to say the same.
TWO_NEEDED: Final = frozenset(
    {"birth-order", "mother-and-child", "namesake-same-number", "overlay", "twins-same-number"}
)


def two_needed(guard: str) -> bool:
    """Whether two people have to say the same about a pair that this guard held back."""
    return guard in TWO_NEEDED


def last_words(words: Sequence[IdentityWord], hard: Callable[[Pair], bool]) -> dict[Pair, bool]:
    """The word that counts about each pair: one person, or not one; none where it was withdrawn.

    words: in the order in which they count. hard: whether two people have to say the same.
    """
    said: dict[Pair, bool] = {}
    for word in words:
        if word.kind is LinkKind.WITHDRAW:
            said.pop(word.pair, None)
        else:
            said[word.pair] = word.kind is not LinkKind.UNLINK
    return said


def standing(words: Sequence[IdentityWord], two: bool) -> ReviewState:
    """Where the review of a pair stands, given what was said about it, while it is open.

    words: about this pair, in the order in which they count. two: two people have to say the same.
    """
    return ReviewState.OPEN
