"""Clients that hold a server by saying little, or far too much: over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from tests.support.patience import PATIENCE_S

from chartloom.sources import HttpLimits, guarded_http

LIMITS = HttpLimits(head_s=0.4, target_bytes_max=500, head_bytes_max=2000, connections_max=3)
WHOLE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def hello(request: Request) -> Response:
    body = await request.body()
    return PlainTextResponse(f"hello {len(body)}")


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    app = Starlette(routes=[Route("/{rest:path}", hello, methods=["GET", "POST"])])
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", http=guarded_http(LIMITS), timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield listening.getsockname()
    server.should_exit = True
    thread.join(10)
    listening.close()


@contextmanager
def connected(address: tuple[str, int]) -> Iterator[socket.socket]:
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
        yield connection
    time.sleep(0.02)  # until the server has seen that it is gone


def until_closed(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def status_of(connection: socket.socket) -> bytes:
    return connection.recv(65536)[:12]


@pytest.mark.parametrize(
    "said",
    [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: 1", WHOLE + b"PO"],
)
def test_a_head_that_does_not_end_is_cut(address: tuple[str, int], said: bytes) -> None:
    began_s = time.monotonic()
    with connected(address) as connection:
        connection.sendall(said)
        assert b"408 Request Timeout" in until_closed(connection)
    assert time.monotonic() - began_s > 0.3


def test_line_ends_between_requests_do_not_hold_a_connection(address: tuple[str, int]) -> None:
    with connected(address) as connection:
        connection.sendall(WHOLE)
        assert status_of(connection) == b"HTTP/1.1 200"
        connection.sendall(b"\r\n")
        assert until_closed(connection).startswith(b"HTTP/1.1 408")


def test_dripping_does_not_help(address: tuple[str, int]) -> None:
    began_s = time.monotonic()
    with connected(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX-Drip: ")
        with pytest.raises(OSError):  # noqa: PT011, PT012 - a reset or a broken pipe
            while time.monotonic() - began_s < PATIENCE_S:
                connection.sendall(b"x")
                time.sleep(0.05)
    assert time.monotonic() - began_s < PATIENCE_S


def test_a_body_may_take_longer_than_a_head(address: tuple[str, int]) -> None:
    with connected(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab")
        time.sleep(0.7)
        connection.sendall(b"cd")
        assert b"hello 4" in connection.recv(65536)


def test_a_quiet_connection_is_kept_between_requests(address: tuple[str, int]) -> None:
    with connected(address) as connection:
        for _ in range(2):
            connection.sendall(WHOLE)
            assert status_of(connection) == b"HTTP/1.1 200"
            time.sleep(0.7)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /" + b"x" * 600 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(400)) + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 3000 + b"\r\n\r\n", b"431"),
    ],
)
def test_heads_have_a_size(address: tuple[str, int], said: bytes, status: bytes) -> None:
    with connected(address) as connection:
        connection.sendall(said)
        answer = until_closed(connection)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"200" not in answer


def test_one_endless_header_is_cut_before_it_ends(address: tuple[str, int]) -> None:
    with connected(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        for _ in range(3):
            time.sleep(0.03)
            connection.sendall(b"x" * 900)
        assert until_closed(connection).startswith(b"HTTP/1.1 431")


def test_bytes_of_a_body_do_not_count_as_head(address: tuple[str, int]) -> None:
    with connected(address) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n")
        time.sleep(0.05)
        connection.sendall(b"x" * 9000 + WHOLE[:10])
        time.sleep(0.05)
        connection.sendall(WHOLE[10:])
        received = b""
        while received.count(b"hello") < 2:
            received += connection.recv(65536)
        assert b"hello 9000" in received


def test_connections_beyond_the_number_are_told_so(address: tuple[str, int]) -> None:
    with (
        connected(address),
        connected(address),
        connected(address),
        connected(address) as fourth,
    ):
        assert until_closed(fourth).startswith(b"HTTP/1.1 503")
    with connected(address) as again:
        again.sendall(WHOLE)
        assert status_of(again) == b"HTTP/1.1 200"
