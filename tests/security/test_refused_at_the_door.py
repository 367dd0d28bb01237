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
    with serving(site.app()) as url:
        eve, nobody = Client(url), Client(url)
        eve.cookie = site.sign_in("eve")
        before = len(site.audit.events)
        assert eve.ask("/feeds?x=%00")[0] == 404
        assert eve.ask("/feeds", "PUT")[0] == 405
        assert eve.ask("/purpose", "POST", {"csrf": "forged"})[0] == 403
        assert nobody.ask("/sign-in?x=%00")[0] == 404  # else outsiders could fill the record
        assert nobody.ask("/enter", "PUT")[0] == 405
        told = list(read_events(site.audit.events[before:]))
    assert [seen.denied for seen in told] == ["null-character", "method", "form-secret"]
    assert {seen.actor for seen in told} == {"eve"}
