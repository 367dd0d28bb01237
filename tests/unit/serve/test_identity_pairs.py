"""A pair as a reviewer sees it: sources that a label protects, questions that there are."""

from __future__ import annotations

from typing import Any

import pytest

from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Grant
from chartloom.domain.identity import (
    IdentityDecision,
    IdentityReview,
    IdentityWord,
    Membership,
)
from chartloom.domain.message import MessageState
from chartloom.domain.resource import LinkKind, ResourceState, Stamp
from chartloom.domain.store import MessageRow
from chartloom.registry.persons import default_parameters
from chartloom.serve.identity.pairs import PROTECTED, _raised, pair_of, read_pair

PAIR = ("a", "b")
GRANT: Any = object()


def row(position: int, feed: str) -> MessageRow:
    return MessageRow(
        position, feed, "ADT^A04", f"C{position}", 1, 2, MessageState.APPLIED, "a", 9, 0, 0
    )


class Store:
    """States and histories of a and b; b's data carries a label."""

    def states(self, grant: Grant, ids: list[str]) -> dict[str, ResourceState]:
        return {
            id: ResourceState(
                {"resourceType": "Patient", "id": id, "gender": "female"},
                id,
                {"gender": Stamp(1, 5, 7), "birthDate": Stamp(1, 3, 2)},
                labels=4 if id == "b" else 0,
            )
            for id in ids
        }

    def history(self, grant: Grant, id: str) -> list[MessageRow]:
        return [row(7, f"clinic-{id}"), row(2, f"lab-{id}")]


class Who:
    """The port, with what a test says."""

    def __init__(self, outcome: str = "", review: IdentityReview | None = None) -> None:
        self._review = review
        self._decision = (
            IdentityDecision(PAIR, outcome, 14.0, "score", "", {}, "p") if outcome else None
        )

    def review(self, grant: Grant, pair: Any) -> IdentityReview | None:
        return self._review

    def decision(self, grant: Grant, pair: Any) -> IdentityDecision | None:
        return self._decision

    def words_of(self, grant: Grant, ids: Any) -> list[Any]:
        return []

    def memberships(self, grant: Grant, ids: Any) -> list[Membership]:
        return [Membership(id, "", "person-1", 1, 1, "first") for id in ids]


def read(who: Who, **more: Any) -> Any:
    store: Any = Store()
    port: Any = who
    return read_pair(GRANT, store, port, PAIR, "me", default_parameters(), **more)


def test_a_source_whose_data_is_labelled_is_not_named() -> None:
    view = read(Who("review"))
    plain, secret = view.sides
    assert plain.source(7) == "clinic-a"
    assert secret.source(7) == secret.source(2) == PROTECTED
    assert (plain.newest, plain.newest_us) == (7, 5)


@pytest.mark.parametrize("outcome", ["", "new"])
def test_two_people_about_whom_there_is_no_question_are_not_there(outcome: str) -> None:
    with pytest.raises(NotFound):
        read(Who(outcome))
    assert read(Who(outcome), strangers=True).rows
    assert read(Who(outcome, IdentityReview(PAIR, 1.0, "overlay", 1))).reason == "overlay"


def test_two_that_were_joined_are_one_person_now() -> None:
    assert read(Who("link")).one_person
    assert pair_of("b", "a") == pair_of("a", "b") == PAIR


@pytest.mark.parametrize("there", [(), ("a",), ("b",)])
def test_a_pair_of_which_one_is_not_there_is_not_there(there: tuple[str, ...]) -> None:
    """Not as a page with half of what there is to compare."""
    store: Any = Store()
    all_of = store.states
    store.states = lambda grant, ids: {i: s for i, s in all_of(grant, ids).items() if i in there}
    who: Any = Who("review")
    with pytest.raises(NotFound, match="not there"):
        read_pair(GRANT, store, who, PAIR, "me", default_parameters())


def test_what_somebody_said_makes_no_question_of_their_own() -> None:
    """A review counts if it stood before the first word of who asks; other people's words do."""
    mine = IdentityWord(PAIR, LinkKind.LINK, 50, 9, "said", by="me")
    for since_us, raised in ((49, True), (50, False), (51, False)):
        review = IdentityReview(PAIR, 1.0, "score", since_us)
        assert _raised(review, (mine,), "me") is raised
        assert _raised(review, (), "me")
    assert not _raised(None, (mine,), "me")
    assert not _raised(None, (), "me")
