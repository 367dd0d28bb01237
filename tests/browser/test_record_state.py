"""The pages of audit and keys say whether the record was found whole, and when."""

from __future__ import annotations

import html
import re

import pytest
from tests.browser.test_roles import house
from tests.support.console_client import Client
from tests.support.postgres import postgres_server
from tests.support.site import Site, serving

from chartloom.serve import LogCheck

__all__ = ["house", "postgres_server"]

MINUTE_US = 60_000_000
STATES = {
    "new": ({}, "dim", "Not checked yet"),
    "follows": ({"at_us": 1}, "good", "first look through the whole record is under way"),
    "whole": (
        {"at_us": 1, "whole_us": 5, "whole_size": 1234},
        "good",
        "234 events and the signed heads",
    ),
    "changed": (
        {"at_us": 1, "whole_us": 5, "findings": (("audit-edited", "event 7"),)},
        "bad",
        "audit-edited at event 7",
    ),
    "unsigned": ({"at_us": 1, "trouble": "event 8 does not follow."}, "bad", "does not follow"),
}


@pytest.mark.parametrize("state", STATES)
def test_the_state_of_the_record_is_told(house: Site, state: str) -> None:
    said, kind, words = STATES[state]
    now_us = house.clock.now_us()
    times = {k: now_us - v * MINUTE_US for k, v in said.items() if k in ("at_us", "whole_us")}
    check = LogCheck(**(said | times))
    with serving(house.app(house.doors(log_check=lambda: check))) as url:
        for subject, path in (("officer", "/audit"), ("admin", "/keys")):
            client = Client(url)
            client.cookie = house.sign_in(subject)
            status, _, text = client.ask(path)
            assert status == 200
            found = re.search(r'<p class="log-state">.*?</p>', text, re.DOTALL)
            assert found is not None
            assert f'class="badge {kind}"' in found[0]
            plain = html.unescape(re.sub(r"<[^>]+>", "", found[0]))
            assert words in plain
            if "whole_us" in said:
                assert "5 min ago" in plain
