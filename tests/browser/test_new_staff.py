"""Somebody whom no message has named yet: nothing opens, and then their first patient at once."""

from __future__ import annotations

from collections.abc import Callable

from tests.browser.test_roles import MESSAGE, house, ids, sign_in, url
from tests.support.console_client import Client
from tests.support.site import Site

__all__ = ["house", "ids", "sign_in", "url"]


def test_the_first_patient_of_a_new_doctor_opens_at_once(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    """Who somebody is, is remembered for a while; not longer than until they are first named."""
    client = sign_in("young")
    assert client.ask(f"/chart/{ids['anna']}")[0] == 404
    first = {"n": 9, "number": "P9", "name": "Young^Yan", "born": "19900909", "doctor": "D9"}
    house.land("adt", MESSAGE.format(**first).encode())
    house.apply()
    (hit,) = house.store.find_persons(house.grant(), "identifier", "P9")
    status, _, text = client.ask(f"/chart/{hit.person_id}")
    assert (status, "Young" in text) == (200, True)
    assert client.ask(f"/chart/{ids['anna']}")[0] == 404
