"""While charts are made anew, every page says to everybody that they are not whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.browser.test_console_http import Client
from tests.browser.test_roles import house, ids, sign_in, url
from tests.support.postgres import postgres_server
from tests.support.site import Site

from chartloom.engines.postgres import PostgresStore
from chartloom.serve import console
from chartloom.serve.trouble import MADE_ANEW

__all__ = ["house", "ids", "postgres_server", "sign_in", "url"]


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
