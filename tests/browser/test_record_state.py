"""The pages of audit and keys say whether the record was found whole, and when."""

from __future__ import annotations

import html
import re
import time

import psycopg
import pytest
from tests.browser.test_roles import house
from tests.support.console_client import Client
from tests.support.site import Site, serving

from chartloom.engines.postgres import Retention
from chartloom.serve import LogCheck, StoreWatch
from chartloom.wiring.housekeeping import housekeeping

__all__ = ["house"]

MINUTE_US = 60_000_000
STATES = {
    "new": ({}, "dim", "Not checked yet"),
    "follows": ({"at_us": 1}, "good", "first look through the whole record is under way"),
    "waiting": ({"at_us": 1, "due_us": 1, "size": 3}, "dim", "3 events on record when last looked"),
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


def alarm_on(client: Client, path: str) -> str:
    found = re.search(r'<p class="alarm".*?</p>', client.ask(path)[2], re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", found[0])) if found else ""


def test_a_record_that_is_not_sound_is_told_on_every_page_to_those_who_run_the_site(
    house: Site,
) -> None:
    check = LogCheck(at_us=house.clock.now_us(), trouble="event 8 does not follow.")
    with serving(house.app(house.doors(log_check=lambda: check))) as url:
        for subject, path in (("officer", "/me"), ("admin", "/keys"), ("engineer", "/feeds")):
            client = Client(url)
            client.cookie = house.sign_in(subject)
            assert "The record of access is not sound" in alarm_on(client, path)
        clinician = Client(url)
        clinician.cookie = house.sign_in("one")
        assert alarm_on(clinician, "/me") == ""
        assert alarm_on(Client(url), "/sign-in") == ""


def test_a_store_that_does_not_do_what_it_is_asked_is_told_until_it_does(house: Site) -> None:
    watch = StoreWatch()
    with serving(house.app(watch=watch)) as url, psycopg.connect(house.store.dsn) as owner:
        owner.autocommit = True
        client = Client(url)
        client.cookie = house.sign_in("engineer")
        assert alarm_on(client, "/me") == ""
        owner.execute("ALTER TABLE outcome RENAME TO outcome_gone")
        try:
            status, _, text = client.ask("/messages")
            assert status == 500
            assert "42P01" in text  # the banner of the very page
        finally:
            owner.execute("ALTER TABLE outcome_gone RENAME TO outcome")
        assert "42P01" in alarm_on(client, "/me")
        keep = Retention(90, 14, 400)
        with housekeeping(house.store, keep, 0.05, watch=watch):
            for _ in range(200):
                if watch.alarm() is None:
                    break
                time.sleep(0.05)
        assert alarm_on(client, "/me") == ""
        owner.execute("ALTER TABLE outbox RENAME TO outbox_gone")
        try:
            with housekeeping(house.store, keep, 0.05, watch=watch):
                for _ in range(200):
                    if watch.alarm() is not None:
                        break
                    time.sleep(0.05)
        finally:
            owner.execute("ALTER TABLE outbox_gone RENAME TO outbox")
        assert "42P01" in alarm_on(client, "/me")
