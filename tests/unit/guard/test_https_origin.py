"""One origin over HTTPS: whom it believes, what it waits for, and where it does not go."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.key_services import FakeVault
from tests.support.patience import PATIENCE_S
from tests.support.tls_server import Reply, Served, authority, https_server, origin

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.https import (
    AddressRefused,
    HttpsOrigin,
    ServiceUnavailable,
    is_public,
    origin_of,
)


@pytest.fixture
def transit(tmp_path: Path) -> Iterator[Served]:
    with https_server(tmp_path, FakeVault()) as served:
        yield served


def test_another_authority_is_not_believed(transit: Served, tmp_path: Path) -> None:
    authority(tmp_path, "other")
    client = HttpsOrigin(transit.url, ca=tmp_path / "other.pem", allow_private=True)
    with pytest.raises(ServiceUnavailable, match="SSLCertVerificationError"):
        client.request("GET", "/")
    with pytest.raises(ServiceUnavailable, match="SSLCertVerificationError"):
        HttpsOrigin(transit.url, allow_private=True).request("GET", "/")
    assert transit.asked == []


def test_a_name_that_the_certificate_does_not_have_is_refused(
    transit: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1", *a, **k))
    url = transit.url.replace("localhost", "vault.example.org")
    with pytest.raises(ServiceUnavailable, match="SSLCertVerificationError"):
        HttpsOrigin(url, ca=transit.ca, allow_private=True).request("GET", "/")


def test_redirects_are_answers(tmp_path: Path) -> None:
    with https_server(tmp_path, lambda _: Reply(302, headers={"Location": "/there"})) as served:
        assert origin(served).request("GET", "/").status == 302
        assert len(served.asked) == 1


def test_large_answers_are_refused(tmp_path: Path) -> None:
    with https_server(tmp_path, lambda _: Reply(200, b"x" * 5000)) as served:
        with pytest.raises(ServiceUnavailable, match="larger"):
            origin(served, answer_bytes_max=4999).request("GET", "/")
        assert len(origin(served, answer_bytes_max=5000).request("GET", "/").body) == 5000


def test_short_answers_are_refused(tmp_path: Path) -> None:
    def lying(_: object) -> Reply:
        return Reply(200, b"short", {"Content-Length": "50", "Connection": "close"})

    with https_server(tmp_path, lying) as served, pytest.raises(ServiceUnavailable):
        origin(served, timeout_s=2).request("GET", "/")


def test_a_silent_service_is_given_up(tmp_path: Path) -> None:
    given_up = threading.Event()

    def slow(_: object) -> Reply:
        given_up.wait(PATIENCE_S)
        return Reply(200)

    with https_server(tmp_path, slow) as served:
        with pytest.raises(ServiceUnavailable):
            origin(served, timeout_s=0.3).request("GET", "/")
        given_up.set()


def test_a_dripping_service_is_given_up(tmp_path: Path) -> None:
    """Each byte comes in time; the whole does not."""
    with https_server(tmp_path, lambda _: Reply(200)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tmp_path / "server.pem")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            stop = threading.Event()
            whole = threading.Event()

            def drip() -> None:
                raw, _ = listener.accept()
                with context.wrap_socket(raw, server_side=True) as peer:
                    peer.recv(4096)
                    try:
                        for byte in b"HTTP/1.1 200 OK\r\n" + b"X" * 1000:
                            peer.send(bytes([byte]))
                            if stop.wait(0.05):
                                return
                    except OSError:
                        return
                    whole.set()

            thread = threading.Thread(target=drip)
            thread.start()
            client = HttpsOrigin(
                f"https://localhost:{listener.getsockname()[1]}",
                ca=tmp_path / "ca.pem",
                allow_private=True,
                timeout_s=0.6,
            )
            with pytest.raises(ServiceUnavailable):
                client.request("GET", "/")
            stop.set()
            thread.join()
            assert not whole.is_set()


def test_private_addresses_are_refused_unless_meant(transit: Served) -> None:
    with pytest.raises(AddressRefused):
        HttpsOrigin(transit.url, ca=transit.ca).request("GET", "/")
    assert transit.asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://vault.example.org",
        "https://user@vault.example.org",
        "https://good.example@evil.example",
        "https://good.example\\@evil.example",
        "https://good.example#@evil.example",
        "https://",
        "file:///etc/passwd",
        "https://exa mple.org",
        "https://ex\u00e4mple.org",
        "https://host:99999",
        "https://host%2eexample",
        "https://host/path",
        "https://host?query",
    ],
)
def test_only_plain_https_origins(url: str) -> None:
    with pytest.raises(ConfigurationError):
        HttpsOrigin(url)


def test_origins_compare_exactly() -> None:
    assert origin_of("https://A.example/x?y") == "https://a.example:443"
    assert origin_of("https://a.example:443") == origin_of("https://a.example")
    assert origin_of("https://a.example.evil.test") != origin_of("https://a.example")
    assert origin_of("https://[::1]:8200/") == "https://[::1]:8200"


def test_the_next_address_is_tried_and_all_are_looked_at(
    transit: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*addresses: str) -> None:
        entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 0)) for a in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", _only_for("localhost", entries))

    resolve("127.9.9.9", "127.0.0.1")  # nobody listens at the first
    headers = {"X-Vault-Request": "true"}
    assert origin(transit).request("GET", "/", headers).status == 403
    resolve("93.184.216.34", "127.0.0.1")
    with pytest.raises(AddressRefused):
        HttpsOrigin(transit.url, ca=transit.ca).request("GET", "/")


def _only_for(name: str, entries: list[Any]) -> Any:
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *args: Any, **more: Any) -> Any:
        return entries if host == name else real(host, *args, **more)

    return getaddrinfo


@pytest.mark.parametrize("path", ["", "x", "//evil.example/", "/a b", "/a\r\nX: y", "/\u00e4"])
def test_only_plain_paths(transit: Served, path: str) -> None:
    with pytest.raises(AddressRefused):
        origin(transit).request("GET", path)


def test_plain_http_only_to_this_machine() -> None:
    HttpsOrigin("http://127.0.0.1:1", allow_loopback_http=True)
    with pytest.raises(ConfigurationError):
        HttpsOrigin("http://idp.example.org", allow_loopback_http=True)
    with pytest.raises(ConfigurationError):
        HttpsOrigin("http://127.0.0.1:1")


def test_a_missing_authority_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem"):
        HttpsOrigin("https://a.example", ca=tmp_path / "nowhere.pem")
