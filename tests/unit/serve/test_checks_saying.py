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
        self.waiting: tuple[int, ...] = ()
        self.overlay_people = 2
        self.identities, self.log, self.authority, self.settle_s = self, self, self, 5.0

    def review(self, grant: Any, pair: Any) -> IdentityReview | None:
        return self.in_queue

    def between(self, grant: Any, pairs: Any) -> dict[Any, list[IdentityReview]]:
        return {} if self.in_queue is None else {self.in_queue.pair: [self.in_queue]}

    def decisions_between(self, grant: Any, pair: Any) -> list[Any]:
        return []

    def decision(self, grant: Any, pair: Any) -> None:
        return None

    def words_of(self, grant: Any, ids: Any) -> list[IdentityWord]:
        if "landed" in self.happened:
            self.happened.append("looked")
            return [IdentityWord(PAIR, LINK, 51, 70, "said", by="me")]
        return list(self.words)

    def stopped(self, grant: Any, id: str) -> dict[int, int]:
        return dict.fromkeys(self.waiting, 1)

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


def test_a_merge_the_other_way_round_is_another_thing_to_say() -> None:
    mine = IdentityWord(PAIR, MERGE, 50, 9, "said", by="me", surviving="a")
    assert not say(Door(mine, review=CLOSED), MERGE, surviving="a")
    assert say(Door(mine, review=CLOSED), MERGE, surviving="b")
    assert say(Door(said(LINK), review=CLOSED), MERGE, surviving="a")
    assert not say(Door(mine, review=CLOSED), LINK)


ON_ONE = IdentityReview(ONE, 1.0, "overlay", 1)


def of_one(waiting: tuple[int, ...], *words: IdentityWord) -> Door:
    door = Door(*words, review=ON_ONE)
    door.waiting = waiting
    return door


def about(kind: LinkKind, *looked: int) -> IdentityWord:
    return IdentityWord(ONE, kind, 50, 9, "said", by="me", looked=looked)


@pytest.mark.parametrize(("kind", "looked", "waiting", "allowed"), [
    (LINK, (), (7,), False), (LINK, (8,), (7,), False), (LINK, (7,), (), False),
    (LINK, (7,), (7,), True), (LINK, (7, 8), (7, 9), True),
    (APART, (), (7,), False), (APART, (7,), (7,), True), (APART, (), (), True),
])  # fmt: skip
def test_of_a_record_itself_nothing_is_decided_unseen(
    kind: LinkKind, looked: tuple[int, ...], waiting: tuple[int, ...], allowed: bool
) -> None:
    door = of_one(waiting)
    if allowed:
        assert say(door, kind, ONE, looked=looked)
    else:
        with pytest.raises(AccessDenied):
            say(door, kind, ONE, looked=looked)
        assert door.happened == []


def test_what_was_let_in_is_not_taken_back() -> None:
    with pytest.raises(AccessDenied):
        say(of_one((), about(LINK, 7)), BACK, ONE)
    assert say(of_one((7,), about(LINK, 7)), BACK, ONE)  # it waits for a second
    assert not say(of_one((8,), about(LINK, 7)), BACK, ONE)  # of what waits nothing was said
    assert say(of_one((), about(APART, 7)), BACK, ONE)


def test_the_same_of_the_same_messages_is_not_said_again() -> None:
    assert not say(of_one((7, 8), about(LINK, 7)), LINK, ONE, looked=(7,))
    assert say(of_one((7, 8), about(LINK, 7)), LINK, ONE, looked=(7, 8))
    assert say(of_one((7,), about(LINK, 7)), APART, ONE, looked=(7,))
