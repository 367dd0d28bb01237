"""A simulated hospital behind a real console, and a real Chromium in front of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.support.console_client import Client
from tests.support.patience import PATIENCE_S
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving, simulate

CHROMIUM = Path(os.environ.get("CHARTLOOM_CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=PATIENCE_S * 1000)
LAPTOP, TABLET = {"width": 1366, "height": 768}, {"width": 820, "height": 1180}

#: Cannot be read as HL7 v2 at all, so that there is something in quarantine.
GARBAGE = [b"PID|1||no header\r", b"\x00\x01 not a message", b"EVN|A01\r"]


@pytest.fixture(scope="session")
def site(postgres_server, tmp_path_factory) -> Iterator[Site]:
    """A hospital with a past, some of it unreadable."""
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("site"))
    clock = ShiftedClock()
    made = Site(factory(clock=clock), clock)
    simulate(made, patients=12, days=30)
    made.land("adt", *GARBAGE)
    made.apply()
    yield made
    factory.close()


@pytest.fixture(scope="session")
def address(site: Site) -> Iterator[str]:
    """Where the console listens."""
    with serving(site.app()) as url:
        yield url


@pytest.fixture
def client(address: str, site: Site) -> Client:
    """Somebody signed in, without scripts."""
    signed_in = Client(address)
    signed_in.cookie = site.sign_in()
    return signed_in


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; name one with CHARTLOOM_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def open_page(
    browser: Browser, site: Site, address: str, subject: str = "everybodys.help", **options: object
) -> BrowserContext:
    """A signed-in context."""
    options.setdefault("viewport", LAPTOP)
    context = browser.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(PATIENCE_S * 1000)
    name, _, value = site.sign_in(subject).partition("=")
    context.add_cookies(
        [{"name": name, "value": value, "url": address, "httpOnly": True, "sameSite": "Strict"}]
    )
    return context


def watch(page: Page, address: str) -> list[str]:
    """Collects everything a page must not do: errors, CSP violations, requests elsewhere."""
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(f"error: {error}"))
    page.on(
        "console",
        lambda message: (
            found.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on(
        "request",
        lambda request: None if request.url.startswith(address) else found.append(request.url),
    )
    page.on("dialog", lambda dialog: found.append(f"dialog: {dialog.message}"))
    return found


@pytest.fixture
def page(chromium: Browser, site: Site, address: str) -> Iterator[Page]:
    """A signed-in page; at the end, nothing may have gone wrong in it."""
    context = open_page(chromium, site, address)
    page = context.new_page()
    wrong = watch(page, address)
    yield page
    context.close()
    assert wrong == []
