"""A name that was made to lead to this machine (DNS rebinding) opens no door of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.browser.test_console_http import Client
from tests.scenario.test_http_source import BUNDLE, http_feed, post
from tests.support.ingest import ListLanding, message, run, server
from tests.support.postgres import StoreFactory
from tests.support.site import ShiftedClock, Site, serving

from chartloom.domain.message import Format
from chartloom.serve import MetricsRule

EVIL = ("evil.example.org", "evil.example.org:8420", "127.0.0.1.evil.example.org", "0.0.0.0", "")
HERE = ("localhost", "localhost:8420", "127.0.0.1", "[::1]:8420", "LocalHost")


@pytest.fixture(scope="module")
def site(postgres_server, tmp_path_factory) -> Iterator[Site]:
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("rebinding"))
    clock = ShiftedClock()
    yield Site(factory(clock=clock), clock)
    factory.close()


@pytest.fixture(scope="module")
def console(site: Site) -> Iterator[Client]:
    with serving(site.app(metrics=MetricsRule())) as url:
        client = Client(url)
        client.cookie = site.sign_in()
        yield client


#: Pages, the API, the doors for signing in and for machines, files.
PATHS = (
    "/", "/chart", "/feeds", "/audit", "/api/feeds", "/sign-in", "/enter?token=x", "/token",
    "/jwks.json", "/healthz", "/readyz", "/metrics", "/static/x/console.css", "/nowhere",
)  # fmt: skip


@pytest.mark.parametrize("host", EVIL)
@pytest.mark.parametrize("path", PATHS)
def test_no_page_of_the_console_answers_under_another_name(
    console: Client, path: str, host: str
) -> None:
    for method in ("GET", "POST"):
        status, _, text = console.ask(path, method, Host=host)
        assert status == 400, (method, path, host)
        assert "python_info" not in text


@pytest.mark.parametrize("host", HERE)
@pytest.mark.parametrize("path", ["/feeds", "/healthz", "/readyz", "/metrics"])
def test_the_names_of_this_machine_do(console: Client, path: str, host: str) -> None:
    assert console.ask(path, Host=host)[0] == 200


@pytest.mark.parametrize("format_", [Format.FHIR, Format.HL7V2])
def test_a_feed_that_asks_nobody_is_for_programs_of_this_machine(format_: Format) -> None:
    landing = ListLanding()
    kind = "application/fhir+json" if format_ is Format.FHIR else "text/plain"

    async def main() -> None:
        async with server([http_feed(format_)], landing) as ingest:

            async def send(**headers: str) -> int:
                body = BUNDLE if format_ is Format.FHIR else message("M1")
                return (await post(ingest, body, kind=kind, **headers)).status

            for host in EVIL[:-1]:
                assert await send(Host=host) == 400, host
            # A form of any web page can send text without asking first.
            assert await send(Origin="https://evil.example.org") == 403
            assert await send(Origin="null") == 403
            assert await send(Sec_Fetch_Site="cross-site") == 403
            assert landing.arrivals == []
            for host in HERE:
                assert await send(Host=host) < 300, host
            assert landing.arrivals

    run(main)


def test_a_feed_that_asks_for_a_token_has_whatever_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no token gets nothing, and names of a network are not known here."""
    monkeypatch.setenv("FEED_TOKEN", "t" * 40)
    landing = ListLanding()

    async def main() -> None:
        async with server([http_feed(token_env="FEED_TOKEN")], landing) as ingest:
            evil = {"Host": "lab.example.org"}
            assert (await post(ingest, BUNDLE, **evil)).status == 401
            right = {"Authorization": f"Bearer {'t' * 40}", **evil}
            assert (await post(ingest, BUNDLE, **right)).status == 202

    run(main)
