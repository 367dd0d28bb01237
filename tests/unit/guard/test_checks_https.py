"""Plain HTTP on this machine, addresses that are none, and key folders of another time."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.guard import Guard
from chartloom.guard.https import AddressRefused, HttpsOrigin, ServiceUnavailable, origin_of


@contextlib.contextmanager
def answering(answer: bytes, *, close: bool) -> Iterator[str]:
    """A server on this machine that sends these bytes, whatever it is asked."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                if not close:
                    done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        done.set()
        thread.join(10)


def ask(url: str, timeout_s: float = 5.0) -> bytes:
    return HttpsOrigin(url, allow_loopback_http=True, timeout_s=timeout_s).request("GET", "/").body


def test_an_answer_that_ends_with_the_connection_is_whole() -> None:
    with answering(b"HTTP/1.0 200 OK\r\n\r\nwhole", close=True) as url:
        assert ask(url) == b"whole"


def test_an_answer_that_was_cut_at_the_deadline_is_none() -> None:
    with (
        answering(b"HTTP/1.0 200 OK\r\n\r\nthe first half", close=False) as url,
        pytest.raises(ServiceUnavailable),
    ):
        ask(url, timeout_s=0.3)


def test_an_answer_shorter_than_it_says_is_none() -> None:
    short = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"
    with answering(short, close=True) as url, pytest.raises(ServiceUnavailable):
        ask(url)


def test_plain_http_does_not_leave_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    for elsewhere in ("10.0.0.1", "192.0.2.1", "2001:db8::1"):
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *a, to=elsewhere, **k: real(to, *a, **k)
        )
        with pytest.raises(AddressRefused):
            ask("http://localhost:1")


@pytest.mark.parametrize(
    "url",
    [
        "https://north.example\\@evil.example/", "https://north.example/a\\b", "ftp://north.example/",
        "file:///etc/passwd", "javascript://north.example/", "https://u:p@north.example/",
        "https://north.example/#x", "https:///x", "https://north%2eexample/", "//north.example/",
        "https://n\u00f6rth.example/", "https://north.example/\n", "https://north.example/ x",
        "https://north.example:99999/", "https://north.example/\x7f",
    ],
)  # fmt: skip
def test_an_unusual_address_has_no_origin(url: str) -> None:
    with pytest.raises(ConfigurationError):
        origin_of(url)


def test_keys_of_another_format_are_not_guessed_at(tmp_path: Path) -> None:
    Guard.open(tmp_path / "keys")
    site = tmp_path / "keys" / "site.json"
    site.write_text(site.read_text().replace('"format":1', '"format":2'))
    with pytest.raises(ConfigurationError):
        Guard.open(tmp_path / "keys")


def test_without_subject_keys_nobody_is_destroyed(tmp_path: Path) -> None:
    assert Guard.open(tmp_path / "keys").prepare(["p"]) == frozenset()
