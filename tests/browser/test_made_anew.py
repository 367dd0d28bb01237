"""While charts are made anew, every page says to everybody that they are not whole."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.browser.test_console_http import Client
from tests.browser.test_roles import house, ids, sign_in, url
from tests.support.site import Site

from chartloom.engines.postgres import PostgresStore
from chartloom.serve import console
from chartloom.serve.trouble import MADE_ANEW
from chartloom.serve.wholeness import BEING_MADE_ANEW, HEADER

__all__ = ["house", "ids", "sign_in", "url"]


def test_pages_say_that_charts_are_not_whole(
    sign_in: Callable[[str], Client],
    house: Site,
    ids: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "_ANEW_S", 0.0)
    clinician = sign_in("one")
    whole = clinician.ask(f"/chart/{ids['anna']}")[2]
    assert MADE_ANEW.title not in whole
    monkeypatch.setattr(PostgresStore, "made_anew", lambda *_: True)
    assert MADE_ANEW.title in clinician.ask(f"/chart/{ids['anna']}")[2]


def test_answers_for_machines_say_so_too(
    sign_in: Callable[[str], Client],
    house: Site,
    ids: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(console, "_ANEW_S", 0.0)
    clinician = sign_in("one")
    at = f"/api/chart/{ids['anna']}"
    for path in (at, f"{at}/lists"):
        whole = json.loads(clinician.ask(path)[2])
        assert (whole["complete"], whole["incomplete_because"]) == (True, None)
        assert HEADER not in headers_of(clinician, path)
        spoken = {label["feed"]: label["state"] for label in whole["freshness"]["feeds"]}
        assert spoken, "how fresh the feeds are that speak of her"
        assert whole["freshness"]["worst"] in spoken.values()
    monkeypatch.setattr(PostgresStore, "made_anew", lambda *_: True)
    for path in (at, f"{at}/lists"):
        part = json.loads(clinician.ask(path)[2])
        assert (part["complete"], part["incomplete_because"]) == (False, BEING_MADE_ANEW)
        assert headers_of(clinician, path)[HEADER] == BEING_MADE_ANEW
    assert headers_of(clinician, "/api/messages?person=" + ids["anna"])[HEADER] == BEING_MADE_ANEW


def headers_of(client: Client, path: str) -> dict[str, str]:
    return {name.lower(): value for name, value in client.ask(path)[1].items()}
