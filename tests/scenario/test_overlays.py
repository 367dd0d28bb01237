"""A message that would turn a record into somebody else's, through the real store: stopped,
reviewed, released by a person's word, and the same again after everything was derived anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.hl7_examples import adt, oru
from tests.support.site import Site

from chartloom.domain.errors import LaneLost
from chartloom.domain.feed import Feed
from chartloom.domain.grant import Purpose
from chartloom.domain.identity import IdentityReview, ReviewState
from chartloom.domain.message import Format, Message
from chartloom.domain.quarantine import IDENTITY_OVERLAY
from chartloom.domain.resource import FhirJson, LinkKind
from chartloom.domain.store import MessageFilter, ReplayScope
from chartloom.engines.postgres import PostgresStore
from chartloom.registry.persons import pair_of
from chartloom.serve.identity.overlays import stopped

FEED = Feed("adt", "it", "it", "mllp", Format.HL7V2)
LENA = {5: "BRANDT^LENA", 7: "19700101", 8: "F"}
PETER = {5: "KOVACS^PETER", 7: "19430317", 8: "M"}
MARIA = {5: "SANTOS^MARIA", 7: "19991231", 8: "F"}


def said(control_id: str, who: dict[int, str], number: str = "1") -> bytes:
    return adt("A08", control_id, "20260101080000", patient=who, number=number)


class Overlaid:
    """A site where somebody's record was overtyped."""

    def __init__(self, store: PostgresStore) -> None:
        self.site = Site(store, store.clock, [FEED])
        self.store = store
        (self.first,) = self.hear(said("1", LENA))
        (self.stopped,) = self.hear(said("2", PETER))
        self.patient = self.store.detail(self.site.grant(), self.first).row.source_patient

    def hear(self, *bodies: bytes) -> list[int]:
        positions = self.site.land("adt", *bodies)
        self.site.apply()
        return positions

    def say(self, kind: LinkKind, by: str = "user:ada", **terms: Any) -> int:
        position = self.site.say(kind, self.patient, self.patient, by=by, **terms)
        self.site.apply()
        return position

    def quarantined(self) -> dict[int, str]:
        rows = self.store.search(self.site.grant(), MessageFilter())
        return {row.position: row.quarantine for row in rows if row.quarantine}

    def family(self) -> str:
        state = self.store.state(self.site.grant(), self.patient)
        return str(state.resource["name"][0]["family"])

    def review(self) -> IdentityReview:
        found = self.store.review(self.site.grant(), pair_of(self.patient, self.patient))
        assert found is not None
        return found

    def all(self) -> tuple[Any, ...]:
        waiting = {s.feed: s.waiting_count for s in self.store.feeds(self.site.grant())}
        digest = self.store.digest(self.site.grant())
        return digest, self.quarantined(), self.review(), self.family(), waiting

    def rebuilt(self) -> tuple[Any, ...]:
        self.store.rebuild(self.site.grant())
        try:
            self.site.apply()
        except LaneLost:
            self.site.apply()
        return self.all()


@pytest.fixture
def overlaid(store_factory: Callable[..., PostgresStore]) -> Overlaid:
    return Overlaid(store_factory(clock=FakeClock()))


def test_the_message_is_stopped_and_stands_in_the_queue(overlaid: Overlaid) -> None:
    assert overlaid.quarantined() == {overlaid.stopped: IDENTITY_OVERLAY}
    assert overlaid.family() == "BRANDT"
    review = overlaid.review()
    assert (review.reason, review.state, review.two) == ("overlay", ReviewState.OPEN, False)
    assert [r.pair for r in overlaid.store.reviews(overlaid.site.grant())] == [review.pair]
    (after,) = overlaid.hear(said("3", LENA))
    assert after not in overlaid.quarantined()
    assert overlaid.all() == overlaid.rebuilt()


def test_what_the_other_persons_messages_say_is_stopped_as_well(overlaid: Overlaid) -> None:
    potassium = (("2823-3^Potassium^LN", "5.5", "H"),)
    mine = oru("4", "20260101090000", potassium, drawn="20260101085900", number="1")
    theirs = mine.replace(b"DOE^JANE||19700101|F", b"KOVACS^PETER||19430317|M")
    (known,) = overlaid.hear(mine.replace(b"DOE^JANE", b"BRANDT^LENA"))
    (stopped,) = overlaid.hear(theirs.replace(b"|4|", b"|5|"))
    assert set(overlaid.quarantined()) == {overlaid.stopped, stopped}
    assert known not in overlaid.quarantined()


def test_the_same_person_after_all(overlaid: Overlaid) -> None:
    (second,) = overlaid.hear(said("3", PETER))
    word = overlaid.say(LinkKind.LINK)
    assert overlaid.quarantined() == {}
    assert overlaid.family() == "KOVACS"
    review = overlaid.review()
    assert review.state is ReviewState.CLOSED
    assert [(w.by, w.kind, w.position) for w in review.words] == [("user:ada", LinkKind.LINK, word)]
    (back,) = overlaid.hear(said("6", LENA))
    assert overlaid.quarantined() == {back: IDENTITY_OVERLAY}
    assert overlaid.review().state is ReviewState.OPEN
    assert second < word < back
    assert overlaid.all() == overlaid.rebuilt()


def test_a_word_frees_what_was_looked_at_and_nothing_after(overlaid: Overlaid) -> None:
    """Neither what was stopped after the page was opened, nor what still waits then."""
    (unseen,) = overlaid.hear(said("3", MARIA))
    (waiting,) = overlaid.site.land("adt", said("4", MARIA))
    word = overlaid.say(LinkKind.LINK, up_to=overlaid.stopped)
    assert overlaid.stopped < unseen < waiting < word
    assert overlaid.quarantined() == dict.fromkeys((unseen, waiting), IDENTITY_OVERLAY)
    assert overlaid.family() == "KOVACS"
    assert overlaid.review().state is ReviewState.OPEN
    assert overlaid.review().words == ()  # about what waits now nobody spoke
    assert overlaid.all() == overlaid.rebuilt()
    overlaid.say(LinkKind.LINK, up_to=waiting)
    assert overlaid.quarantined() == {}
    assert overlaid.review().state is ReviewState.CLOSED
    assert overlaid.all() == overlaid.rebuilt()


def test_somebody_else_stays_in_quarantine(overlaid: Overlaid) -> None:
    overlaid.say(LinkKind.UNLINK)
    assert overlaid.quarantined() == {overlaid.stopped: IDENTITY_OVERLAY}
    assert overlaid.review().state is ReviewState.CLOSED
    overlaid.say(LinkKind.WITHDRAW)
    assert overlaid.review().state is ReviewState.OPEN
    assert overlaid.family() == "BRANDT"
    assert overlaid.all() == overlaid.rebuilt()


def test_what_one_word_sets_free_comes_before_what_follows_it(overlaid: Overlaid) -> None:
    """All of it waits when the worker looks."""
    site = overlaid.site
    site.say(LinkKind.LINK, overlaid.patient, overlaid.patient, by="user:ada")
    site.land("adt", said("3", PETER), said("4", MARIA))
    site.say(LinkKind.LINK, overlaid.patient, overlaid.patient, by="user:ben")
    site.land("adt", said("5", MARIA))
    site.apply()
    assert overlaid.quarantined() == {}
    assert overlaid.family() == "SANTOS"
    assert overlaid.all() == overlaid.rebuilt()


def test_trying_again_without_a_word_changes_nothing(overlaid: Overlaid) -> None:
    before = overlaid.all()
    assert overlaid.store.retry(overlaid.site.grant(), ReplayScope(feed="adt")) == 1
    pair = pair_of(overlaid.patient, overlaid.patient)
    assert overlaid.store.review(overlaid.site.grant(), pair) is None
    overlaid.site.apply()
    assert overlaid.all() == before


def test_counts_are_right_after_a_release(overlaid: Overlaid) -> None:
    overlaid.say(LinkKind.LINK)
    status = {s.feed: s for s in overlaid.store.feeds(overlaid.site.grant())}
    assert (status["adt"].applied_count, status["adt"].quarantined_count) == (2, 0)
    assert status["adt"].issue_count == 0
    assert status["steward"].applied_count == 1


def test_a_reviewer_sees_what_the_stopped_message_says(overlaid: Overlaid) -> None:
    """Also one who may not see what is restricted: nothing in the message is."""
    site, store = overlaid.site, overlaid.store
    grant = site.guard.mint("user:ada", Purpose.OPERATIONS, (overlaid.patient,), ())

    def stated(message: Message) -> list[FhirJson]:
        feed, mapping = site.mappings[message.feed]
        return [c.resource for c in mapping.derive(message, feed, site.namespace).contributions]

    found = stopped(grant, store, store.state(grant, overlaid.patient), stated)
    assert found is not None
    sides = found.now, found.then
    now, then = (" ".join(v.text for vs in side.values() for v in vs).upper() for side in sides)
    assert "LENA" in now
    assert "PETER" not in now
    assert "PETER" in then
    assert "LENA" not in then
    overlaid.say(LinkKind.LINK)
    assert stopped(grant, store, store.state(grant, overlaid.patient), stated) is None


def test_all_that_was_stopped_is_listed_oldest_first(overlaid: Overlaid) -> None:
    site, store = overlaid.site, overlaid.store

    def stated(message: Message) -> list[FhirJson]:
        feed, mapping = site.mappings[message.feed]
        return [c.resource for c in mapping.derive(message, feed, site.namespace).contributions]

    later = overlaid.hear(*(said(str(n), MARIA) for n in range(3, 24)))
    found = stopped(site.grant(), store, store.state(site.grant(), overlaid.patient), stated)
    assert found is not None
    shown = [m.position for m in found.messages]
    assert shown == [overlaid.stopped, *later][: len(shown)]
    assert (len(shown), found.more) == (20, 2)
    assert found.looked == tuple(shown)
    told = [" ".join(v.text for r in m.rows for v in r.right).upper() for m in found.messages]
    assert "PETER" in told[0]
    assert "MARIA" not in told[0]
    assert all("MARIA" in text for text in told[1:])
