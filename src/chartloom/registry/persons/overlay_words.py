"""What people say about messages that were stopped, for they would make somebody else of a record.

Such a word is about the record itself (the same id twice) and names the messages that were looked
at. About each message, of each person the last word that is about it counts, as about any pair: so
nobody decides about what they were not shown, and what one may not see waits for those who may.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from chartloom.domain.identity import IdentityWord, ReviewState
from chartloom.domain.resource import LinkKind
from chartloom.registry.persons.words import Standing, standing_of, waits_for_second

_ORDER: Final = (ReviewState.OPEN, ReviewState.DISPUTED, ReviewState.HALF)


def is_about(word: IdentityWord, position: int) -> bool:
    """Whether a word about a record itself is about this stopped message.

    One that takes back is about all that was stopped before it; so are words that tell nothing of
    what was looked at, and those from before tell the newest only.
    """
    if word.kind is LinkKind.WITHDRAW or not (word.looked or word.up_to):
        return position <= word.position
    return position in word.looked or position <= min(word.up_to, word.position)


def about(words: Iterable[IdentityWord], position: int) -> list[IdentityWord]:
    """People's words about a record itself that are about this stopped message."""
    return [w for w in words if w.by and is_about(w, position)]


def standing_of_message(words: Iterable[IdentityWord], position: int) -> Standing:
    """What counts of people's words about a record, in any order, of one stopped message."""
    said = about(words, position)
    return standing_of(said, waits_for_second(said))


def is_released(words: Iterable[IdentityWord], position: int) -> bool:
    """Whether a message that was stopped is about the record after all, as people say."""
    return standing_of_message(words, position).verdict is True


def record_state(words: Sequence[IdentityWord], stopped: Iterable[int]) -> ReviewState:
    """Where the review of a record stands: OPEN while nobody spoke about one of the messages that
    are stopped; else what is left to do about any."""
    states = {standing_of_message(words, position).state for position in stopped}
    return next((state for state in _ORDER if state in states), ReviewState.CLOSED)
