"""One question about two persons: asked once, settled once, hiding what is hidden."""

from __future__ import annotations

import re

import pytest
from tests.support.console_client import Client
from tests.support.identity_house import admission, working
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

from chartloom.domain.identity import IdentityReview, ReviewState
from chartloom.guard.staff import Role, Staff, StaffMember
from chartloom.serve.identity.questions import Question, said_elsewhere

#: One girl in two registers, and her twin.
HERS = ("SGH", "K1", "Archer^Ann", "20150304", "F", "12 Elm St^^Salem^OR^97301",
        "(503)5550101", "541-22-9917", "Hollis", "")  # fmt: skip
HERS_TOO = ("EAST", "L7", *HERS[2:])
TWIN = ("CLIN", "81", "Archer^Ivy", "20150304", "F", "12 Elm St^^Salem^OR^97301",
        "(503)5550101", "", "Hollis", "")  # fmt: skip
MINA = StaffMember("mina", "Mina Okoro", (Role.DATA_STEWARD,))


@pytest.fixture
def site(store_factory: StoreFactory) -> Site:
    clock = ShiftedClock()
    made = Site(store_factory(clock=clock), clock)
    made.settle_s = PATIENCE_S
    made.staff = Staff((*made.staff.staff, MINA))
    made.land("adt", admission("Q1", HERS, 0))
    made.land("adt", admission("Q2", HERS_TOO, 1))
    made.land("adt", admission("Q3", TWIN, 2))
    made.apply()
    return made


def rows(page: str) -> list[str]:
    return re.findall(r'class="row-link" href="([^"]+)"', page)


def test_it_is_asked_once_and_answered_once(site: Site) -> None:
    """On the page of the strongest pair, with the other one within reach."""
    grant = site.grant()
    open_ = [r for r in site.store.reviews(grant) if r.state is ReviewState.OPEN]
    assert len(open_) == 2, open_
    strongest, other = sorted(open_, key=lambda r: (-r.weight, r.pair))
    with serving(site.app()) as url, working(site):
        client = Client(url)
        client.cookie = site.sign_in("mina")
        queue = client.ask("/identity")[2]
        assert len(rows(queue)) == 1
        assert "and 1 more pair of records of the same two persons" in queue
        assert "/".join(other.pair) in queue
        path = f"/identity/pairs/{'/'.join(strongest.pair)}"
        assert rows(queue)[0].startswith(path)
        page = client.ask(path)[2]
        assert "counts for it too" in page
        shown = re.search(r'name="beside" value="([^"]*)"', page)
        assert shown is not None
        assert shown[1] == "~".join(other.pair)
        form = {"word": "different", "beside": shown[1]}
        assert client.ask(path, "POST", {**form, "csrf": client.csrf("/identity")})[0] == 303
        assert rows(client.ask("/identity")[2]) == []
        beside = client.ask(f"/identity/pairs/{'/'.join(other.pair)}")[2]
        assert "This was settled by what was said about" in beside
        assert path in beside
        assert (
            client.ask(path, "POST", {"word": "withdraw", "csrf": client.csrf("/identity")})[0]
            == 303
        )
        assert len(rows(client.ask("/identity")[2])) == 1


def test_a_second_person_speaks_about_what_the_first_spoke_about() -> None:
    half = IdentityReview(("a", "b"), 9.0, "twins", 1, ReviewState.HALF, True)
    new = IdentityReview(("a2", "b"), 12.0, "twins", 1)
    question = Question(half, (new,))
    assert said_elsewhere(question, new.pair) == half.pair
    assert said_elsewhere(question, half.pair) is None
    assert question.two
