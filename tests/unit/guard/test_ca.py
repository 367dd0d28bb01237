"""The internal authority: what it issues works in real handshakes, everything else is refused."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError
from chartloom.guard import SystemClock
from chartloom.guard.ca import (
    Authority,
    DenyList,
    client_tls,
    names_of,
    server_tls,
    spiffe_id,
)

HOUR_US = 3_600_000_000
SPIFFE = "spiffe://hospital.test/worker-1"


class Pki:
    """An authority and files made with it."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.clock = FakeClock(SystemClock().now_us())
        self.authority = Authority.init(folder / name, self.clock)
        self.ca = folder / name / "ca.pem"

    def file(self, name: str, pem: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(pem)
        return path


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost"
) -> tuple[str, bytes]:
    """Protocol version and the client's certificate as the server saw it.

    Raises what the client or the server got; with TLS 1.3 a server refuses after the handshake.
    """
    seen: list[bytes] = []
    failed: list[Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            raw, _ = listener.accept()
            raw.settimeout(5)
            try:
                with server.wrap_socket(raw, server_side=True) as peer:
                    seen.append(peer.getpeercert(binary_form=True) or b"")
                    peer.sendall(peer.recv(2))
            except OSError as error:
                failed.append(error)
                raw.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            with (
                socket.create_connection(listener.getsockname(), timeout=5) as raw,
                client.wrap_socket(raw, server_hostname=name) as mine,
            ):
                mine.sendall(b"hi")
                if mine.recv(2) != b"hi":
                    raise ssl.SSLError("the server went away")
                return str(mine.version()), seen[0]
        finally:
            thread.join()


def test_a_server_leaf_is_believed_by_name_and_address(pki: Pki) -> None:
    leaf = pki.authority.server(["localhost", "127.0.0.1", "::1"])
    server = server_tls(pki.file("server.pem", leaf.pem))
    client = client_tls(pki.ca)
    for name in ("localhost", "127.0.0.1"):
        assert handshake(server, client, name) == ("TLSv1.3", b"")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client, "other.test")


def test_another_verifier_agrees(pki: Pki) -> None:
    """The X.509 verifier of the cryptography package, which is not OpenSSL's."""
    leaf = pki.authority.peer(["chart.hospital.test", SPIFFE])
    root = x509.load_pem_x509_certificate(pki.authority.certificate_pem())
    now = dt.datetime.fromtimestamp(pki.clock.time_us // 1_000_000, dt.UTC)
    builder = PolicyBuilder().store(Store([root])).time(now)
    certificate = x509.load_pem_x509_certificate(leaf.certificate)
    verifier = builder.build_server_verifier(x509.DNSName("chart.hospital.test"))
    assert len(verifier.verify(certificate, [])) == 2
    assert builder.build_client_verifier().verify(certificate, []).chain


def test_mutual_tls_tells_who_the_peer_is(pki: Pki) -> None:
    server = server_tls(
        pki.file("server.pem", pki.authority.server(["localhost"]).pem), client_ca=pki.ca
    )
    mine = pki.file("client.pem", pki.authority.client([SPIFFE]).pem)
    _, seen = handshake(server, client_tls(pki.ca, chain=mine))
    assert spiffe_id(seen) == SPIFFE


def test_mutual_tls_refuses_everybody_else(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "rogue").mkdir()
    rogue = Pki(tmp_path / "rogue")
    server = server_tls(
        pki.file("server.pem", pki.authority.server(["localhost"]).pem), client_ca=pki.ca
    )
    stranger = rogue.file("client.pem", rogue.authority.client([SPIFFE]).pem)
    wrong_use = pki.file("wrong.pem", pki.authority.server(["localhost", SPIFFE]).pem)
    pki.clock.time_us -= 100 * HOUR_US
    ended = pki.file("ended.pem", pki.authority.client([SPIFFE], hours=99).pem)
    pki.clock.time_us += 200 * HOUR_US
    early = pki.file("early.pem", pki.authority.client([SPIFFE]).pem)
    for chain in (None, stranger, wrong_use, ended, early):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(server, client_tls(pki.ca, chain=chain))


def test_clients_refuse_wrong_servers(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "rogue").mkdir()
    rogue = Pki(tmp_path / "rogue")
    client = client_tls(pki.ca)
    for leaf in (
        rogue.authority.server(["localhost"]),
        pki.authority.client(["localhost"]),
        pki.authority.server(["other.test"]),
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(server_tls(pki.file("s.pem", leaf.pem)), client)


def test_old_protocols_and_ciphers_are_refused(pki: Pki) -> None:
    server = server_tls(pki.file("server.pem", pki.authority.server(["localhost"]).pem))
    newer = client_tls(pki.ca)
    newer.maximum_version = ssl.TLSVersion.TLSv1_2
    assert handshake(server, newer)[0] == "TLSv1.2"
    weak = client_tls(pki.ca)
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("ECDHE-ECDSA-AES128-SHA")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        handshake(server, weak)
    for context in (server, client_tls(pki.ca)):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_leaves_are_short_and_renewed_in_time(pki: Pki) -> None:
    leaf = pki.authority.server(["a.test", "10.0.0.1", SPIFFE])
    assert leaf.not_after_us - pki.clock.time_us <= 168 * HOUR_US
    assert not leaf.due(pki.clock.time_us + 100 * HOUR_US)
    assert leaf.due(pki.clock.time_us + 120 * HOUR_US)
    pki.clock.time_us += 120 * HOUR_US
    fresh = pki.authority.renew(leaf.certificate)
    assert fresh.serial != leaf.serial
    assert fresh.not_after_us == leaf.not_after_us + 120 * HOUR_US
    old, new = (x509.load_pem_x509_certificate(x.certificate) for x in (leaf, fresh))
    assert names_of(new) == names_of(old) == ["a.test", "10.0.0.1", SPIFFE]
    assert new.public_key() != old.public_key()
    uses = new.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert uses == old.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    pki.clock.time_us += 60 * HOUR_US
    with pytest.raises(ConfigurationError, match="ended"):
        pki.authority.renew(leaf.certificate)


def test_only_own_leaves_are_renewed(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "rogue").mkdir()
    rogue = Pki(tmp_path / "rogue")
    for pem in (rogue.authority.server(["a.test"]).certificate, b"", b"nonsense"):
        with pytest.raises(ConfigurationError):
            pki.authority.renew(pem)


def test_leaves_never_outlive_the_authority(tmp_path: Path) -> None:
    clock = FakeClock()
    authority = Authority.init(tmp_path / "ca", clock, days=2)
    assert (
        authority.server(["a.test"]).not_after_us == clock.time_us // 10**6 * 10**6 + 48 * HOUR_US
    )


def test_an_authority_is_made_once_and_kept_private(pki: Pki, tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    assert (folder / "ca.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="already"):
        Authority.init(folder, pki.clock)
    again = Authority.open(folder, pki.clock)
    assert again.certificate_pem() == pki.authority.certificate_pem()
    leaf = again.server(["localhost"])
    assert handshake(server_tls(pki.file("s.pem", leaf.pem)), client_tls(pki.ca))
    assert b"PRIVATE" not in repr(leaf).encode()
    (folder / "ca.key").chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Authority.open(folder, pki.clock)
    (folder / "ca.key").chmod(0o600)
    other = Authority.init(tmp_path / "ca2", pki.clock)
    (folder / "ca.pem").write_bytes(other.certificate_pem())
    with pytest.raises(ConfigurationError, match="belong together"):
        Authority.open(folder, pki.clock)
    (folder / "ca.pem").write_bytes(b"x")
    with pytest.raises(ConfigurationError, match="damaged"):
        Authority.open(folder, pki.clock)


def test_an_interrupted_start_can_be_repeated(tmp_path: Path) -> None:
    clock = FakeClock()
    Authority.init(tmp_path / "ca", clock)
    (tmp_path / "ca" / "ca.pem").unlink()
    Authority.init(tmp_path / "ca", clock)
    Authority.open(tmp_path / "ca", clock)


def test_the_authority_signs_leaves_only(pki: Pki) -> None:
    root = x509.load_pem_x509_certificate(pki.authority.certificate_pem())
    limits = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical
    assert limits.value == x509.BasicConstraints(ca=True, path_length=0)
    leaf = x509.load_pem_x509_certificate(pki.authority.server(["a.test"]).certificate)
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not leaf.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign


@pytest.mark.parametrize(
    "name",
    [
        "",
        "UPPER.test",
        "a b",
        "a..b",
        "-a.test",
        "a.test\n",
        "a.test\x00.evil.test",
        "b\u00fccher.test",
        "300.1.1.1",
        "spiffe://",
        "spiffe://host",
        "spiffe://Host/x",
        "spiffe://host/a?b",
        "spiffe://host//a",
        "https://host/a",
        "*.*.test",
        "x" * 64 + ".test",
    ],
)
def test_names_that_are_none(pki: Pki, name: str) -> None:
    with pytest.raises(ConfigurationError):
        pki.authority.server([name])


def test_leaves_need_names_and_lives(pki: Pki) -> None:
    for names, hours in (([], 1), (["a.test"], 0), (["a.test"], 24 * 90 + 1)):
        with pytest.raises(ConfigurationError):
            pki.authority.server(names, hours)


def test_a_peer_with_several_spiffe_ids_is_nobody(pki: Pki) -> None:
    def der(*names: str) -> bytes:
        return ssl.PEM_cert_to_DER_cert(pki.authority.client(names).certificate.decode())

    assert spiffe_id(der(SPIFFE, "a.test")) == SPIFFE
    assert spiffe_id(der(SPIFFE, "spiffe://hospital.test/other")) == ""
    assert spiffe_id(der("a.test")) == ""


def test_denied_leaves(pki: Pki, tmp_path: Path) -> None:
    good, bad = pki.authority.client([SPIFFE]), pki.authority.client([SPIFFE])
    path = tmp_path / "denied"
    here, there = DenyList(path), DenyList(path)

    def denied(deny: DenyList, pem: bytes) -> bool:
        return deny.denied(ssl.PEM_cert_to_DER_cert(pem.decode()))

    assert not denied(here, bad.certificate)
    assert not denied(there, bad.certificate)
    there.deny(bad.certificate, pki.clock.time_us)
    for deny in (here, there, DenyList(path)):
        assert denied(deny, bad.certificate)
        assert not denied(deny, good.certificate)
    pki.clock.time_us += 200 * HOUR_US  # the first has ended: it leaves the list
    later = pki.authority.client([SPIFFE])
    time.sleep(0.01)
    there.deny(later.certificate, pki.clock.time_us)
    assert denied(here, later.certificate)
    assert len(path.read_text().splitlines()) == 1
    path.write_text("nonsense")
    with pytest.raises(ConfigurationError, match="nobody"):
        denied(here, good.certificate)
    path.unlink()
    with pytest.raises(ConfigurationError, match="gone"):
        denied(here, good.certificate)


def test_missing_files_are_named(pki: Pki, tmp_path: Path) -> None:
    leaf = pki.file("leaf.pem", pki.authority.server(["a.test"]).pem)
    missing = tmp_path / "missing.pem"
    for call in (
        lambda: server_tls(missing),
        lambda: server_tls(leaf, client_ca=missing),
        lambda: client_tls(missing),
        lambda: client_tls(pki.ca, chain=missing),
        lambda: server_tls(pki.ca),
    ):
        with pytest.raises(ConfigurationError, match=r"\.pem"):
            call()
