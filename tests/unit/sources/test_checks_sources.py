"""Checks at the doors of sources that no sender on a real connection gets to try."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from starlette.requests import Request
from tests.support.clock import FakeClock
from tests.support.patience import PATIENCE_S

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.guard.ca import Authority, DenyList, Leaf
from chartloom.guard.clients import read_clients
from chartloom.sources.admission import Admission, asks_nobody, deny_list
from chartloom.sources.fhir_rest.app import Door
from chartloom.sources.fhir_rest.outcome import Refusal
from chartloom.sources.guarded_http import _is_clear
from chartloom.sources.limits import ByteBudget
from chartloom.sources.mllp.source import MllpSource
from chartloom.sources.options import is_loopback
from chartloom.sources.server import IngestServer


def _feed(name: str, source: str, **options: Any) -> Feed:
    format_ = Format.FHIR if source == "http" else Format.HL7V2
    return Feed(name, "lab", "it", source, format_, options=options)


HOST, LENGTH, CODING = b"host", b"content-length", b"transfer-encoding"


@pytest.mark.parametrize(
    ("version", "framing", "clear"),
    [
        ("1.1", [(HOST, b"a")], True),
        ("1.1", [(HOST, b"a"), (LENGTH, b"3")], True),
        ("1.1", [(HOST, b"a"), (CODING, b"chunked")], True),
        ("1.0", [], True),
        ("1.0", [(LENGTH, b"3")], True),
        ("1.1", [], False),
        ("1.1", [(LENGTH, b"3")], False),
        ("1.1", [(HOST, b"a"), (HOST, b"a")], False),
        ("1.0", [(HOST, b"a"), (HOST, b"b")], False),
        ("2.0", [(HOST, b"a")], False),
        ("0.9", [], False),
        ("1.0", [(CODING, b"chunked")], False),
        ("1.1", [(HOST, b"a"), (CODING, b"gzip")], False),
        ("1.1", [(HOST, b"a"), (CODING, b"gzip"), (CODING, b"chunked")], False),
        ("1.1", [(HOST, b"a"), (CODING, b"chunked"), (LENGTH, b"3")], False),
        ("1.1", [(HOST, b"a"), (LENGTH, b"3"), (LENGTH, b"3")], False),
        ("1.1", [(HOST, b"a"), (LENGTH, b"+3")], False),
        ("1.1", [(HOST, b"a"), (LENGTH, b"3, 3")], False),
        ("1.1", [(HOST, b"a"), (LENGTH, b"")], False),
    ],
)
def test_a_head_that_two_readers_may_take_differently_is_not_clear(
    version: str, framing: list[tuple[bytes, bytes]], clear: bool
) -> None:
    assert _is_clear(version, framing) is clear


# Who may send over MLLP

CLIENTS = """
[[client]]
id = "lab"
scopes = ["system/*.c"]
feeds = ["guarded"]
certificates = ["spiffe://north/lab"]
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.init(tmp_path / "ca", FakeClock(), "North")


def _der(leaf: Leaf) -> bytes:
    return x509.load_pem_x509_certificate(leaf.certificate).public_bytes(Encoding.DER)


def knows(admission: Admission | None, feed: str, certificate: bytes) -> bool:
    context = SimpleNamespace(admission=admission, feed=_feed(feed, "mllp"))
    return MllpSource.knows(SimpleNamespace(context=context), certificate)  # type: ignore[arg-type]


def test_who_shows_a_denied_certificate_is_a_stranger_everywhere(
    authority: Authority, tmp_path: Path
) -> None:
    clients, issues = read_clients(CLIENTS, "clients.toml")
    assert not issues
    denied = DenyList(tmp_path / "denied")
    admission = Admission(clients, None, denied, FakeClock())
    leaves = [authority.client([f"spiffe://north/{name}"]) for name in ("lab", "lab", "other")]
    lab, lost, other = (_der(leaf) for leaf in leaves)
    assert knows(admission, "guarded", lost)
    assert knows(admission, "plain", lost)
    denied.deny(leaves[1].certificate, FakeClock().now_us())
    assert not knows(admission, "guarded", lost)
    assert not knows(admission, "plain", lost)
    assert knows(admission, "guarded", lab)
    assert not knows(admission, "guarded", other)
    assert not knows(admission, "guarded", b"")
    assert knows(admission, "plain", b"")
    assert knows(None, "plain", lost)


def test_a_deny_list_that_cannot_be_read_lets_nobody_in(
    authority: Authority, tmp_path: Path
) -> None:
    (tmp_path / "denied").write_text("this is no list\n")
    clients, _ = read_clients(CLIENTS, "clients.toml")
    admission = Admission(clients, None, DenyList(tmp_path / "denied"), FakeClock())
    leaf = _der(authority.client(["spiffe://north/lab"]))
    for feed in ("guarded", "plain"):
        assert not knows(admission, feed, leaf)


def test_there_need_be_no_deny_list(tmp_path: Path) -> None:
    assert deny_list(None) is None
    assert deny_list(tmp_path / "denied") is not None


# Feeds that would take anything from anybody


def _http(host: str = "0.0.0.0", **options: Any) -> Feed:
    return _feed("guarded", "http", host=host, **options)


def test_a_feed_that_asks_nobody_is_told_apart() -> None:
    none, _ = read_clients("", "clients.toml")
    some, _ = read_clients(CLIENTS, "clients.toml")
    assert asks_nobody(_http(), none)
    assert not asks_nobody(_http(), some)
    for way in ("token_env", "token_file", "tls_client_ca"):
        assert not asks_nobody(_http(**{way: "x"}), none)
    assert not asks_nobody(_http(host="127.0.0.1"), none)
    assert not asks_nobody(_feed("guarded", "mllp"), none)
    assert not asks_nobody(_feed("guarded", "mllp", host="0.0.0.0"), none)


def test_this_machine_is_known_by_its_addresses() -> None:
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert is_loopback(host)
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", ""):
        assert not is_loopback(host)


def test_a_feed_with_wrong_options_does_not_start() -> None:
    server = IngestServer([_feed("wrong", "mllp", port=-1)], None, FakeClock(), None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="port"):
        asyncio.run(server.start())


# Memory


def test_large_bodies_that_do_not_fit_are_refused_and_booked_back() -> None:
    budget = ByteBudget(3_000_000)
    door = Door.__new__(Door)
    door._context = SimpleNamespace(budget=budget)  # type: ignore[assignment]
    booked = door._book(0, 2_000_000)
    assert booked == 2_000_000
    with pytest.raises(Refusal) as refused:
        door._book(0, 2_000_000)
    assert refused.value.status == 503
    assert door._book(booked, 3_000_000) == 3_000_000


# Ending, and what is said to those who send the wrong thing


def test_who_is_being_answered_is_waited_for() -> None:
    async def run() -> list[bool]:
        source, gone = MllpSource.__new__(MllpSource), list[bool]()
        source._all_gone, loop = asyncio.Event(), asyncio.get_running_loop()

        def finish() -> None:
            loop.call_later(0.02, source._all_gone.set)

        def abort() -> None:
            gone.append(source._all_gone.is_set())

        source._connections = [SimpleNamespace(finish=finish, abort=abort)]  # type: ignore[assignment,list-item]
        source._refused, source._server = set(), None
        source._renewing, source._sweeper = None, None
        await source.stop(PATIENCE_S)
        return gone

    assert asyncio.run(run()) == [True]


@pytest.mark.parametrize(
    ("source", "format_", "wanted"),
    [("http", Format.FHIR, "application/fhir+json"), ("http", Format.HL7V2, "application/hl7-v2")],
)
def test_what_a_feed_takes_is_told(source: str, format_: Format, wanted: str) -> None:
    door = Door.__new__(Door)
    door._feed = Feed("f", "lab", "it", source, format_)

    def refused(**headers: str) -> Refusal:
        pairs = [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        with pytest.raises(Refusal) as error:
            door._check_content_type(Request({"type": "http", "headers": pairs}))
        return error.value

    door._check_content_type(
        Request({"type": "http", "headers": [(b"content-type", wanted.encode())]})
    )
    for kind in ("", "text/html", "application/xml"):
        assert refused(content_type=kind).status == 415
        assert wanted in str(refused(content_type=kind).text)
    assert refused(content_type=wanted, content_encoding="gzip").status == 415
