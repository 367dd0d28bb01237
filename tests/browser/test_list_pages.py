"""Reconciled lists in a browser: axe-clean, decided by keyboard, taken back; why opens bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.axe import violations
from tests.browser.conftest import LAPTOP, TABLET, open_page, watch
from tests.browser.test_roles import events_since, size_of
from tests.support.console_client import Client
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving, simulate

from chartloom.serve.lists import deciding

KINDS = ("medications", "problems", "allergies", "results")


@pytest.fixture(scope="module")
def site(postgres_server, tmp_path_factory) -> Iterator[Site]:
    """A house with enough of a past for every list; decisions are applied by the test."""
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("lists"))
    clock = ShiftedClock()
    made = Site(factory(clock=clock), clock)
    simulate(made, patients=12, days=90)
    yield made
    factory.close()


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    with serving(site.app()) as url:
        yield url


@pytest.fixture(scope="module")
def person(site: Site, address: str) -> str:
    """Somebody with an active problem and a medication."""
    client = Client(address)
    client.cookie = site.sign_in()
    for hit in site.store.recent_persons(site.grant(), 14):
        lists = json.loads(client.ask(f"/api/chart/{hit.person_id}/lists")[2])["lists"]
        active = {k: [x for x in v["lines"] if x["status"] == "active"] for k, v in lists.items()}
        if active["problems"] and active["medications"] and lists["results"]["lines"]:
            return hit.person_id
    raise AssertionError("nobody has a problem and a medication")


@pytest.mark.parametrize(
    ("size", "scheme"), [(LAPTOP, "light"), (TABLET, "dark")], ids=["laptop-light", "tablet-dark"]
)
def test_lists_are_accessible(
    chromium: Browser, site: Site, address: str, person: str, size: dict[str, int], scheme: str
) -> None:
    context = open_page(chromium, site, address, viewport=size, color_scheme=scheme)
    page = context.new_page()
    wrong = watch(page, address)
    for kind in KINDS:
        answer = page.goto(f"{address}/chart/{person}/{kind}?show=all")
        assert answer is not None
        assert answer.status == 200, kind
        for why in page.locator("summary[data-why]").all()[:2]:
            why.click()
        assert violations(page) == [], kind
        body = page.evaluate("document.querySelector('main').scrollWidth")
        assert body <= size["width"], kind
    context.close()
    assert wrong == []


def _status(page: Page, text: str) -> str:
    line = page.locator("[data-line]").filter(has=page.get_by_role("link", name=text, exact=True))
    return line.locator(".status").first.inner_text()


def test_a_decision_by_one_key_and_its_undo_by_another(
    chromium: Browser, site: Site, address: str, person: str
) -> None:
    context = open_page(chromium, site, address)
    page = context.new_page()
    wrong = watch(page, address)
    page.goto(f"{address}/chart/{person}/problems?show=all")
    page.keyboard.press("j")
    first = page.locator("[data-line] .row-link").first
    expect(first).to_be_focused()
    text = first.inner_text()
    with page.expect_navigation():
        page.keyboard.press("r")
    assert text not in page.url
    expect(page.get_by_role("alert")).to_contain_text("does not count yet")
    assert site.apply() == 1
    page.reload()
    assert _status(page, text) == "Refuted"
    expect(page.get_by_role("status")).to_contain_text(text)
    recorded = [e for e in site.audit.events if b'"reconciled"' in e.body]
    assert len(recorded) == 1, "one decision is one event"
    assert text.encode() not in recorded[0].body
    with page.expect_navigation():
        page.locator("[data-undo]").click()
    assert site.apply() == 1
    page.goto(f"{address}/chart/{person}/problems?show=all")
    assert _status(page, text) != "Refuted"
    context.close()
    assert wrong == []


def test_a_letter_after_g_goes_elsewhere_and_decides_nothing(
    chromium: Browser, site: Site, address: str, person: str
) -> None:
    context = open_page(chromium, site, address)
    page = context.new_page()
    page.goto(f"{address}/chart/{person}/medications?show=all")
    page.keyboard.press("j")
    page.keyboard.press("g")
    with page.expect_navigation():
        page.keyboard.press("c")
    assert page.url == f"{address}/chart"
    assert site.apply() == 0
    context.close()


def test_why_leads_to_the_bytes(chromium: Browser, site: Site, address: str, person: str) -> None:
    context = open_page(chromium, site, address)
    page = context.new_page()
    page.goto(f"{address}/chart/{person}/problems")
    page.keyboard.press("j")
    page.keyboard.press("w")
    page.locator(".facts-of a[data-evidence]").first.click()
    panel = page.locator("dialog#dialog-panel")
    panel.wait_for()
    assert panel.locator("mark").count() >= 1
    context.close()


def test_what_nobody_may_decide_is_refused(site: Site, address: str, person: str) -> None:
    client = Client(address)
    client.cookie = site.sign_in()
    page = client.ask(f"/chart/{person}/problems?show=all")[2]
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    path = f"/chart/{person}/problems/decide"
    line = page.split('name="line" value="')[1].split('"')[0]
    for wanted, said in (
        ("no such line", "refuted"), ("no such line", "withdrawn"), (line, "explode"),
        (line, "withdrawn"), ("", ""),
    ):  # fmt: skip
        answer = client.ask(path, "POST", form={"csrf": csrf, "line": wanted, "said": said})
        assert answer[0] == 404, (wanted, said)
    assert site.apply() == 0
    stale = {"csrf": csrf, "line": line, "said": "refuted", "seen": "line-000000000000"}
    before = size_of(site)
    status, headers, _ = client.ask(path, "POST", form=stale)
    assert status == 303
    looks = [(e.things, e.denied) for e in events_since(site, before)]
    assert looks == [(("chart/problems-decision",), "")], "the chart was read: that is on record"
    assert "done=" in dict(headers)["location"]
    assert site.apply() == 0, "the line had changed since it was seen"


def test_a_decision_is_on_record_before_it_is_landed_and_waited_for(
    site: Site, address: str, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def events() -> int:
        return sum(b'"reconciled"' in e.body for e in site.audit.events)

    client = Client(address)
    client.cookie = site.sign_in()
    page = client.ask(f"/chart/{person}/problems?show=all")[2]

    def value_of(name: str) -> str:
        return page.split(f'name="{name}" value="')[1].split('"')[0]

    before, waited = events(), list[int]()
    settle = deciding._settle
    monkeypatch.setattr(deciding, "_settle", lambda *given: (waited.append(1), settle(*given)))
    form = {n: value_of(n) for n in ("csrf", "line", "seen")} | {"said": "refuted"}
    assert client.ask(f"/chart/{person}/problems/decide", "POST", form=form)[0] == 303
    assert (events(), len(waited)) == (before + 1, 1)
    assert site.apply() == 1
