"""Reviewing identities in a real browser: by keyboard alone, axe-clean in both themes and sizes."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.axe import violations
from tests.browser.conftest import LAPTOP, TABLET, open_page, watch
from tests.support.console_client import Client
from tests.support.identity_house import House, make
from tests.support.postgres import StoreFactory
from tests.support.site import serving

from chartloom.domain.resource import LinkKind

#: Where to leave pictures for the documentation; without it none are made.
PICTURES = os.environ.get("CHARTLOOM_PICTURES", "")
SAID = re.compile("You said that the pair before")


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[House]:  # type: ignore[no-untyped-def]
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("identity"))
    yield make(factory)
    factory.close()


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    with serving(house.site.app()) as address, house.working():
        yield address


def addresses(house: House) -> list[str]:
    twins, easy, over = house.pair("twin-a", "twin-b"), house.easy[0], house.pair("over", "over")
    return [
        "/identity",
        "/identity?view=closed",
        "/identity?reason=newborn",
        *(
            f"/identity/pairs/{a}/{b}"
            for a, b in (twins, easy, over, house.pair("same-a", "same-b"))
        ),
        "/identity/figures",
        f"/identity/persons/{house.ids['same-a']}",
    ]


@pytest.mark.parametrize(
    ("size", "scheme"), [(LAPTOP, "light"), (TABLET, "dark")], ids=["laptop", "tablet"]
)
def test_pages_are_accessible(
    chromium: Browser, house: House, url: str, size: dict[str, int], scheme: str
) -> None:
    context = open_page(chromium, house.site, url, "yusuf", viewport=size, color_scheme=scheme)
    page = context.new_page()
    wrong = watch(page, url)
    for path in addresses(house):
        answer = page.goto(url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert violations(page) == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], path
    context.close()
    assert wrong == []


def press(page: Page, key: str) -> None:
    """Presses a key that leads on, and waits until it has."""
    with page.expect_navigation():
        page.keyboard.press(key)


def test_a_steward_works_through_the_queue_with_single_keys(
    chromium: Browser, house: House, url: str
) -> None:
    context = open_page(chromium, house.site, url, "yusuf")
    page = context.new_page()
    wrong = watch(page, url)
    page.goto(url + "/identity")
    expect(page.locator("[data-keys-line]")).to_contain_text("r start reviewing")
    _picture(page, "identity-queue")
    press(page, "r")
    first = house.easy[0]
    expect(page).to_have_url(re.compile("/".join(first)))
    press(page, "k")
    expect(page).not_to_have_url(re.compile("/".join(first)))
    page.go_back()
    press(page, "n")
    expect(page.get_by_role("status")).to_have_text(SAID)
    assert [w.kind for w in house.words(first)] == [LinkKind.UNLINK]
    press(page, "u")
    expect(page).to_have_url(re.compile("/".join(first)))
    expect(page.get_by_role("status")).to_have_text(re.compile("taken back"))
    assert [w.kind for w in house.words(first)] == [LinkKind.UNLINK, LinkKind.WITHDRAW]
    # In a field, keys are letters.
    page.get_by_label("Why").focus()
    page.keyboard.press("s")
    assert len(house.words(first)) == 2
    page.get_by_label("Why").select_option("document-seen")
    page.get_by_role("heading", name="Are these one person?").click()
    press(page, "s")
    assert house.words(first)[-1].reason == "document-seen"
    press(page, "u")
    context.close()
    assert wrong == []


def test_a_key_held_down_decides_once(chromium: Browser, house: House, url: str) -> None:
    context = open_page(chromium, house.site, url, "yusuf")
    page = context.new_page()
    pair = house.pair("twin-a", "twin-b")
    page.goto(f"{url}/identity/pairs/{pair[0]}/{pair[1]}")
    _picture(page, "identity-review")
    before = len(house.words(pair))
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
    with page.expect_navigation():
        page.evaluate(
            """() => { for (const repeat of [false, true, true]) document.body.dispatchEvent(
                new KeyboardEvent('keydown', { key: 'n', repeat, bubbles: true })); }"""
        )
    assert len(sent) == 1
    assert len(house.words(pair)) == before + 1
    press(page, "u")
    context.close()


@pytest.mark.parametrize(
    ("size", "scheme"), [(LAPTOP, "light"), (TABLET, "dark")], ids=["laptop", "tablet"]
)
def test_ones_own_word_is_read_and_taken_back(
    chromium: Browser, house: House, url: str, size: dict[str, int], scheme: str
) -> None:
    pair = house.pair("jon-b", "thin-b")
    client = Client(url)
    client.cookie = house.site.sign_in("yusuf")
    form = {"csrf": client.csrf("/me"), "source-patient": f"Patient/{pair[0]}",
            "target-patient": f"Patient/{pair[1]}"}  # fmt: skip
    assert client.ask("/fhir/R4/Patient/$merge", "POST", form)[0] == 200
    context = open_page(chromium, house.site, url, "yusuf", viewport=size, color_scheme=scheme)
    page = context.new_page()
    wrong = watch(page, url)
    page.goto(f"{url}/identity/pairs/{pair[0]}/{pair[1]}")
    expect(page.get_by_role("heading", name="What you said of two records")).to_be_visible()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    press(page, "u")
    expect(page.get_by_text("You took back what you said")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("link", name="Back to the queue").click()
    expect(page).to_have_url(re.compile("/identity$"))
    context.close()
    assert wrong == []


def test_keys_can_be_turned_off(chromium: Browser, house: House, url: str) -> None:
    context = open_page(chromium, house.site, url, "yusuf")
    context.add_init_script("localStorage.setItem('chartloom-keys', 'off')")
    page = context.new_page()
    pair = house.pair("twin-a", "twin-b")
    page.goto(f"{url}/identity/pairs/{pair[0]}/{pair[1]}")
    before = len(house.words(pair))
    expect(page.locator("[data-keys-line]")).to_be_hidden()
    page.keyboard.press("s")
    page.get_by_role("link", name="figures").count()
    expect(page).to_have_url(re.compile("/".join(pair)))
    assert len(house.words(pair)) == before
    context.close()


def test_without_scripts_everything_is_a_form(chromium: Browser, house: House, url: str) -> None:
    context = open_page(chromium, house.site, url, "yusuf", java_script_enabled=False)
    page = context.new_page()
    page.goto(url + "/identity")
    page.get_by_role("link", name="Start reviewing").click()
    page.get_by_role("button", name="Not the same").click()
    expect(page.get_by_role("status")).to_have_text(SAID)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_have_text(re.compile("taken back"))
    context.close()


def test_the_empty_queue_says_what_to_do_next(chromium: Browser, house: House, url: str) -> None:
    context = open_page(chromium, house.site, url, "yusuf")
    page = context.new_page()
    page.goto(url + "/identity?reason=newborn")
    expect(page.get_by_text("Show everything that is to do")).to_be_visible()
    assert violations(page) == []
    context.close()


def _picture(page: Page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png")
