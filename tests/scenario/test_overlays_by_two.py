"""A stopped message is released by two people who looked at it, each by themselves, and by nobody
who may not see it; all of it the same again after everything was derived anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from tests.scenario.test_overlays import LENA, MARIA, Overlaid, said
from tests.support.clock import FakeClock

from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.identity import IDENTITY_SUBJECT, IdentityWord, ReviewState
from chartloom.domain.labels import ALL_LABELS_MASK
from chartloom.domain.quarantine import IDENTITY_OVERLAY
from chartloom.domain.resource import LinkKind
from chartloom.engines.postgres import PostgresStore
from chartloom.registry.persons import pair_of

LINK, UNLINK, BACK = LinkKind.LINK, LinkKind.UNLINK, LinkKind.WITHDRAW
ADA, BEN, CEM = "user:ada", "user:ben", "user:cem"


@pytest.fixture
def overlaid(store_factory: Callable[..., PostgresStore]) -> Overlaid:
    return Overlaid(store_factory(clock=FakeClock()))


def state(overlaid: Overlaid) -> ReviewState:
    return overlaid.review().state


def test_the_second_of_two_releases_it(overlaid: Overlaid) -> None:
    seen: dict[str, Any] = {"two": True, "looked": (overlaid.stopped,)}
    overlaid.say(LINK, ADA, **seen)
    assert (state(overlaid), overlaid.review().two) == (ReviewState.HALF, True)
    assert overlaid.quarantined() == {overlaid.stopped: IDENTITY_OVERLAY}
    assert overlaid.all() == overlaid.rebuilt()
    overlaid.say(LINK, ADA, **seen)  # the same again is no second person
    assert (state(overlaid), overlaid.family()) == (ReviewState.HALF, "BRANDT")
    overlaid.say(LINK, BEN, **seen)
    assert (state(overlaid), overlaid.family()) == (ReviewState.CLOSED, "KOVACS")
    assert overlaid.quarantined() == {}
    assert overlaid.all() == overlaid.rebuilt()


def test_the_first_takes_it_back(overlaid: Overlaid) -> None:
    seen: dict[str, Any] = {"two": True, "looked": (overlaid.stopped,)}
    overlaid.say(LINK, ADA, **seen)
    overlaid.say(BACK, ADA)
    assert (state(overlaid), overlaid.review().two) == (ReviewState.OPEN, False)
    assert (overlaid.family(), list(overlaid.quarantined())) == ("BRANDT", [overlaid.stopped])
    overlaid.say(LINK, BEN, **seen)
    assert state(overlaid) is ReviewState.HALF
    assert overlaid.all() == overlaid.rebuilt()


def test_two_who_do_not_agree_release_nothing(overlaid: Overlaid) -> None:
    seen: dict[str, Any] = {"two": True, "looked": (overlaid.stopped,)}
    overlaid.say(LINK, ADA, **seen)
    overlaid.say(UNLINK, BEN, **seen)
    assert (state(overlaid), overlaid.family()) == (ReviewState.DISPUTED, "BRANDT")
    overlaid.say(UNLINK, ADA, **seen)
    assert (state(overlaid), overlaid.family()) == (ReviewState.CLOSED, "BRANDT")
    assert overlaid.all() == overlaid.rebuilt()


def test_each_message_needs_two_who_looked_at_it(overlaid: Overlaid) -> None:
    (later,) = overlaid.hear(said("3", MARIA))
    overlaid.say(LINK, ADA, two=True, looked=(overlaid.stopped,))
    assert state(overlaid) is ReviewState.OPEN  # nobody looked at the later one
    overlaid.say(LINK, BEN, two=True, looked=(overlaid.stopped, later))
    assert overlaid.quarantined() == {later: IDENTITY_OVERLAY}
    assert (state(overlaid), overlaid.family()) == (ReviewState.HALF, "KOVACS")
    assert [(w.by, w.looked) for w in overlaid.review().words] == [(BEN, (overlaid.stopped, later))]
    overlaid.say(LINK, ADA, two=True, looked=(later,))
    assert (state(overlaid), overlaid.family()) == (ReviewState.CLOSED, "SANTOS")
    assert overlaid.all() == overlaid.rebuilt()


# What is labelled


class Labelled:
    """Of two stopped messages, the first is labelled."""

    def __init__(self, overlaid: Overlaid) -> None:
        self.overlaid, self.store = overlaid, overlaid.store
        (self.open,) = overlaid.hear(said("3", MARIA))
        self.label(overlaid.stopped)

    def label(self, position: int) -> None:
        """As if the source had flagged the message."""
        with psycopg.connect(self.store.dsn, autocommit=True) as conn:
            for table in ("overlay_stop", "outcome"):
                update = f"UPDATE {table} SET labels = {ALL_LABELS_MASK} WHERE position = %s"
                conn.execute(update.encode(), (position,))

    def grant(self, *labels: str) -> Grant:
        subjects = (IDENTITY_SUBJECT, self.overlaid.patient)
        return self.overlaid.site.guard.mint(ADA, Purpose.OPERATIONS, subjects, labels)

    def known(self, grant: Grant) -> tuple[Any, ...]:
        """Everything that the port tells of the record."""
        pair = pair_of(self.overlaid.patient, self.overlaid.patient)
        listed = {s: self.store.reviews(grant, state=s) for s in (None, *ReviewState)}
        return (
            self.store.review(grant, pair),
            listed,
            self.store.words_of(grant, pair),
            self.store.figures(grant),
            self.store.stopped(grant, self.overlaid.patient),
        )


@pytest.fixture
def labelled(overlaid: Overlaid) -> Labelled:
    return Labelled(overlaid)


def test_what_somebody_may_not_see_is_not_released_by_them(labelled: Labelled) -> None:
    overlaid, hidden = labelled.overlaid, labelled.overlaid.stopped
    seen = tuple(labelled.store.stopped(labelled.grant(), overlaid.patient))
    assert seen == (labelled.open,)
    for who in (ADA, BEN):
        overlaid.say(LINK, who, two=True, looked=seen)
    assert overlaid.quarantined() == {hidden: IDENTITY_OVERLAY}
    assert overlaid.family() == "SANTOS"
    # Who may see it is asked on, who may not is told that all is done.
    assert overlaid.review().state is ReviewState.OPEN
    mine = labelled.store.review(labelled.grant(), pair_of(overlaid.patient, overlaid.patient))
    assert mine is not None
    assert (mine.state, [w.by for w in mine.words]) == (ReviewState.CLOSED, [ADA, BEN])
    for who in (BEN, CEM):
        overlaid.say(LINK, who, two=True, looked=(hidden,))
    assert overlaid.quarantined() == {}
    assert overlaid.review().state is ReviewState.CLOSED


def test_nothing_that_is_said_of_it_is_told_to_whom_it_is_kept_from(labelled: Labelled) -> None:
    overlaid, hidden = labelled.overlaid, labelled.overlaid.stopped
    before = labelled.known(labelled.grant())
    assert before[0] is not None
    for who, kind in ((BEN, LINK), (CEM, UNLINK), (CEM, BACK), (CEM, LINK)):
        overlaid.say(kind, who, **({"two": True, "looked": (hidden,)} if kind is not BACK else {}))
        assert labelled.known(labelled.grant()) == before
    assert hidden not in overlaid.quarantined()
    both: dict[str, Any] = {"two": True, "looked": (hidden, labelled.open)}
    overlaid.say(LINK, BEN, **both)
    (word,) = labelled.store.words_of(labelled.grant(), [overlaid.patient])
    assert word.looked == (labelled.open,)
    (word,) = _last(labelled.store.words_of(overlaid.site.grant(), [overlaid.patient]), BEN)
    assert word.looked == (hidden, labelled.open)


def test_a_record_of_which_only_that_waits_is_not_in_the_queue(overlaid: Overlaid) -> None:
    labelled = Labelled(overlaid)
    labelled.label(labelled.open)
    review, listed, words, figures, stopped = labelled.known(labelled.grant())
    assert (review, words, stopped) == (None, [], {})
    assert not any(listed.values())
    assert (figures.open_count, figures.closed_count, figures.oldest_us) == (0, 0, 0)
    assert figures.by_reason == {}
    full = labelled.known(overlaid.site.grant())
    assert full[3].by_reason == {"overlay": 1}


def test_the_first_message_again_is_not_stopped(overlaid: Overlaid) -> None:
    (again,) = overlaid.hear(said("9", LENA))
    assert again not in overlaid.quarantined()


def _last(words: list[IdentityWord], by: str) -> list[IdentityWord]:
    return [w for w in words if w.by == by][-1:]
