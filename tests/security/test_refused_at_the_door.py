"""What is refused before any page is reached: on record where it is known who asked."""

from __future__ import annotations

from tests.support.console_client import Client
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

from chartloom.guard.audit import read_events
from chartloom.guard.staff import Role, Staff, StaffMember


def test_one_event_for_each_request_of_a_known_caller(store_factory: StoreFactory) -> None:
    clock = ShiftedClock()
    staff = Staff((StaffMember("eve", "Eve", frozenset({Role.INTEGRATION_ENGINEER})),))
    site = Site(store_factory(clock=clock), clock)
    site.staff = staff
    with serving(site.app(), lifespan="on") as url:
        eve, nobody = Client(url), Client(url)
        eve.cookie = site.sign_in("eve")
        before = len(site.audit.events)
        assert eve.ask("/feeds?x=%00")[0] == 404
        assert eve.ask("/feeds", "PUT")[0] == 405
        assert eve.ask("/purpose", "POST", {"csrf": "forged"})[0] == 403
        for _ in range(3):  # counted: one event each, and outsiders could fill the record
            assert nobody.ask("/sign-in?x=%00")[0] == 404
        assert nobody.ask("/enter", "PUT")[0] == 405
        assert nobody.ask("/feeds")[0] == 401
        told = list(read_events(site.audit.events[before:]))
        assert [seen.denied for seen in told] == ["null-character", "method", "form-secret"]
        assert {seen.actor for seen in told} == {"eve"}
    later = list(read_events(site.audit.events[before + len(told) :]))
    assert sorted((seen.actor, seen.denied, seen.details["count"]) for seen in later) == [
        ("nobody", "method", "1"), ("nobody", "not-signed-in", "1"),
        ("nobody", "null-character", "3"),
    ]  # fmt: skip
