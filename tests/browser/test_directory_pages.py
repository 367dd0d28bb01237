"""The directory in a real browser: looked up, settled by keyboard, taken back; who may see what."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.axe import violations
from tests.browser.conftest import LAPTOP, open_page, watch
from tests.support.console_client import Client
from tests.support.directory_house import PATIENT_WORDS, TABLES, DirectoryHouse
from tests.support.postgres import StoreFactory
from tests.support.site import serving

from chartloom.guard.audit import read_events
from chartloom.registry.directory import Said
from chartloom.serve.directory.book import handle_of

PHONE = {"width": 390, "height": 800}
OKAFOR = f"/directory/records/{handle_of('Practitioner', 'hr|E17')}"


@pytest.fixture(scope="module")
def house(postgres_server, tmp_path_factory) -> Iterator[DirectoryHouse]:  # type: ignore[no-untyped-def]
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("directory"))
    made = DirectoryHouse(factory)
    made.fill()
    yield made
    factory.close()


@pytest.fixture(scope="module")
def url(house: DirectoryHouse) -> Iterator[str]:
    with serving(house.app) as address, house.working():
        yield address


def addresses(house: DirectoryHouse) -> list[str]:
    asked = [f"/directory/questions/{a.about.key}" for a in house.book().asked]
    return [
        "/directory",
        "/directory?q=nobody+at+all",
        "/directory?kind=places",
        OKAFOR,
        f"{OKAFOR}?at=2025-01-01",
        f"{OKAFOR}?at=2001-01-01",
        "/directory/places",
        "/directory/formulary",
        "/directory/formulary?q=SGHFORM:D005",
        "/directory/formulary?q=zzzz",
        "/directory/questions",
        "/directory/questions?view=decided",
        "/directory/questions?feed=pharmacy",
        "/directory/said",
        *asked,
    ]


@pytest.mark.parametrize(
    ("size", "scheme"), [(LAPTOP, "light"), (PHONE, "dark")], ids=["laptop", "phone"]
)
def test_pages_are_accessible(
    chromium: Browser, house: DirectoryHouse, url: str, size: dict[str, int], scheme: str
) -> None:
    context = open_page(chromium, house.site, url, "lena", viewport=size, color_scheme=scheme)
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
    with page.expect_navigation():
        page.keyboard.press(key)


def said(house: DirectoryHouse, key: str) -> list[Said]:
    return [w.said for w in reversed(house.book().words) if w.about.key == key]


def test_a_steward_settles_questions_with_single_keys(
    chromium: Browser, house: DirectoryHouse, url: str
) -> None:
    shared, differ = house.key("directory-number-shared"), house.key("directory-values-differ")
    context = open_page(chromium, house.site, url, "lena")
    page = context.new_page()
    wrong = watch(page, url)
    page.goto(f"{url}/directory/questions")
    before = len(house.site.audit.events)
    press(page, "r")
    expect(page).to_have_url(re.compile(shared))
    press(page, "s")
    assert said(house, shared) == [Said.SAME]
    expect(page).to_have_url(re.compile(differ))
    expect(page.get_by_role("status")).to_contain_text("said: the same")
    press(page, "u")
    assert said(house, shared) == [Said.SAME, Said.WITHDRAW]
    expect(page).to_have_url(re.compile(shared))
    expect(page.get_by_role("status")).to_contain_text("taken back")
    press(page, "k")
    press(page, "1")
    assert said(house, differ) == [Said.KEEP]
    recorded = [e for e in house.site.audit.events[before:] if b'"directory-said"' in e.body]
    assert len(recorded) == 3
    # In a field, keys are letters, and Enter in the note says nothing.
    note = page.get_by_label("Note")
    note.focus()
    page.keyboard.press("s")
    page.keyboard.press("Enter")
    page.keyboard.press("n")
    assert len(house.book().words) == 3
    page.goto(f"{url}/directory/said")
    expect(page.get_by_role("row")).to_have_count(4)
    expect(page.get_by_role("main")).to_contain_text("Lena Fischer")
    with page.expect_navigation():
        page.get_by_role("button", name=re.compile("Take back")).first.click()
    assert said(house, differ) == [Said.KEEP, Said.WITHDRAW]
    context.close()
    assert wrong == []


def test_whose_an_unknown_number_is_and_what_can_wait(
    chromium: Browser, house: DirectoryHouse, url: str
) -> None:
    unknown, drug = house.key("practitioner-unresolved", "D7"), house.key("drug-code-unresolved")
    context = open_page(chromium, house.site, url, "lena")
    page = context.new_page()
    page.goto(f"{url}/directory/questions/{unknown}")
    page.get_by_label("NPI, other number").fill("nobody's")
    with page.expect_navigation():
        page.get_by_role("button", name="It is this one").click()
    expect(page.get_by_role("alert")).to_contain_text("No one record")
    page.get_by_label("NPI, other number").fill("hr|E30")
    with page.expect_navigation():
        page.get_by_role("button", name="It is this one").click()
    assert said(house, unknown) == [Said.SAME]
    assert not [a for a in house.book().asked if a.about.key == unknown]
    page.goto(f"{url}/directory/records/{handle_of('Practitioner', 'urn:id:H|D7')}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Two")
    page.goto(f"{url}/directory/questions/{drug}")
    expect(page.locator(".dir-row")).to_contain_text("SGHFORM,D991,")
    press(page, "l")
    assert said(house, drug) == [Said.IGNORE]
    page.goto(f"{url}/directory/questions?view=later")
    expect(page.get_by_role("row")).to_have_count(2)
    context.close()


def test_without_scripts_everything_is_a_form(
    chromium: Browser, house: DirectoryHouse, url: str
) -> None:
    key = house.key("directory-duplicate-possible")
    context = open_page(chromium, house.site, url, "yusuf", java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{url}/directory/questions/{key}")
    page.get_by_role("button", name="Not the same").click()
    assert said(house, key) == [Said.DIFFERENT]
    page.get_by_role("button", name="Undo").click()
    assert said(house, key) == [Said.DIFFERENT, Said.WITHDRAW]
    context.close()


def test_tables_that_are_edited_show_at_once(
    chromium: Browser, house: DirectoryHouse, url: str
) -> None:
    context = open_page(chromium, house.site, url, "engineer")
    page = context.new_page()
    page.goto(f"{url}/directory?q=marchetti")
    expect(page.get_by_text("Nobody and no place is called that")).to_be_visible()
    house.tables["practitioners-more.csv"] = b"source,key,family,given\nhr,E99,Marchetti,Ugo\n"
    page.reload()
    expect(page.get_by_role("link", name="Ugo Marchetti")).to_be_visible()
    house.tables = dict(TABLES)
    context.close()


@pytest.mark.parametrize(
    ("subject", "looks", "asks"),
    [
        ("lena", True, True),
        ("engineer", True, True),
        ("doctor", True, False),
        ("officer", False, False),
        ("analyst", False, False),
    ],
)
def test_who_may_see_what(
    house: DirectoryHouse, url: str, subject: str, looks: bool, asks: bool
) -> None:
    client = Client(url)
    client.cookie = house.site.sign_in(subject)
    for path in addresses(house):
        question = path.startswith(("/directory/questions", "/directory/said"))
        status, _, page = client.ask(path)
        assert status == (200 if (asks if question else looks) else 404), path
        assert not [w for w in PATIENT_WORDS if w in page], path
    key = house.key("npi-check-digit")
    home = client.ask("/directory" if looks else "/me")[2]
    csrf = home.split('name="csrf" value="')[1].split('"')[0]
    before = len(house.book().words)
    form = {"csrf": csrf, "word": "ignore", "days": "7"}
    status = client.ask(f"/directory/questions/{key}", "POST", form=form)[0]
    assert status == (303 if subject == "lena" else 404)
    assert len(house.book().words) == before + (subject == "lena")


def test_messages_are_named_to_those_who_may_read_them(house: DirectoryHouse, url: str) -> None:
    pages = {}
    for subject in ("lena", "engineer"):
        client = Client(url)
        client.cookie = house.site.sign_in(subject)
        pages[subject] = client.ask("/directory/questions?feed=adt")[2]
    assert "/messages/" not in pages["lena"]
    assert re.search(r'href="/messages/\d+"', pages["engineer"])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"word": "explode"}, 404),
        ({}, 404),
        ({"word": "ignore", "days": "99999"}, 404),
        # What a form said that was right once, and a colleague was quicker.
        ({"word": "keep"}, 409),
        ({"keep": "a value that nobody said"}, 409),
        ({"word": "withdraw"}, 409),
    ],
)
def test_what_cannot_be_said_is_refused(
    house: DirectoryHouse, url: str, form: dict[str, str], expected: int
) -> None:
    client = Client(url)
    client.cookie = house.site.sign_in("lena")
    csrf = client.ask("/directory")[2].split('name="csrf" value="')[1].split('"')[0]
    before = len(house.book().words)
    path = f"/directory/questions/{house.key('directory-part-unknown')}"
    size = len(house.site.audit.events)
    status, _, text = client.ask(path, "POST", form={"csrf": csrf, **form})
    assert status == expected
    assert ("settled in the meantime" in text) is (expected == 409)
    (event,) = read_events(house.site.audit.events[size:])
    assert bool(event.denied) is (expected == 404)
    for about_nothing in ({"word": "ignore"}, {"holder": "hr|E17"}):
        assert client.ask(f"{path}0", "POST", form={"csrf": csrf, **about_nothing})[0] == 409
    assert len(house.book().words) == before


def test_an_empty_directory_says_what_to_do_next(
    chromium: Browser, postgres_server, tmp_path_factory
) -> None:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("empty-directory"))
    empty = DirectoryHouse(factory, empty=True)
    with serving(empty.app) as address:
        context = open_page(chromium, empty.site, address, "lena")
        page = context.new_page()
        for path in ("/directory", "/directory/places", "/directory/questions"):
            page.goto(address + path)
            expect(page.get_by_text("There is no directory yet")).to_be_visible()
            assert violations(page) == [], path
        page.goto(f"{address}/directory/said")
        expect(page.get_by_text("Nobody said anything yet")).to_be_visible()
        context.close()
    factory.close()
