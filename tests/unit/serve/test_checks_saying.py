"""Who may say what about which two records, and that it is on record before it is landed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.clock import FakeClock

from chartloom.domain.grant import Purpose
from chartloom.domain.identity import IdentityReview, IdentityWord, ReviewState
from chartloom.domain.resource import LinkKind
from chartloom.guard.audit import Actor, Context
from chartloom.guard.authority import AccessDenied
from chartloom.serve.identity import saying
from chartloom.serve.identity.saying import speak

PAIR, ONE = ("a", "b"), ("a", "a")
GRANT: Any = object()
ABOUT = Context(1, Actor("me"), Purpose.OPERATIONS)
LINK, APART, BACK, MERGE = LinkKind.LINK, LinkKind.UNLINK, LinkKind.WITHDRAW, LinkKind.MERGE


def said(kind: LinkKind, by: str = "me", pair: tuple[str, str] = PAIR) -> IdentityWord:
    return IdentityWord(pair, kind, 50, 9, "said", by=by)


class Door:
    """The ports behind the page: what was said, and what happens, in order."""

    def __init__(self, *words: IdentityWord, review: IdentityReview | None = None) -> None:
        self.words, self.in_queue, self.happened = list(words), review, list[str]()
        self.identities, self.log, self.authority, self.settle_s = self, self, self, 5.0

    def review(self, grant: Any, pair: Any) -> IdentityReview | None:
        return self.in_queue

    def decision(self, grant: Any, pair: Any) -> None:
        return None

    def words_of(self, grant: Any, ids: Any) -> list[IdentityWord]:
        if "landed" in self.happened:
            self.happened.append("looked")
            return [IdentityWord(PAIR, LINK, 51, 70, "said", by="me")]
        return list(self.words)

    def record(self, *events: Any) -> None:
        self.happened.append("recorded")

    def land(self, arrivals: Any) -> list[Any]:
        self.happened.append("landed")
        return [SimpleNamespace(position=70)]


def say(door: Door, kind: LinkKind, pair: tuple[str, str] = PAIR, **more: Any) -> bool:
    given: Any = door
    return speak(GRANT, given, ABOUT, given, FakeClock(), pair, kind, "me", "", **more)


OPEN = IdentityReview(PAIR, 1.0, "score", 1)
CLOSED = IdentityReview(PAIR, 1.0, "score", 1, ReviewState.CLOSED)


def test_what_is_said_is_on_record_landed_and_waited_for() -> None:
    door = Door(review=OPEN)
    assert say(door, LINK)
    assert door.happened == ["recorded", "landed", "looked"]


@pytest.mark.parametrize("kind", [LINK, APART, BACK])
def test_of_two_about_whom_there_is_no_question_nothing_is_said(kind: LinkKind) -> None:
    door = Door()
    with pytest.raises(AccessDenied):
        say(door, kind)
    assert door.happened == []
    with pytest.raises(AccessDenied):  # nor by what one said oneself
        say(Door(said(APART)), kind)


def test_who_may_speak_about_strangers_says_something_and_takes_back_their_own_only() -> None:
    assert say(Door(), LINK, strangers=True)
    assert say(Door(said(LINK)), BACK, strangers=True)
    with pytest.raises(AccessDenied):
        say(Door(), BACK, strangers=True)


def test_what_was_not_said_is_not_taken_back() -> None:
    door = Door(said(LINK, by="other"), review=OPEN)
    assert not say(door, BACK)
    assert door.happened == []


def test_what_one_says_already_is_not_said_again_unless_it_is_asked_again() -> None:
    door = Door(said(LINK), review=CLOSED)
    assert not say(door, LINK)
    assert door.happened == []
    assert say(Door(said(LINK), review=CLOSED), APART)
    assert say(Door(said(LINK), review=OPEN), LINK)


def test_of_a_record_itself_nothing_is_let_in_unseen_and_nothing_taken_back() -> None:
    review = IdentityReview(ONE, 1.0, "overlay", 1)
    for up_to, allowed in ((0, False), (7, True)):
        door = Door(review=review)
        if allowed:
            assert say(door, LINK, ONE, up_to=up_to)
        else:
            with pytest.raises(AccessDenied):
                say(door, LINK, ONE, up_to=up_to)
            assert door.happened == []
    with pytest.raises(AccessDenied):
        say(Door(said(LINK, pair=ONE), review=review), BACK, ONE)
    assert say(Door(said(APART, pair=ONE), review=review), BACK, ONE)
    assert not saying._may_release(LINK, None, 0)
    assert saying._may_release(APART, said(LINK, pair=ONE), 0)
