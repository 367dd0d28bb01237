"""What documents list, on the pages of lists: under its heading, with its place."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.axe import violations
from tests.browser.conftest import LAPTOP, open_page
from tests.support.clinical_documents import allergy, cda, drug, problem, section, target
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

_NOW = datetime.now(UTC) - timedelta(hours=2)
_CDA = cda(
    section("medications", drug("Warfarin 5 mg tablet"), drug("Lisinopril 10 mg tablet")),
    section("allergies", allergy("Latex")),
    section("problems", problem("Asthma", "195967001")),
    made=f"{_NOW:%Y%m%d}",
)
_OTHER = cda(
    section("medications", drug("Apixaban 5 mg tablet")),
    about=target("Rosa", "Alvarez", "19810709"),
)
_HTML = (
    b"<h1>Discharge medications</h1><ul><li>Furosemide 40 mg tablet</li></ul>"
    b"<h2>Allergies:</h2><p>Penicillin</p><h2>Problem list:</h2><p>Hypertension</p>"
)
_HEAD = r"MSH|^~\&|SCRIBE|SGH|CHARTLOOM|SGH|{now}||MDM^T02^MDM_T02|{id}|P|2.5" "\r"


def _admitted() -> bytes:
    now = f"{_NOW:%Y%m%d%H%M%S}+0000"
    return (
        f"MSH|^~\\&|ADT|SGH|CHARTLOOM|SGH|{now}||ADT^A01^ADT_A01|A1|P|2.5\r"
        f"EVN|A01|{now}\rPID|1||M77^^^SGH^MR||MILLER^JANE||19500101|F\r"
        f"PV1|1|I|3WEST^1^A^SGH{'|' * 16}V77^^^SGH{'|' * 25}{now}\r"
    ).encode()


def _message(id: str, kind: str, data: bytes) -> bytes:
    encoded = base64.b64encode(data).decode()
    return (
        _HEAD.replace("{id}", id).replace("{now}", f"{_NOW:%Y%m%d%H%M%S}")
        + "PID|1||M77^^^SGH^MR||MILLER^JANE||19500101|F\r"
        f"TXA|1|DS^Discharge summary|AP|{_NOW:%Y%m%d}||||||||{id}||||||AU\r"
        f"OBX|1|ED|18842-5^Discharge summary^LN||^{kind}^Base64^{encoded}||||||F\r"
    ).encode()


@pytest.fixture(scope="module")
def site(postgres_server, tmp_path_factory) -> Iterator[Site]:
    """A house with one person of whom only documents tell."""
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("documents"))
    clock = ShiftedClock()
    made = Site(factory(clock=clock), clock)
    made.land("adt", _admitted())
    made.land("documents", _message("D1", "text^XML", _CDA), _message("D2", "text^HTML", _HTML))
    made.land("documents", _message("D3", "text^XML", _OTHER))
    made.apply()
    yield made
    factory.close()


def test_what_documents_list(chromium: Browser, site: Site) -> None:
    size = LAPTOP
    (hit,) = site.store.recent_persons(site.grant(), 2)
    with serving(site.app()) as address:
        context = open_page(chromium, site, address, viewport=size)
        page = context.new_page()
        for kind, heads, names in (
            ("medications", ("To confirm", "Only in the text of documents"),
             ("Warfarin 5 mg tablet", "Furosemide 40 mg tablet")),
            ("allergies", (), ("Latex", "Penicillin")),
            ("problems", (), ("Asthma", "hypertension")),
        ):  # fmt: skip
            page.goto(f"{address}/chart/{hit.person_id}/{kind}?show=all")
            main = page.locator("main")
            for text in (*heads, *names):
                expect(main.get_by_text(text).first).to_be_visible()
            banner = page.locator(".banner-allergies")
            expect(banner.get_by_role("link", name="To check: Penicillin")).to_be_visible()
            for why in page.locator("summary[data-why]").all():
                why.click()
            expect(main.get_by_text("place bytes").first).to_be_visible()
            assert violations(page) == [], kind
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], kind
        page.goto(f"{address}/chart/{hit.person_id}/medications?show=all")
        page.locator("summary[data-why]").first.click()
        page.locator(".facts-of a[data-evidence]").first.click()
        page.locator("dialog#dialog-panel mark").first.wait_for()
        context.close()


def test_a_document_about_somebody_else_says_so_and_lists_nothing(
    chromium: Browser, site: Site
) -> None:
    (hit,) = site.store.recent_persons(site.grant(), 2)
    with serving(site.app()) as address:
        context = open_page(chromium, site, address)
        page = context.new_page()
        page.goto(f"{address}/chart/{hit.person_id}/documents")
        row = page.locator("main li", has_text="About somebody else")
        expect(row).to_have_count(1)
        row.get_by_role("link").first.click()
        expect(page.locator("main .badge", has_text="About somebody else")).to_be_visible()
        page.goto(f"{address}/chart/{hit.person_id}/medications?show=all")
        expect(page.locator("main").get_by_text("Apixaban")).to_have_count(0)
        context.close()


def test_a_line_with_a_document_behind_it_is_decided_about(chromium: Browser, site: Site) -> None:
    """Whatever a line is made from, a decision about it counts, and the page says no sooner so."""
    (hit,) = site.store.recent_persons(site.grant(), 2)
    with serving(site.app()) as address:
        context = open_page(chromium, site, address)
        page = context.new_page()
        for kind, key, word in (
            ("medications", "s", "Stopped"), ("allergies", "r", "Refuted"),
            ("problems", "r", "Refuted"),
        ):  # fmt: skip
            page.goto(f"{address}/chart/{hit.person_id}/{kind}?show=all")
            page.keyboard.press("j")
            expect(page.locator("[data-line] .row-link").first).to_be_focused()
            with page.expect_navigation():
                page.keyboard.press(key)
            expect(page.get_by_role("alert")).to_contain_text("does not count yet")
            assert site.apply() == 1
            page.reload()
            expect(page.get_by_role("status")).to_contain_text("by you, just now")
            expect(page.locator(".status", has_text=word).first).to_be_visible()
        context.close()
