"""The HTTP door of a feed by itself: each request that it refuses, of which nothing is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from starlette.requests import Request
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError, LandingRefused, StoreUnavailable
from chartloom.domain.feed import Feed, FeedLimits
from chartloom.domain.message import Arrival, Format, LandingOutcome, Receipt
from chartloom.guard.clients import PEER
from chartloom.guard.tokens import TokenRefused
from chartloom.sources.batches import BATCH_MESSAGES_MAX
from chartloom.sources.context import SourceContext
from chartloom.sources.fhir_rest.app import Door
from chartloom.sources.fhir_rest.source import HttpSource, bearer_token
from chartloom.sources.limits import ByteBudget
from chartloom.sources.stats import FeedStats

PATIENT = b'{"resourceType":"Patient","id":"p","identifier":[{"system":"urn:x","value":"1"}]}'
FHIR = {"content-type": "application/fhir+json"}


class Landing:
    """Lands at once, or answers what it was told to."""

    congested = False

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.answer: Any = None

    def submit(self, arrival: Arrival, done: Any) -> None:
        if self.answer is not None:
            done(self.answer)
            return
        self.arrivals.append(arrival)
        done(Receipt(len(self.arrivals), LandingOutcome.LANDED))

    def when_clear(self, resume: Any) -> None:
        resume()


class Admission:
    """Knows a token, a certificate, and what they may send."""

    def guards(self, feed: Feed) -> bool:
        return feed.name == "guarded"

    def by_certificate(self, feed: Feed, certificate: bytes, kind: str = "") -> str:
        return "lab" if certificate == b"der" else ""

    def by_token(self, feed: Feed, token: str, certificate: bytes, kind: str = "") -> str:
        if token != "good":
            raise TokenRefused("signature" if token != "narrow" else "scope")
        return "lab"


class Here:
    def __init__(
        self, name: str = "web", token: str = "", format_: Format = Format.FHIR, **limits: Any
    ) -> None:
        self.landing, self.stats = Landing(), FeedStats()
        feed = Feed(
            name, "lab", "it", "http", format_, options={"path": "/in", "host": "127.0.0.1"},
            limits=FeedLimits(**limits),
        )  # fmt: skip
        context = SourceContext(
            feed, self.landing, FakeClock(), UUID(int=1), self.stats, ByteBudget(10_000_000),
            lambda: "1", admission=Admission(),  # type: ignore[arg-type]
        )  # fmt: skip
        self.door = Door(context, token)

    def ask(
        self, path: str = "/in", method: str = "POST", headers: Mapping[str, str] = FHIR,
        body: bytes = PATIENT, *, peer: bytes = b"", chunks: int = 1,
    ) -> int:  # fmt: skip
        size = max(1, -(-len(body) // chunks))
        parts = [body[i : i + size] for i in range(0, len(body), size)] or [b""]
        asked = {"host": "localhost", **headers}
        scope = {
            "type": "http", "method": method, "path": path, "query_string": b"", PEER: peer,
            "headers": [(k.lower().encode(), v.encode()) for k, v in asked.items()],
            "scheme": "http", "server": ("localhost", 80), "client": ("127.0.0.1", 1),
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        return asyncio.run(self.door.handle(Request(scope, receive))).status_code

    def refused(self, status: int, **asked: Any) -> None:
        before = len(self.landing.arrivals)
        assert self.ask(**asked) == status
        assert len(self.landing.arrivals) == before


@pytest.fixture
def here() -> Here:
    return Here()


def test_a_resource_is_landed(here: Here) -> None:
    assert here.ask() // 100 == 2
    assert here.ask("/in/Patient", chunks=3) // 100 == 2
    assert [a.body for a in here.landing.arrivals] == [PATIENT] * 2


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_posts_are_taken(here: Here, method: str) -> None:
    here.refused(405, method=method)


@pytest.mark.parametrize(
    "path", ["/", "/x", "/in/patient", "/in/Patient/1", "/in/$x", "/inPatient"]
)
def test_other_addresses_are_not_there(here: Here, path: str) -> None:
    here.refused(404, path=path)


def test_a_feed_of_hl7_knows_no_types() -> None:
    here = Here(format_=Format.HL7V2)
    here.refused(404, path="/in/Patient", headers={"content-type": "application/hl7-v2"})


def test_what_is_too_large_is_refused_by_what_it_says_and_by_what_it_is() -> None:
    here = Here(message_size_bytes_max=len(PATIENT))
    said = {**FHIR, "content-length": str(len(PATIENT) + 1)}
    here.refused(413, headers=said, body=b"")
    here.refused(413, body=PATIENT + b" ", chunks=4)
    assert here.ask(headers={**FHIR, "content-length": str(len(PATIENT))}) // 100 == 2


def test_a_body_is_there_and_whole(here: Here) -> None:
    here.refused(400, body=b"")
    here.refused(400, headers={**FHIR, "content-length": str(len(PATIENT) + 1)})
    here.refused(400, headers={**FHIR, "content-length": "5"}, body=b"")


def test_too_many_at_once_are_refused() -> None:
    here = Here(messages_per_second_max=1)
    answers = [here.ask() for _ in range(4)]
    assert answers[0] // 100 == 2
    assert answers[-1] == 429
    assert len(here.landing.arrivals) < 4


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 400),
        ({"host": ""}, 400),
        ({"origin": "http://localhost"}, 403),
        ({"sec-fetch-site": "same-origin"}, 403),
    ],
)
def test_a_feed_that_asks_nobody_is_not_for_browsers(
    here: Here, headers: dict[str, str], status: int
) -> None:
    here.refused(status, headers={**FHIR, **headers})
    named = Here(token="secret")
    good = {**FHIR, **headers, "authorization": "Bearer secret"}
    assert named.ask(headers=good) // 100 == 2


@pytest.mark.parametrize(
    ("authorization", "peer", "status"),
    [
        ("", b"", 401),
        ("Bearer wrong", b"", 401),
        ("Bearer narrow", b"", 403),
        ("Basic good", b"", 401),
        ("Bearer good", b"", 201),
        ("", b"der", 201),
        ("", b"other", 401),
        ("Bearer wrong", b"der", 401),
        ("Bearer ", b"der", 201),
    ],
)
def test_a_guarded_feed_knows_who_sends(authorization: str, peer: bytes, status: int) -> None:
    here = Here("guarded")
    found = here.ask(headers={**FHIR, "authorization": authorization}, peer=peer)
    assert found // 100 == status // 100
    assert status // 100 == 2 or found == status
    assert len(here.landing.arrivals) == (status // 100 == 2)


@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "Basic secret", "secret"])
def test_a_feed_with_a_token_of_its_own_asks_for_it(given: str) -> None:
    here = Here(token="secret")
    here.refused(401, headers={**FHIR, "authorization": given})
    here.refused(401, headers={**FHIR, "authorization": given}, peer=b"der")


@pytest.mark.parametrize(
    ("answer", "status"), [(StoreUnavailable("x"), 503), (LandingRefused("x"), 422)]
)
def test_what_the_store_did_not_take_is_no_success(
    here: Here, answer: Exception, status: int
) -> None:
    here.landing.answer = answer
    here.refused(status)
    assert here.stats.in_flight == 0


def test_what_does_not_fit_beside_others_is_refused(here: Here) -> None:
    here.door._context = SimpleNamespace(  # type: ignore[assignment]
        **{**vars_of(here.door._context), "budget": ByteBudget(100_000)}
    )
    here.refused(503, body=b" " * 200_000, chunks=4)


def vars_of(context: SourceContext) -> dict[str, Any]:
    names = ("feed", "lander", "clock", "namespace", "stats", "next_control_id", "admission")
    return {name: getattr(context, name) for name in names} | {"note": context.note}


def test_a_body_of_too_many_messages_is_refused_as_a_whole() -> None:
    many = Here(format_=Format.HL7V2)
    hl7 = {"content-type": "application/hl7-v2"}
    message = b"MSH|^~\\&|A|B|C|D|20260101||ADT^A01|1|P|2.5\rPID|||1^^^H^MR\r"
    many.refused(413, headers=hl7, body=message + b"MSH|^~\\&|\r" * BATCH_MESSAGES_MAX)
    assert many.ask(headers=hl7, body=message) == 200
    assert len(many.landing.arrivals) == 1


def test_a_feed_that_asks_nobody_does_not_listen_in_the_network() -> None:
    def start(**options: object) -> None:
        feed = Feed(
            "web", "lab", "it", "http", Format.FHIR, options={"path": "/in", "port": 0, **options}
        )
        context = SourceContext(
            feed, Landing(), FakeClock(), UUID(int=1), FeedStats(), ByteBudget(10_000_000),
            lambda: "1",
        )  # fmt: skip
        source = HttpSource(context)

        async def tried() -> None:
            await source.start()
            await source.stop(1.0)

        asyncio.run(tried())

    start(host="127.0.0.1")
    with pytest.raises(ConfigurationError, match="anybody in the network"):
        start(host="0.0.0.0")


def test_a_token_that_is_empty_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARTLOOM_TEST_TOKEN", "  ")
    named = Feed(
        "web", "lab", "it", "http", Format.FHIR, options={"token_env": "CHARTLOOM_TEST_TOKEN"}
    )
    context: object = SimpleNamespace(feed=named, path=lambda option: None)
    with pytest.raises(ConfigurationError, match="is empty"):
        bearer_token(context)  # type: ignore[arg-type]
    monkeypatch.setenv("CHARTLOOM_TEST_TOKEN", " secret ")
    assert bearer_token(context) == "secret"  # type: ignore[arg-type]
