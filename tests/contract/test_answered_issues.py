"""A steward's word answers the Issue of the messages that named whom nobody knew, for good."""

from __future__ import annotations

import contextlib
import re

from tests.support.console_client import Client
from tests.support.directory_house import DirectoryHouse
from tests.support.postgres import StoreFactory
from tests.support.site import serving

from chartloom.domain.errors import LaneLost
from chartloom.domain.store import MessageFilter
from chartloom.normalize.steward import arrival, directory_word
from chartloom.registry.directory import Said, Word


def say(house: DirectoryHouse, number: str, *, said: Said = Said.SAME) -> None:
    """What a steward says of an unknown number."""
    key = house.key("practitioner-unresolved", number) if said is Said.SAME else ""
    asked = house.book().find(key) if key else None
    about = (
        asked.about
        if asked
        else next(w.about for w in house.book().words if number in w.about.items[0])
    )
    now_us = house.site.clock.now_us()
    text = "hr|E30" if said is Said.SAME else ""
    body = directory_word(Word(about, said, "lena", now_us, text))
    house.site.store.land([arrival(body, "", now_us)])
    house.site.apply()


def issues_of(page: str) -> tuple[int, int]:
    """(how many the tab counts, how many are answered)."""
    count = re.search(r'Issues <span class="count">(\d+)</span>', page)
    assert count is not None
    return int(count[1]), page.count("Answered</span>")


def test_it_is_answered_by_whom_when_and_survives_a_replay(store_factory: StoreFactory) -> None:
    house = DirectoryHouse(store_factory)
    house.fill()
    site = house.site
    row = max(site.store.search(site.grant(), MessageFilter(feed="adt")), key=lambda r: r.position)
    with serving(house.app) as url:
        client = Client(url)
        client.cookie = site.sign_in("everybodys.help")

        def page() -> str:
            return client.ask(f"/messages/{row.position}")[2]

        before = issues_of(page())
        assert before[1] == 0
        assert "practitioner-unresolved" in page()
        say(house, "D7")
        assert issues_of(page()) == before  # the family doctor is not known yet
        say(house, "D1")
        assert issues_of(page()) == (before[0] - 1, 1)
        assert "Lena Fischer said who or what it is" in page()
        site.store.rebuild(site.grant())
        with contextlib.suppress(LaneLost):  # as Worker.run goes on after it
            site.apply()
        site.apply()
        assert issues_of(page()) == (before[0] - 1, 1)
        say(house, "D1", said=Said.WITHDRAW)
        assert issues_of(page()) == before
