"""Small things that were wrong: links that lead nowhere, forms that forget, columns cut off."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Browser, Page
from tests.browser.axe import violations
from tests.browser.conftest import open_page
from tests.browser.test_console_http import Client
from tests.browser.test_roles import house, ids, sign_in, url
from tests.support.site import Site, serving

__all__ = ["house", "ids", "sign_in", "url"]


def test_a_message_leads_to_the_chart_where_it_would_open(
    sign_in: Callable[[str], Client], house: Site, ids: dict[str, str]
) -> None:
    patient = house.store.person(house.grant(), ids["anna"]).source_patients[0]
    link = f'href="/chart/{patient}"'
    clinician, engineer = sign_in("one"), sign_in("engineer")
    shown = [n for n in range(1, 9) if link in clinician.ask(f"/messages/{n}")[2]]
    assert shown
    for position in shown:
        status, _, text = engineer.ask(f"/messages/{position}")
        assert status == 200
        assert 'href="/chart/' not in text
        assert patient[:8] in text


def test_a_typo_does_not_empty_the_form(sign_in: Callable[[str], Client]) -> None:
    client = sign_in("one")
    form = {
        "identifier": "P-4711",
        "birth_date": "1970-13-41",
        "reason": "cover",
        "text": "covering for a colleague",
        "csrf": client.csrf("/me"),
    }
    status, _, text = client.ask("/glass", "POST", form)
    assert status == 404
    for value in ("P-4711", "1970-13-41", "covering for a colleague"):
        assert value in text
    assert 'value="cover" selected' in text


def test_nothing_is_cut_off_at_1366_pixels(page: Page, address: str) -> None:
    page.goto(address + "/messages/20")
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366
    table = page.locator(".loss .table-wrap")
    assert table.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
    page.goto(address + "/feeds")  # with every room in the head
    assert page.evaluate("document.documentElement.scrollWidth") <= 1366


def test_the_banner_of_the_demo_is_a_landmark(chromium: Browser, site: Site) -> None:
    with serving(site.app(site.doors(builtin_provider=True))) as address:
        context = open_page(chromium, site, address)
        page = context.new_page()
        page.goto(address + "/me")
        assert page.locator("aside.trial").is_visible()
        assert violations(page) == []
        page.goto(address + "/sessions")
        assert violations(page) == []
        context.close()


def test_a_charge_says_when_its_currency_is_not_stated() -> None:
    from decimal import Decimal

    from chartloom.chart.shape_admin import charge_item

    said = {"status": "billable", "priceOverride": {"value": Decimal("388.40")}}
    assert charge_item(said)["price"] == "388.40 (currency not stated)"
    said["priceOverride"] |= {"currency": "USD"}
    assert charge_item(said)["price"] == "388.40 USD"
