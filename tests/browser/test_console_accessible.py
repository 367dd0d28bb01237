"""Every page in a real browser: axe finds nothing, and nothing scrolls sideways.

Apart from the other tests of the pages, so that two processes share them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page
from tests.browser.axe import violations
from tests.browser.conftest import LAPTOP, TABLET
from tests.browser.test_console_pages import first_message, person

pytestmark = pytest.mark.browser

Go = Callable[[Page, str], None]


def search_person(page: Page, address: str, text: str) -> None:
    page.goto(f"{address}/chart")
    page.get_by_label("Search for").fill(text)
    page.get_by_role("button", name="Find").click()


def chart(tail: str) -> Go:
    return lambda page, address: page.goto(person(page, address) + tail) and None


def panel(page: Page, address: str) -> None:
    person(page, address)
    page.locator(".summary a.ev").first.click()
    page.wait_for_selector("dialog[open] #panel-evidence-title")


def evidence(page: Page, address: str) -> None:
    person(page, address)
    page.goto(address + str(page.locator(".summary a.ev").first.get_attribute("href")))


def resource(page: Page, address: str) -> None:
    evidence(page, address)
    page.get_by_role("link", name="Whole resource and its history").click()


def series(page: Page, address: str) -> None:
    person(page, address)
    page.locator(".results tbody th a").first.click()


def document(page: Page, address: str) -> None:
    page.goto(f"{address}/messages?feed=documents&state=applied")
    for link in [a.get_attribute("href") for a in page.locator("td a[href^='/chart/']").all()]:
        page.goto(f"{address}{link}/documents")
        if page.locator("a[href^='/documents/']").count():
            page.locator("a[href^='/documents/']").first.click()
            return
    raise AssertionError("no document in any chart")


def sheet(page: Page, address: str) -> None:
    page.goto(f"{address}/feeds")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open] #sheet-help-title")


def opened(page: Page, address: str) -> None:
    """A message page with everything unfolded."""
    first_message(page, address, "feed=scheduling&state=applied")
    for fold in page.locator("details").all():
        fold.evaluate("(element) => { element.open = true; }")


PAGES: dict[str, Go] = {
    "find": lambda page, address: page.goto(f"{address}/chart") and None,
    "nobody": lambda page, address: search_person(page, address, "Nobody-At-All"),
    "summary": chart(""),
    "results": chart("/results"),
    "problems": chart("/problems"),
    "demographics": chart("/demographics"),
    "timeline": chart("/timeline"),
    "timeline-filtered": chart("/timeline?section=results&section=orders"),
    "series": series,
    "document": document,
    "evidence": evidence,
    "panel": panel,
    "resource": resource,
    "feeds": lambda page, address: page.goto(f"{address}/feeds") and None,
    "messages": lambda page, address: page.goto(f"{address}/messages") and None,
    "message": lambda page, address: first_message(page, address, "feed=adt&state=applied"),
    "message-open": opened,
    "message-fhir": lambda page, address: first_message(page, address, "feed=fhir"),
    "message-quarantined": lambda page, address: first_message(page, address, "state=quarantined"),
    "no-messages": lambda page, address: page.goto(f"{address}/messages?type=XYZ") and None,
    "quarantine": lambda page, address: page.goto(f"{address}/quarantine") and None,
    "help": lambda page, address: page.goto(f"{address}/help") and None,
    "help-sheet": sheet,
}
ERRORS: dict[str, str] = {
    "not-found": "/nothing/here",
    "sign-in": "/enter",
    "used": "/enter?token=x",
}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible(name: str, page: Page, address: str) -> None:
    PAGES[name](page, address)
    assert violations(page) == []
    assert no_overflow(page)
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size(TABLET)
    assert violations(page) == []
    assert no_overflow(page)
    page.set_viewport_size({"width": 400, "height": 800})
    assert no_overflow(page)


def no_overflow(page: Page) -> bool:
    """Nothing makes the page itself scroll sideways (WCAG 1.4.10)."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


@pytest.mark.parametrize("name", ERRORS)
def test_error_page_is_accessible(name: str, chromium: Browser, address: str) -> None:
    context = chromium.new_context(viewport=LAPTOP)
    page = context.new_page()
    page.goto(address + ERRORS[name])
    assert violations(page) == []
    assert page.locator("h1").count() == 1
    context.close()
