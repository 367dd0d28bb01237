"""uvicorn's protocol with our limits, byte by byte: what was refused stays refused."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from chartloom.domain.errors import ConfigurationError
from chartloom.sources.guarded_http import HttpLimits, guarded_http

GOOD = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


class Wire(asyncio.Transport):
    """A connection that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    #: The certificate that the other side showed.
    shown: bytes | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name == "ssl_object" and self.shown is not None:
            return SimpleNamespace(getpeercert=lambda binary_form: self.shown)
        return {"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)}.get(name, default)

    def write(self, data: Any) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_protocol(self, protocol: Any) -> None:
        pass


class Talk:
    """A protocol with its wire, and what reached the application."""

    def __init__(self, **limits: Any) -> None:
        self.wire, self.bodies = Wire(), list[bytes]()
        config = Config(
            self._app, http=guarded_http(HttpLimits(**limits)), lifespan="off", interface="asgi3",
            log_config=None,
        )  # fmt: skip
        config.load()
        kind: Any = config.http_protocol_class
        self.protocol = kind(config, ServerState(), {})
        self.protocol.connection_made(self.wire)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.protocol.data_received(piece)
            for _ in range(5):
                await asyncio.sleep(0)

    def answers(self) -> list[bytes]:
        return [w.split(b"\r\n", 1)[0] for w in self.wire.written if w.startswith(b"HTTP/1.1")]

    def end(self) -> None:
        self.protocol.connection_lost(None)


def talk(what: Callable[[Talk], Any], **limits: Any) -> Talk:
    async def run() -> Talk:
        made = Talk(**limits)
        await what(made)
        made.end()
        await asyncio.sleep(0)
        return made

    return asyncio.run(run())


def test_a_good_request_reaches_the_application() -> None:
    made = talk(lambda t: t.say(GOOD))
    assert made.bodies == [b"hi"]
    assert made.answers() == [b"HTTP/1.1 204 No Content"]


@pytest.mark.parametrize("cut", [10, 40, -1])
def test_a_body_is_no_head_however_it_comes(cut: int) -> None:
    """The last piece of a body was counted as if it were of the next head."""
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"
    cut = len(head) if cut < 0 else cut
    pieces = head[:cut], head[cut:] + b"h" * 9000
    made = talk(lambda t: t.say(*pieces, *pieces), head_bytes_max=500)
    assert made.bodies == [b"h" * 9000] * 2
    assert made.answers() == [b"HTTP/1.1 204 No Content"] * 2


def test_after_a_body_no_head_is_awaited_until_it_begins() -> None:
    async def wait(made: Talk) -> None:
        await made.say(GOOD[:-2], GOOD[-2:])
        await asyncio.sleep(0.2)

    made = talk(wait, head_s=0.05)
    assert made.answers() == [b"HTTP/1.1 204 No Content"]


@pytest.mark.parametrize("piece", [b"\r\n", b"X-Y: z\r\n", b"z"])
def test_a_head_without_end_is_still_cut(piece: bytes) -> None:
    begun = b"" if piece == b"\r\n" else b"GET / HTTP/1.1\r\nX-A: "
    pieces = [GOOD, begun, *[piece * 20] * 40]
    made = talk(lambda t: t.say(*[p for p in pieces if p]), head_bytes_max=500)
    assert made.answers()[-1] == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert made.wire.closed


def test_after_one_connection_too_many_nothing_reaches_the_application() -> None:
    made = talk(lambda t: t.say(GOOD), connections_max=0)
    assert made.bodies == []
    assert made.answers() == [b"HTTP/1.1 503 Service Unavailable"]
    assert made.wire.closed


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /" + b"x" * 200 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 400 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
    ],
)
def test_what_comes_after_a_refusal_is_not_heard(request_: bytes, status: bytes) -> None:
    async def insist(made: Talk) -> None:
        await made.say(request_, GOOD, GOOD)
        assert made.protocol._head_timer is None  # nobody waits for the rest

    made = talk(insist, target_bytes_max=100, head_bytes_max=300)
    assert made.bodies == []
    [answer] = made.wire.written
    assert answer.split()[1] == status
    assert answer.endswith(b"content-length: 0\r\nconnection: close\r\n\r\n")
    assert made.wire.closed


def test_a_refusal_is_told_once() -> None:
    async def twice(made: Talk) -> None:
        made.protocol._refuse(408)
        made.protocol._refuse(431)

    assert talk(twice).answers() == [b"HTTP/1.1 408 Request Timeout"]


def test_a_body_is_no_head() -> None:
    """However long it is and in however many pieces it comes; its reader has limits of its own."""

    async def long_body(made: Talk) -> None:
        await made.say(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n")
        for _ in range(50):
            await made.say(b"x" * 100)
            if len(made.bodies) == 0:
                assert made.protocol._head_timer is None

    made = talk(long_body, head_bytes_max=300)
    assert [len(b) for b in made.bodies] == [5000]
    assert made.answers() == [b"HTTP/1.1 204 No Content"]


def test_an_endless_head_is_refused_before_it_ends() -> None:
    async def drip(made: Talk) -> None:
        await made.say(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
        await made.say(*[b"x" * 100] * 4)

    assert talk(drip, head_bytes_max=300).answers() == [
        b"HTTP/1.1 431 Request Header Fields Too Large"
    ]


@pytest.mark.parametrize(
    ("shown", "list_fails", "reached"),
    [(b"good", False, True), (b"", False, True), (b"bad", False, False), (b"good", True, False)],
)
def test_whose_certificate_is_denied_is_turned_away_at_once(
    monkeypatch: pytest.MonkeyPatch, shown: bytes, list_fails: bool, reached: bool
) -> None:
    """Also while the list of denied certificates cannot be read."""

    def denied(certificate: bytes) -> bool:
        if list_fails:
            raise ConfigurationError("cannot be read")
        return certificate == b"bad"

    made_with = guarded_http
    monkeypatch.setattr(Wire, "shown", shown)
    monkeypatch.setattr(sys.modules[__name__], "guarded_http",
                        lambda limits: made_with(limits, denied))  # fmt: skip
    made = talk(lambda t: t.say(GOOD))
    assert made.bodies == ([b"hi"] if reached else [])
    assert made.answers()[0].split()[1] == (b"204" if reached else b"403")


def test_without_a_list_nobody_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wire, "shown", b"any")
    assert talk(lambda t: t.say(GOOD)).bodies == [b"hi"]
