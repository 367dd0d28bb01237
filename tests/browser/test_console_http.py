"""The console without a browser: who gets in, what leaks, what errors say."""

from __future__ import annotations

import json
import logging
import re

import pytest
from tests.support.console_client import Client, recent_person
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

from chartloom.serve.shield import HEADERS, OPEN_FOLDERS, OPEN_PATHS
from chartloom.wiring.logs import JsonFormatter

SAMPLES = {"position": "1", "element:path": "status", "print": "x", "name": "x"}


@pytest.fixture
def stranger(address: str) -> Client:
    return Client(address)


def every_path(site: Site) -> list[tuple[str, str]]:
    """(method, path) of every route, with sample values."""
    found = []
    for route in site.app().routes:
        path = re.sub(r"{([^}]+)}", lambda m: SAMPLES.get(m[1], "x"), route.path)
        found += [(method, path) for method in sorted(route.methods - {"HEAD"})]
    return found


def test_without_a_session_there_is_nothing_to_see(stranger: Client, site: Site) -> None:
    closed = 0
    for method, path in every_path(site):
        if path in OPEN_PATHS or path.startswith(OPEN_FOLDERS):
            continue
        status, headers, text = stranger.ask(path, method)
        assert status == 401, (method, path)
        assert "set-cookie" not in headers
        assert "MSH|" not in text
        closed += 1
    assert closed >= 18


def test_every_answer_carries_the_security_headers(client: Client, site: Site) -> None:
    paths = ["/feeds", "/nowhere", "/enter?token=bad", "/healthz", "/messages/999999999"]
    for path in paths:
        _, headers, _ = client.ask(path)
        for name, value in HEADERS.items():
            assert headers[name] == value, path
        assert headers["cache-control"] == "no-store"
    assert "unsafe" not in HEADERS["content-security-policy"]


def test_pages_hold_no_inline_script_or_style(client: Client, site: Site) -> None:
    person = recent_person(client)
    for path in ("/feeds", "/messages", "/messages/1", "/quarantine", f"/chart/{person}"):
        text = client.ask(path)[2]
        assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]+src=)", text), path


def test_the_cookie_is_kept_from_scripts_and_other_sites(stranger: Client, site: Site) -> None:
    _, headers, _ = stranger.ask(site.sign_in_path())
    cookie = headers["set-cookie"].lower()
    for attribute in ("httponly", "samesite=strict", "path=/", "max-age="):
        assert attribute in cookie


def test_a_link_signs_in_once(address: str, site: Site) -> None:
    link = site.sign_in_path()
    assert Client(address).ask(link)[0] == 200
    status, headers, text = Client(address).ask(link)
    assert status == 403
    assert "set-cookie" not in headers
    assert "used already" in text


def test_signing_out_ends_it(client: Client) -> None:
    status, headers, _ = client.ask("/sign-out", "POST", {"csrf": client.csrf()})
    assert status == 303
    assert 'chartloom_session=""' in headers["set-cookie"]
    assert client.ask("/feeds")[0] == 401


@pytest.mark.parametrize("host", ["evil.example.org", "localhost.evil.org", "127.0.0.1.nip.io", ""])
def test_other_host_names_are_refused(client: Client, host: str) -> None:
    status, _, text = client.ask("/feeds", Host=host)
    assert status == 400
    assert "Feeds" not in re.sub(r"<nav.*?</nav>", "", text, flags=re.DOTALL)


def test_a_form_needs_its_token_and_its_origin(client: Client) -> None:
    good = {"value": "x", "csrf": client.csrf()}
    assert client.ask("/chart/find", "POST", {"value": "x"})[0] == 403
    assert client.ask("/chart/find", "POST", {**good, "csrf": "x" * 43})[0] == 403
    assert client.ask("/chart/find", "POST", good, Origin="https://evil.example.org")[0] == 403
    assert client.ask("/chart/find", "POST", good, Origin="null")[0] == 403
    assert client.ask("/chart/find", "POST", good, Sec_Fetch_Site="cross-site")[0] == 403
    assert client.ask("/chart/find", "POST", good)[0] == 303


@pytest.mark.parametrize("field", ["no-such", "A Name", "x" * 199, "-1"])
def test_a_field_that_is_not_in_the_form_searches_in_all(client: Client, field: str) -> None:
    form = {"value": "x", "field": field, "csrf": client.csrf()}
    assert client.ask("/chart/find", "POST", form)[0] == 303


def test_a_form_has_a_limit(client: Client) -> None:
    huge = {"value": "x" * 70_000, "csrf": client.csrf()}
    assert client.ask("/chart/find", "POST", huge)[0] == 413


def test_methods_that_no_page_has_are_refused(client: Client) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.ask("/feeds", method)[0] == 405


def test_searching_leaves_no_name_in_an_address_or_a_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for path, field in (("/chart/find", "value"), ("/messages", "patient")):
        form = {field: "Zzyzx-Müller", "csrf": client.csrf()}
        status, headers, _ = client.ask(path, "POST", form)
        assert status == 303
        assert "zzyzx" not in headers["location"].lower()
        status, _, text = client.ask(headers["location"])
        assert status == 200
        assert "Zzyzx-Müller" in text  # the form still says what was looked for
        assert "Nobody" in text
    assert "zzyzx" not in caplog.text.lower()


def test_ids_that_are_not_there_and_odd_parameters(client: Client) -> None:
    assert client.ask("/messages/999999999")[0] == 404
    for digits in ("9" * 19, "9" * 26, "1" * 5000, "-1", "1.5", "x", "%D9%A1"):
        assert client.ask(f"/messages/{digits}")[0] == 404
        assert client.ask(f"/messages/{digits}/raw")[0] == 404
        assert client.ask(f"/api/messages/{digits}")[0] == 404
    assert client.ask("/chart/no-such-person")[0] == 404
    assert client.ask("/evidence/no-such-resource/status")[0] == 404
    assert client.ask("/resources/%00")[0] == 404
    assert client.ask("/messages?before=-5&state=%27&from=yesterday&find=abc")[0] == 200
    assert client.ask("/messages?type=%00")[0] == 404
    form = {"value": "a\0b", "csrf": client.csrf()}
    assert client.ask(client.ask("/chart/find", "POST", form)[1]["location"])[0] == 200
    assert client.ask("/messages?person=nobody")[0] == 404
    person = recent_person(client)
    assert client.ask(f"/chart/{person}/nonsense")[0] == 404
    for before in ("x", "5", "5~", f"{'1' * 5000}~x", "-1~" + "x" * 65):
        assert client.ask(f"/chart/{person}/timeline?before={before}&section=x")[0] == 200


def test_health_and_metrics_need_no_session_and_know_nobody(stranger: Client) -> None:
    assert stranger.ask("/healthz")[2] == "ok\n"
    status, _, text = stranger.ask("/readyz")
    assert (status, json.loads(text)) == (200, {"ready": True})
    assert stranger.ask("/metrics")[0] == 200


def test_static_files_are_cached_for_ever_by_their_content(client: Client) -> None:
    found = re.search(r'href="(/static/[^"]+console.css)"', client.ask("/feeds")[2])
    assert found is not None
    status, headers, _ = client.ask(found[1])
    assert status == 200
    assert "immutable" in headers["cache-control"]
    assert client.ask("/static/0/console.css")[0] == 404
    assert client.ask("/static/0/..%2F..%2Fapp.py")[0] == 404


# Sites in other states


def test_an_empty_site_says_what_to_do_next(store_factory: StoreFactory) -> None:
    clock = ShiftedClock()
    site = Site(store_factory(clock=clock), clock)
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        assert "chartloom send" in client.ask("/feeds")[2]
        assert "chartloom send" in client.ask("/messages")[2]
        assert "There is no chart yet" in client.ask("/chart")[2]
        assert "Nothing is in quarantine" in client.ask("/quarantine")[2]


def test_when_the_store_is_down_pages_say_so(store_factory: StoreFactory, postgres_server) -> None:
    clock = ShiftedClock()
    site = Site(store_factory(clock=clock), clock)
    broken = store_factory.again("no_such_database", site.guard, clock=clock)
    site.store = broken
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        status, _, text = client.ask("/chart")
        assert status == 503
        assert "does not answer" in text
        assert "no_such_database" not in text
        status, _, text = client.ask("/readyz")
        assert status == 503
        assert json.loads(text)["ready"] is False
        assert client.ask("/healthz")[0] == 200


class Faulty:
    """A mapping with a bug that names a patient in its error."""

    def __init__(self, fingerprint: str) -> None:
        self.fingerprint = fingerprint

    def trace(self, *args: object) -> object:
        raise ValueError("Müller, Erika")


def test_a_bug_gives_a_page_without_its_text(
    store_factory: StoreFactory, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ShiftedClock()
    site = Site(store_factory(clock=clock), clock)
    site.land("adt", b"MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5\rPID|1||1^^^H^MR\r")
    site.apply()
    site.mappings = {n: (f, Faulty(m.fingerprint)) for n, (f, m) in site.mappings.items()}
    with serving(site.app()) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        status, headers, text = client.ask("/messages/1")
        assert status == 500
        assert "Müller" not in text
        assert "chartloom doctor" in text
        assert headers["content-security-policy"] == HEADERS["content-security-policy"]
    records = [r for r in caplog.records if r.exc_info]
    assert records
    shown = "".join(JsonFormatter("serve").format(record) for record in records)
    assert "ValueError" in shown
    assert "Müller" not in shown
