"""Every page in a real browser: quiet, usable by keyboard, and exact."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect
from tests.browser.conftest import TABLET, open_page, watch
from tests.support.site import Site

pytestmark = pytest.mark.browser

FULLEST: dict[str, str] = {}


def person(page: Page, address: str) -> str:
    """Opens the fullest chart among those that changed last; its address."""
    if address not in FULLEST:
        page.goto(f"{address}/chart")
        hrefs = [str(a.get_attribute("href")) for a in page.locator("a.row-link").all()[:8]]
        shown = {}
        for href in hrefs:
            page.goto(f"{address}{href}")
            shown[href] = page.locator(".summary a.ev").count()
        FULLEST[address] = max(shown, key=lambda href: shown[href])
    page.goto(f"{address}{FULLEST[address]}")
    return f"{address}{FULLEST[address]}"


def first_message(page: Page, address: str, query: str) -> None:
    """The newest message that is open to this person: lists also name some that are not."""
    page.goto(f"{address}/messages?{query}")
    links = page.locator("a.row-link").evaluate_all("links => links.map((a) => a.href)")
    asked = page.context.request
    page.goto(next(link for link in links if asked.get(link).status == 200))


def marked(page: Page, scope: str = "") -> list[tuple[int, int, str]]:
    """What is highlighted: offsets and the text as it is drawn."""
    runs: list[list[str]] = page.eval_on_selector_all(
        f"{scope} .bv mark [data-a]".strip(),
        "(runs) => runs.map((r) => [r.dataset.a, r.dataset.b, r.textContent])",
    )
    return [(int(a), int(b), text) for a, b, text in runs]


def test_a_value_opens_its_exact_bytes(page: Page, address: str, site: Site) -> None:
    person(page, address)
    values = page.locator(".results .value > a.ev")
    checked = 0
    for i in range(min(values.count(), 20)):
        link = page.locator(".results .value > a.ev").nth(i)
        shown = link.inner_text()
        link.click()
        page.wait_for_selector("dialog[open] .bv mark")
        position = int(
            str(page.locator("dialog .facts a").first.get_attribute("href")).rpartition("/")[2]
        )
        body = site.store.detail(site.grant(), position).message.body
        runs = marked(page, "dialog")
        assert runs
        for a, b, text in runs:
            assert body[a:b].decode("utf-8", "replace") == text
        said = b"".join(body[a:b] for a, b, _ in runs).decode()
        assert shown in said or said in shown, (shown, said)
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
        checked += 1
    assert checked


def test_the_panel_takes_and_returns_the_focus(page: Page, address: str) -> None:
    person(page, address)
    link = page.locator(".summary a.ev").nth(2)
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open] #panel-evidence-title")).to_be_focused()
    for _ in range(40):  # focus never leaves the panel
        page.keyboard.press("Tab")
        assert page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator(".summary a.ev").nth(2)).to_be_focused()


def test_the_console_works_by_keyboard_alone(page: Page, address: str, site: Site) -> None:
    page.goto(f"{address}/feeds")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("g")
    page.keyboard.press("c")
    page.wait_for_url("**/chart")
    identifier = page.locator("td code").first.inner_text()
    name = page.locator("a.row-link").first.inner_text()
    page.keyboard.press("/")
    page.keyboard.type(identifier)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/chart/[0-9a-f-]{36}$"))
    expect(page.locator("h1")).to_have_text(name)
    page.keyboard.press("e")
    focused = page.evaluate("document.activeElement.className")
    assert "ev" in focused.split()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("m")
    page.wait_for_url("**/messages")
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator("a.row-link").nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/messages/\d+$"))


def test_single_keys_can_be_turned_off(page: Page, address: str) -> None:
    page.goto(f"{address}/help")
    page.get_by_role("button", name="Turn single-key shortcuts off").click()
    page.keyboard.press("g")
    page.keyboard.press("f")
    page.keyboard.press("?")
    page.wait_for_timeout(300)
    assert page.url == f"{address}/help"
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_row_of_the_loss_report_lights_its_bytes(page: Page, address: str, site: Site) -> None:
    first_message(page, address, "feed=adt&state=applied")
    position = int(page.url.rpartition("/")[2])
    body = site.store.detail(site.grant(), position).message.body
    rows = page.locator("tr[data-spans]")
    assert rows.count() > 20
    for i in (0, 5, rows.count() - 1):
        row = rows.nth(i)
        row.locator("a").focus()
        start, end = map(int, str(row.get_attribute("data-spans")).split("-"))
        lit = page.eval_on_selector_all(
            ".bv .lit", "(runs) => runs.map((r) => [+r.dataset.a, +r.dataset.b])"
        )
        assert lit
        assert min(a for a, _ in lit) == start
        assert max(b for _, b in lit) == end
        assert body[start:end]


def test_the_loss_report_filters_and_accounts_for_every_field(page: Page, address: str) -> None:
    first_message(page, address, "feed=adt&state=applied")
    shown = page.locator(".loss tbody tr.field:visible")
    everything = shown.count()
    total = 0
    for kind in ("Mapped", "Ignored", "Unmapped"):
        page.get_by_label(re.compile(f"^{kind}")).check()
        total += shown.count()
    assert total == everything > 0


def test_enter_beside_quarantined_messages_retries_nothing(page: Page, address: str) -> None:
    """It pressed "Retry selected", although a reason for opening a message was being written."""
    page.goto(f"{address}/quarantine")
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.method == "POST" else None)
    page.locator('input[name="position"]').first.check()
    reason = page.get_by_label("Reason for opening a message")
    reason.fill("the sender asks what was wrong")
    reason.press("Enter")
    page.wait_for_timeout(300)
    assert sent == []
    expect(reason).to_have_value("the sender asks what was wrong")


def test_quarantined_messages_can_be_retried(page: Page, address: str, site: Site) -> None:
    page.goto(f"{address}/quarantine")
    assert page.locator(".reasons .card").count() >= 1
    before = site.store.waiting(site.grant())
    page.get_by_label("Select all on this page").check()
    page.locator("input[name=position]").last.uncheck()
    chosen = page.locator("input[name=position]:checked").count()
    page.get_by_role("button", name="Retry selected").click()
    expect(page.get_by_role("status")).to_contain_text(f"{chosen} put back")
    assert site.store.waiting(site.grant()) == before + chosen
    site.apply()
    page.goto(f"{address}/quarantine")
    page.locator("button", has_text="Retry").last.click()
    expect(page.get_by_role("status")).to_contain_text("1 put back")
    site.apply()


def test_pages_follow_the_store_without_a_reload(page: Page, address: str, site: Site) -> None:
    page.clock.install()
    page.goto(f"{address}/feeds")
    page.evaluate("window.still = true")
    tile = page.locator(".tile dd").nth(1)
    before = tile.inner_text()
    site.land("adt", b"MSH|^~\\&|A|B|||20260301||ADT^A01|LIVE1|P|2.5\rPID|1||LIVE1^^^H^MR\r")
    site.apply()
    page.clock.run_for(30_000)
    expect(tile).not_to_have_text(before)
    assert page.evaluate("window.still")
    page.get_by_role("button", name="Pause updates").click()
    held = tile.inner_text()
    site.land("adt", b"MSH|^~\\&|A|B|||20260301||ADT^A01|LIVE2|P|2.5\rPID|1||LIVE1^^^H^MR\r")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(60_000)
    expect(tile).to_have_text(held)
    assert asked == []
    site.apply()


def test_everything_works_without_scripts(chromium: Browser, site: Site, address: str) -> None:
    context = open_page(chromium, site, address, java_script_enabled=False)
    page = context.new_page()
    person(page, address)
    page.locator("a.ev").first.click()
    page.wait_for_url("**/evidence/**")
    expect(page.locator("#evidence-title")).to_be_visible()
    page.locator(".evidence .facts a").first.click()
    expect(page.locator("h1")).to_contain_text("Message #")
    page.get_by_label(re.compile("^Mapped")).check()
    assert page.locator(".loss-unmapped:visible").count() == 0
    context.close()


#: On a ward today, under one of the house: or no chart of it would open to anybody.
HOSTILE = (
    b"MSH|^~\\&|A|B|||%b||ADT^A01|EVIL1|P|2.5\r"
    b'PID|1||EVIL1^^^H^MR||<script>alert(1)</script>^"><img src=x onerror=alert(1)>||19700101|F\r'
    b"PV1|1|I|{{7*7}}^\xe2\x80\xae'--^javascript:alert(1)||||SIMDR005^Kim^Jo^^^Dr^MD^^SGH^L^^^EI"
    b"||||||||||||EVIL1V^^^SGH^VN\r"
)


def test_a_hostile_message_stays_text(page: Page, address: str, site: Site) -> None:
    today = datetime.fromtimestamp(site.clock.now_us() / 1e6, UTC).strftime("%Y%m%d%H%M%S")
    (position,) = site.land("adt", HOSTILE % today.encode())
    site.apply()
    page.goto(f"{address}/messages/{position}")
    assert "<script>alert(1)</script>" in page.locator(".bv").inner_text()
    page.locator("dd a[href^='/chart/']").first.click()
    expect(page.locator("h1")).to_contain_text("<script>")
    assert page.locator("img").count() == 0
    page.locator("h1 a.ev").click()
    page.wait_for_selector("dialog[open] .bv mark")
    assert page.locator("img").count() == 0


def test_pages_print(page: Page, address: str) -> None:
    person(page, address)
    page.emulate_media(media="print")
    expect(page.locator(".top")).not_to_be_visible()
    expect(page.locator("h1")).to_be_visible()
    expect(page.locator(".results")).to_be_visible()


def test_the_watch_itself_sees_trouble(chromium: Browser, site: Site, address: str) -> None:
    """The check that every other test ends with is able to fail."""
    context = open_page(chromium, site, address)
    page = context.new_page()
    wrong = watch(page, address)
    page.goto(f"{address}/feeds")
    with page.expect_console_message(lambda said: "content security policy" in said.text.lower()):
        page.evaluate("""() => {
            const script = document.createElement('script');
            script.textContent = 'window.hacked = true';
            document.body.append(script);
        }""")
    assert page.evaluate("window.hacked") is None
    assert any("content security policy" in text.lower() for text in wrong)
    context.close()


@pytest.mark.parametrize("address_path", ["/quarantine", "/messages"])
def test_lists_fit_a_tablet(chromium: Browser, site: Site, address: str, address_path: str) -> None:
    context = open_page(chromium, site, address, viewport=TABLET)
    page = context.new_page()
    page.goto(address + address_path)
    hidden = page.locator(".table-wrap").evaluate("e => e.scrollWidth - e.clientWidth")
    heights = page.locator("tbody tr").evaluate_all("rows => rows.map(r => r.clientHeight)")
    context.close()
    assert hidden <= (0 if address_path == "/quarantine" else 200)
    assert max(heights) < 110
