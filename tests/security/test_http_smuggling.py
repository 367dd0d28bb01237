"""Requests that two readers could take for different ones: one reading, or none at all.

Against both doors that speak HTTP, over real sockets: the FHIR source, and the server under the
console. Whatever is odd about where a request ends is refused, and the connection is closed, so
that nothing behind it is ever read as a request of its own.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.support.ingest import ListLanding, run, server

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.sources import HttpLimits, guarded_http

BODY = b'{"resourceType":"Patient"}'
HIDDEN = (
    b"POST /smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
    b"Content-Length: 26\r\n\r\n" + BODY
)


def head(*lines: bytes, version: bytes = b"HTTP/1.1", path: bytes = b"/") -> bytes:
    kind = b"Content-Type: application/fhir+json"
    return (
        b"\r\n".join([b"POST " + path + b" " + version, b"Host: localhost", kind, *lines])
        + b"\r\n\r\n"
    )


LENGTH = b"Content-Length: 26"
CHUNKED = b"Transfer-Encoding: chunked"
ONE_CHUNK = b"1a\r\n" + BODY + b"\r\n0\r\n\r\n"

#: Name -> bytes of a connection. None of them may be taken for more than one request.
ODD: dict[str, bytes] = {
    "length and chunked": head(LENGTH, CHUNKED) + b"0\r\n\r\n" + HIDDEN,
    "chunked and length": head(CHUNKED, LENGTH) + ONE_CHUNK + HIDDEN,
    "length, then chunked with zero": head(b"Content-Length: 4", CHUNKED) + b"1a\r\n" + HIDDEN,
    "two lengths that differ": head(LENGTH, b"Content-Length: 0") + HIDDEN,
    "two lengths alike": head(LENGTH, LENGTH) + BODY + HIDDEN,
    "a list of lengths": head(b"Content-Length: 26, 0") + BODY + HIDDEN,
    "a signed length": head(b"Content-Length: +26") + BODY + HIDDEN,
    "a negative length": head(b"Content-Length: -1") + BODY + HIDDEN,
    "a hexadecimal length": head(b"Content-Length: 0x1a") + BODY + HIDDEN,
    "an endless length": head(b"Content-Length: 99999999999999999999999999") + BODY + HIDDEN,
    "an empty length": head(b"Content-Length:") + HIDDEN,
    "a length with a blank inside": head(b"Content-Length: 2 6") + BODY + HIDDEN,
    "a blank before the colon": head(b"Content-Length : 26") + BODY + HIDDEN,
    "chunked with a blank before the colon": head(b"Transfer-Encoding : chunked") + ONE_CHUNK,
    "chunked twice": head(CHUNKED, CHUNKED) + ONE_CHUNK + HIDDEN,
    "chunked, identity": head(b"Transfer-Encoding: chunked, identity") + ONE_CHUNK + HIDDEN,
    "identity with length": head(b"Transfer-Encoding: identity", LENGTH) + BODY + HIDDEN,
    "an unknown coding": head(b"Transfer-Encoding: xchunked") + ONE_CHUNK + HIDDEN,
    "a coding behind a vertical tab": head(b"Transfer-Encoding: \x0bchunked") + ONE_CHUNK,
    "a folded header": head(b"Transfer-Encoding:\r\n chunked") + ONE_CHUNK + HIDDEN,
    "a folded length": head(b"X-A: b\r\n Content-Length: 0", LENGTH) + BODY + HIDDEN,
    "a first header that is folded": b"POST / HTTP/1.1\r\n Host: localhost\r\n\r\n" + HIDDEN,
    "a zero byte in a header": head(b"X-A: b\x00c", LENGTH) + BODY + HIDDEN,
    "a bare CR in a header": head(b"X-A: b\rContent-Length: 0", LENGTH) + BODY + HIDDEN,
    "a header without a colon": head(b"Nothing", LENGTH) + BODY + HIDDEN,
    "a chunk size with a sign": head(CHUNKED) + b"+1a\r\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN,
    "a chunk size with 0x": head(CHUNKED) + b"0x1a\r\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN,
    "an endless chunk size": head(CHUNKED) + b"f" * 20 + b"\r\n" + BODY + HIDDEN,
    "a chunk that is longer than it says": head(CHUNKED) + b"5\r\n" + BODY + b"\r\n0\r\n\r\n",
    "a chunk without its line end": head(CHUNKED) + b"1a\r\n" + BODY + b"0\r\n\r\n" + HIDDEN,
    "a blank before a chunk size": head(CHUNKED) + b" 1a\r\n" + BODY + b"\r\n0\r\n\r\n" + HIDDEN,
    "chunked in HTTP/1.0": head(CHUNKED, version=b"HTTP/1.0") + ONE_CHUNK + HIDDEN,
    "HTTP/2 by prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,
    "HTTP/0.9": b"GET /\r\n\r\n" + HIDDEN,
    "an unknown version": head(LENGTH, version=b"HTTP/9.9") + BODY + HIDDEN,
    "a method with odd letters": b"P\x80ST / HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN,
    "a blank in the target": b"POST / x HTTP/1.1\r\nHost: localhost\r\n\r\n" + HIDDEN,
}

#: Bodies that are one request and nothing else, in unusual but permitted form.
PLAIN: dict[str, bytes] = {
    "length": head(LENGTH) + BODY,
    "chunked": head(CHUNKED) + ONE_CHUNK,
    "chunks with extensions": head(CHUNKED) + b"1a;a=b\r\n" + BODY + b"\r\n0\r\n\r\n",
    "chunks with a trailer": head(CHUNKED) + b"1a\r\n" + BODY + b"\r\n0\r\nX-T: 1\r\n\r\n",
}


def converse(address: tuple[str, int], said: bytes) -> bytes:
    """Everything that is answered until the other side closes or is silent."""
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall(said)
        connection.settimeout(0.5)
        heard = b""
        try:
            while data := connection.recv(65536):
                heard += data
        except TimeoutError:
            pass
        except ConnectionResetError:
            pass
        return heard


def statuses(heard: bytes) -> list[int]:
    return [int(part[:3]) for part in heard.split(b"HTTP/1.1 ")[1:]]


class Console:
    """The server under the console, with an application that writes down what it is asked."""

    def __init__(self) -> None:
        self.paths: list[str] = []

        async def answer(request: Request) -> Response:
            await request.body()
            self.paths.append(request.url.path)
            return PlainTextResponse("ok")

        app = Starlette(routes=[Route("/{rest:path}", answer, methods=["GET", "POST"])])
        self.socket = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", http=guarded_http(HttpLimits())
        )
        self.server = uvicorn.Server(config)
        args = ([self.socket],)
        self.thread = threading.Thread(target=self.server.run, args=args, daemon=True)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def close(self) -> None:
        self.server.should_exit = True
        self.thread.join(10)
        self.socket.close()


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    made = Console()
    yield made
    made.close()


def on_source(said: dict[str, bytes]) -> dict[str, tuple[list[int], int]]:
    """Name -> statuses of the FHIR source, and how many messages were landed."""
    options: dict[str, Any] = {"port": 0}
    feed = Feed("web", "D", "o@example.org", "http", Format.FHIR, options=options)
    landing = ListLanding()
    found = {}

    async def main() -> None:
        async with server([feed], landing) as ingest:
            address = ingest.ready()["web"]
            assert address is not None
            for name, content in said.items():
                before = len(landing.arrivals)
                heard = await asyncio.to_thread(converse, address, content)
                found[name] = (statuses(heard), len(landing.arrivals) - before)

    run(main)
    return found


def test_the_source_never_lands_what_hides_behind_a_request() -> None:
    found = on_source(ODD)
    twice = {name: seen for name, seen in found.items() if len(seen[0]) > 1 or seen[1] > 1}
    assert twice == {}
    # Where it is unclear where the request ends, nothing is kept at all.
    assert {name: seen for name, seen in found.items() if seen[1] and 400 not in seen[0]} == {}


def test_the_source_takes_what_is_plain() -> None:
    assert on_source(PLAIN) == {name: ([202], 1) for name in PLAIN}


@pytest.mark.parametrize("name", ODD)
def test_the_console_never_runs_what_hides_behind_a_request(console: Console, name: str) -> None:
    console.paths.clear()
    heard = converse(console.socket.getsockname(), ODD[name])
    assert "/smuggled" not in console.paths
    assert len(statuses(heard)) <= 1
    assert 200 not in statuses(heard)


@pytest.mark.parametrize("name", PLAIN)
def test_the_console_takes_what_is_plain(console: Console, name: str) -> None:
    assert statuses(converse(console.socket.getsockname(), PLAIN[name])) == [200]


def test_pipelined_requests_are_answered_in_order(console: Console) -> None:
    console.paths.clear()
    wanted = [f"/p{n}" for n in range(20)]
    said = b"".join(head(LENGTH, path=path.encode()) + BODY for path in wanted)
    assert statuses(converse(console.socket.getsockname(), said)) == [200] * 20
    assert console.paths == wanted
