"""The pages of access in a real browser: no script error, nothing from elsewhere, axe-clean."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect
from tests.browser.axe import violations
from tests.browser.conftest import LAPTOP, TABLET, open_page, watch
from tests.support.site import Site

PAGES = ("/me", "/glass", "/review", "/uses", "/shreddings", "/audit", "/keys")


@pytest.mark.parametrize("size", [LAPTOP, TABLET], ids=["laptop", "tablet"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_of_access_are_accessible(
    chromium: Browser, site: Site, address: str, size: dict[str, int], scheme: str
) -> None:
    context = open_page(chromium, site, address, viewport=size, color_scheme=scheme)
    page = context.new_page()
    wrong = watch(page, address)
    for path in PAGES:
        answer = page.goto(address + path)
        assert answer is not None
        assert answer.status == 200, path
        assert violations(page) == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], path
    context.close()
    assert wrong == []


def test_signing_in_and_errors_are_accessible(chromium: Browser, address: str) -> None:
    context = chromium.new_context(viewport=TABLET)
    page = context.new_page()
    for path in ("/sign-in", "/chart"):
        page.goto(address + path)
        assert violations(page) == [], path
    context.close()


def test_a_data_use_is_asked_for_by_keyboard(chromium: Browser, site: Site, address: str) -> None:
    context = open_page(chromium, site, address)
    page = context.new_page()
    page.goto(address + "/uses")
    page.get_by_label("Title").focus()
    page.keyboard.type("Falls on 3 West")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Purpose")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.type("Adults on 3 West")
    page.keyboard.press("Tab")
    page.keyboard.type("Encounter.period")
    page.keyboard.press("Tab")
    # The list of fields stands between, folded: it opens with a key and holds the focus no further.
    expect(page.locator("summary", has_text="fields that may leave")).to_be_focused()
    expect(page.locator("details code").first).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("details code").first).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Everyone of the site")).to_be_focused()
    page.keyboard.press("Space")
    expect(page.get_by_label("Everyone of the site")).to_be_checked()
    page.keyboard.press("Tab")
    expect(page.get_by_label("or ids of persons")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("De-identification")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Smallest group")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Last day")).to_be_focused()
    page.get_by_label("Last day").fill(page.get_by_label("Last day").get_attribute("min") or "")
    page.get_by_role("button", name="Ask").press("Enter")
    page.get_by_role("heading", name="Falls on 3 West").wait_for()
    context.close()
