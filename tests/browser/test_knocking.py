"""Whoever knocks too often is told when to come again, and that is on record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.browser.test_console_http import Client
from tests.browser.test_roles import GOOD, WORDS, events_since, house, size_of
from tests.support.site import Site, serving

from chartloom.project.model_doors import DoorSettings, IdentityDoorSettings
from chartloom.serve import Door, Rate, limits
from chartloom.serve.limits import STANDARD, Limiter
from chartloom.wiring.doors import rates_of

__all__ = ["house"]

#: So few that tests knock against it, and so slow that nothing comes back while they run.
FEW = Rate(3, 36_000.0)


class Clock:
    """A clock that does not go back, moved by hand."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@contextmanager
def console(house: Site, *doors: Door) -> Iterator[str]:
    rates = {door: FEW if door in doors else Rate(0) for door in Door}
    with serving(house.app(house.doors(rates=rates))) as url:
        yield url


def signed_in(house: Site, url: str, subject: str) -> Client:
    client = Client(url)
    client.cookie = house.sign_in(subject)
    return client


def refused(answers: list[tuple[int, dict[str, str], str]]) -> list[int]:
    return [status for status, _, _ in answers]


def test_searches_are_counted_for_each_person(house: Site) -> None:
    with console(house, Door.SEARCH) as url:
        one, two = (signed_in(house, url, who) for who in ("one", "two"))
        before = size_of(house)
        form = {"field": "identifier", "value": "P1", "csrf": one.csrf("/me")}
        answers = [one.ask("/chart/find", "POST", form) for _ in range(6)]
        assert refused(answers) == [303, 303, 303, 429, 429, 429]
        _, headers, text = answers[3]
        assert int(headers["retry-after"]) == 12_000
        assert "Too often" in text
        assert one.ask("/messages?person=x")[0] == 429  # another way to search
        assert one.ask("/me")[0] == 200  # all else goes on
        told = [e for e in events_since(house, before) if e.denied == "too-often"]
        assert [(e.actor, e.things) for e in told] == [("one", ("door/search",))]  # once
        form["csrf"] = two.csrf("/me")
        assert two.ask("/chart/find", "POST", form)[0] == 303


def test_breaking_the_glass_is_counted_for_each_person(house: Site) -> None:
    with console(house, Door.GLASS) as url:
        client = signed_in(house, url, "one")
        form = {**GOOD, **WORDS, "identifier": "nobody", "csrf": client.csrf("/me")}
        answers = [client.ask("/glass", "POST", form) for _ in range(4)]
        assert refused(answers) == [404, 404, 404, 429]
        assert client.ask("/glass/again", "POST", {"csrf": form["csrf"], "id": "x"})[0] == 429
        assert client.ask("/glass")[0] == 200


@pytest.mark.parametrize(
    ("door", "path", "method"),
    [
        (Door.SIGN_IN, "/callback?code=x&state=y", "GET"),
        (Door.SIGN_IN, "/enter?token=x", "GET"),
        (Door.TOKEN, "/token", "POST"),
    ],
)
def test_signing_in_is_counted_for_each_address(
    house: Site, door: Door, path: str, method: str
) -> None:
    with console(house, door) as url:
        before = size_of(house)
        answers = [Client(url).ask(path, method) for _ in range(5)]
        assert refused(answers)[3:] == [429, 429]
        assert 429 not in refused(answers)[:3]
        assert "retry-after" in answers[3][1]
        told = [e for e in events_since(house, before) if e.denied == "too-often"]
        assert [(e.actor, e.things) for e in told] == [("nobody", (f"door/{door}",))]


def test_the_api_is_counted_and_answers_in_json(house: Site) -> None:
    with console(house, Door.API) as url:
        client = signed_in(house, url, "engineer")
        answers = [client.ask("/api/feeds") for _ in range(4)]
        assert refused(answers) == [200, 200, 200, 429]
        assert answers[3][1]["content-type"].startswith("application/json")


def test_when_it_cannot_be_put_on_record_the_answer_is_no_other(house: Site) -> None:
    with console(house, Door.API) as url:
        client = signed_in(house, url, "engineer")
        for _ in range(3):
            client.ask("/api/feeds")
        from tests.support.memory_audit import DOWN

        house.audit.fail = DOWN
        try:
            assert client.ask("/api/feeds")[0] == 503
        finally:
            house.audit.fail = None


class Knock:
    """A request, as far as the limiter looks at it."""

    def __init__(self, address: str, path: str = "/token", method: str = "POST") -> None:
        self.method, self.query_params = method, {}
        self.url = type("Url", (), {"path": path})
        self.client = type("Address", (), {"host": address})


def test_a_bucket_fills_again_steadily(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    limiter = Limiter({Door.TOKEN: Rate(6, 60.0)}, clock)

    def knock(address: str = "a") -> tuple[bool, int, bool]:
        found = limiter.knock(Knock(address), None)  # type: ignore[arg-type]
        return (True, 0, False) if found is None else (False, found.retry_after_s, found.first)

    assert [knock()[0] for _ in range(7)] == [True] * 6 + [False]
    assert knock() == (False, 10, False)
    assert knock("b")[0]
    clock.now_s = 9.5
    assert knock() == (False, 1, False)
    clock.now_s = 10.0
    assert knock()[0]
    assert knock() == (False, 10, True)  # a new refusal: on record again
    clock.now_s = 1_000.0
    assert [knock()[0] for _ in range(7)] == [True] * 6 + [False]  # never more than full
    monkeypatch.setattr(limits, "_REMEMBERED_MAX", 3)
    for n in range(10):
        knock(str(n))
    assert len(limiter._buckets) == 3


def test_the_settings_of_a_site_are_the_rates_of_its_doors() -> None:
    assert rates_of(DoorSettings()) == STANDARD
    assert set(STANDARD) == set(Door)
    closed = DoorSettings(glass_per_hour_max=0, tokens_per_minute_max=7)
    rates = rates_of(closed)
    assert rates[Door.GLASS] == Rate(0, 3600.0)
    assert rates[Door.TOKEN] == Rate(7)
    settings = [*DoorSettings.model_fields, *IdentityDoorSettings.model_fields]
    names = re.findall(r"(\w+)_per_(?:minute|hour)_max", " ".join(settings))
    assert len(names) == len(Door)
