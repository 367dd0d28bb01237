"""Who may send, by token and by certificate: each reason for a no, alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.support.clock import FakeClock

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.guard.ca import Authority, DenyList
from chartloom.guard.clients import read_clients
from chartloom.guard.tokens import Access, TokenRefused
from chartloom.sources import admission
from chartloom.sources.admission import Admission

CLIENTS = """
[[client]]
id = "lab"
scopes = ["system/*.c"]
feeds = ["in", "more"]
certificates = ["spiffe://north/lab"]

[[client]]
id = "bound"
scopes = ["system/Observation.c"]
feeds = ["in"]
certificates = ["spiffe://north/bound"]
certificate_bound = true
"""
IN, OTHER = (Feed(n, "lab", "it", "http", Format.FHIR) for n in ("in", "other"))
ALL = frozenset({"system/*.c"})
LIFE_S = 300


class Verifier:
    """Tokens that name their client; counts how often it was asked."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock, self.asked = clock, 0
        self.scopes, self.thumbprint = ALL, ""

    def verify(self, token: str, *, certificate: bytes) -> Access:
        self.asked += 1
        if token == "bad":
            raise TokenRefused("signature")
        ends_s = self.clock.now_us() // 1_000_000 + LIFE_S
        return Access(token, token, self.scopes, "t", ends_s, thumbprint=self.thumbprint)


class Here:
    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.authority = Authority.init(folder / "ca", self.clock)
        self.denied = DenyList(folder / "denied")
        self.verifier = Verifier(self.clock)
        clients, issues = read_clients(CLIENTS, "clients.toml")
        assert not issues
        self.clients = clients
        self.admission = self.of(self.verifier)

    def of(self, verifier: Any) -> Admission:
        return Admission(self.clients, verifier, self.denied, self.clock)

    def shown(self, name: str) -> bytes:
        leaf = self.authority.client([f"spiffe://north/{name}"])
        return x509.load_pem_x509_certificate(leaf.certificate).public_bytes(Encoding.DER)

    def refused(self, token: str, feed: Feed = IN, kind: str = "", **more: Any) -> str:
        with pytest.raises(TokenRefused) as error:
            more.get("to", self.admission).by_token(feed, token, b"", kind)
        return error.value.reason


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


def test_by_certificate(here: Here) -> None:
    lab, bound, other = here.shown("lab"), here.shown("bound"), here.shown("other")
    asked = here.admission.by_certificate
    assert asked(IN, lab) == "lab"
    assert asked(IN, lab, "Patient") == "lab"
    assert asked(OTHER, lab) == ""
    assert asked(IN, other) == ""
    assert asked(IN, b"") == ""
    assert asked(IN, bound, "Observation") == "bound"
    assert asked(IN, bound, "Patient") == ""
    assert asked(IN, bound) == ""


def test_by_token(here: Here) -> None:
    assert here.admission.by_token(IN, "lab", b"") == "lab"
    assert here.refused("lab", OTHER) == "scope"
    assert here.refused("nobody") == "unknown-client"
    assert here.refused("bad") == "signature"
    assert here.refused("lab", to=here.of(None)) == "no-tokens"


def test_token_and_registration_have_to_permit_it(here: Here) -> None:
    here.verifier.scopes = frozenset({"system/Patient.c"})
    assert here.admission.by_token(IN, "lab", b"", "Patient") == "lab"
    assert here.refused("lab", kind="Observation") == "scope"
    here.verifier.scopes, here.verifier.thumbprint = ALL, "x"
    assert here.admission.by_token(IN, "bound", b"", "Observation") == "bound"
    assert here.refused("bound", kind="Patient") == "scope"


def test_a_bound_service_shows_a_bound_token(here: Here) -> None:
    here.verifier.scopes = frozenset({"system/Observation.c"})
    assert here.refused("bound", kind="Observation") == "binding"
    fresh = here.of(here.verifier)
    here.verifier.thumbprint = "x"
    assert fresh.by_token(IN, "bound", b"", "Observation") == "bound"


def test_a_token_is_verified_once_per_certificate_and_while_it_lives(here: Here) -> None:
    for certificate in (b"", b"", b"der", b"der", b""):
        here.admission.by_token(IN, "lab", certificate)
    assert here.verifier.asked == 2
    here.clock.time_us += (LIFE_S - 1) * 1_000_000
    here.admission.by_token(IN, "lab", b"")
    assert here.verifier.asked == 2
    here.clock.time_us += 1_000_000
    here.admission.by_token(IN, "lab", b"")
    assert here.verifier.asked == 3


def test_so_many_tokens_are_remembered(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_REMEMBERED", 2)
    for certificate in (b"1", b"2", b"3", b"3", b"2", b"1"):
        here.admission.by_token(IN, "lab", certificate)
    assert here.verifier.asked == 4
    assert len(here.admission._verified) == 2


def test_who_is_denied_is_nobody(here: Here) -> None:
    leaf = here.authority.client(["spiffe://north/lab"])
    der = x509.load_pem_x509_certificate(leaf.certificate).public_bytes(Encoding.DER)
    assert not here.admission.denied(der)
    here.denied.deny(leaf.certificate, here.clock.now_us())
    assert here.admission.denied(der)
    assert here.admission.by_certificate(IN, der) == ""
    assert not here.admission.denied(b"")
    assert not Admission(here.clients, None, None, here.clock).denied(der)
    assert [here.admission.guards(f) for f in (IN, OTHER)] == [True, False]
