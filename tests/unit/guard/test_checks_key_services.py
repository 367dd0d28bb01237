"""Key services that answer in unexpected ways, and authorities that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from tests.support.clock import FakeClock

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.ca import Authority
from chartloom.guard.ca.authority import general_name
from chartloom.guard.https import Answer
from chartloom.guard.keys import (
    AppRole,
    AwsCredentials,
    AwsKms,
    KeyDamaged,
    KeyServiceRefused,
    RootedKek,
    VaultTransit,
    credentials_from,
)
from chartloom.guard.keys.rooted import _check


class Service:
    """Answers whatever it was told to, in turn; the last one for ever."""

    origin = "https://keys.example:443"

    def __init__(self, *bodies: object) -> None:
        self.bodies = list(bodies)

    def request(self, *asked: Any) -> Answer:
        body = self.bodies.pop(0) if len(self.bodies) > 1 else self.bodies[0]
        return Answer(200, "application/json", msgspec.json.encode(body))


def vault(*bodies: object, auth: Any = lambda: "token") -> VaultTransit:
    return VaultTransit(Service(*bodies), "key", auth, FakeClock())  # type: ignore[arg-type]


def kms(*bodies: object) -> AwsKms:
    who = AwsCredentials("a", "s")
    return AwsKms("key", "north", lambda: who, FakeClock(), Service(*bodies))  # type: ignore[arg-type]


@pytest.mark.parametrize("found", [None, 7, "", "plain", {"a": 1}, ["vault:v1:x"], "vault:x"])
def test_what_is_no_ciphertext_is_not_kept(found: object) -> None:
    """It would be written to disk in place of the key."""
    for root in (vault({"data": {"ciphertext": found}}), vault({"data": {}})):
        for call in (root.renew, lambda _, c, root=root: root.encrypt(b"x", c)):
            with pytest.raises(KeyServiceRefused):
                call("vault:v1:x", "c")
    assert vault({"data": {"ciphertext": "vault:v1:x"}}).encrypt(b"x", "c") == "vault:v1:x"


@pytest.mark.parametrize("data", [None, [], "x", 7])
def test_an_answer_without_data_has_no_key(data: object) -> None:
    with pytest.raises(KeyServiceRefused):
        vault({"data": data}).decrypt("vault:v1:x", "c")


@pytest.mark.parametrize(
    "auth", [None, [], "token", {}, {"client_token": None}, {"client_token": ["t"]}]
)
def test_a_login_without_a_token_is_none(auth: object) -> None:
    root = vault({"auth": auth}, {"data": {"ciphertext": "vault:v1:x"}}, auth=AppRole("r", "s"))
    with pytest.raises(KeyServiceRefused, match="no token"):
        root.encrypt(b"x", "c")


@pytest.mark.parametrize(("key", "mount"), [("", "transit"), ("key", ""), ("", "")])
def test_a_transit_key_has_a_mount_and_a_name(key: str, mount: str) -> None:
    with pytest.raises(ConfigurationError, match="mount and a name"):
        VaultTransit(Service({}), key, lambda: "t", FakeClock(), mount=mount)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [[], "x", 7, None, {}, {"CiphertextBlob": 7}, {"Plaintext": None}])
def test_an_answer_that_is_no_key_is_refused(body: object) -> None:
    with pytest.raises(KeyServiceRefused):
        kms(body).encrypt(b"x", "c")
    with pytest.raises(KeyServiceRefused):
        kms(body).decrypt("x", "c")


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_a_credential_is_none(missing: str) -> None:
    both = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s"}
    assert credentials_from(both)
    with pytest.raises(ConfigurationError):
        credentials_from({k: v for k, v in both.items() if k != missing})


class Root:
    """A service that keeps keys in plain text: what is tested is what is done with its answers."""

    kind = "root"

    def encrypt(self, plain: bytes, context: str) -> str:
        return plain.hex()

    def decrypt(self, sealed: str, context: str) -> bytes:
        return bytes.fromhex(sealed)

    renew = decrypt
    rotate = where = str


def test_a_generation_of_another_length_is_no_key(tmp_path: Path) -> None:
    """AES-KW would wrap with it."""
    RootedKek(Root(), tmp_path, create=True)  # type: ignore[arg-type]
    path = tmp_path / "1.wrapped"
    for size_bytes in (16, 24, 31, 33):
        key = bytes(size_bytes)
        kept = {"root": "root", "sealed": key.hex(), "check": _check(key)}
        path.write_bytes(msgspec.json.encode(kept))
        with pytest.raises(KeyDamaged):
            RootedKek(Root(), tmp_path)  # type: ignore[arg-type]


# The authority


def test_an_authority_with_another_kind_of_key_is_none(tmp_path: Path) -> None:
    clock = FakeClock()
    Authority.init(tmp_path, clock)
    key = rsa.generate_private_key(65537, 2048)
    own = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "other")])
    other = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc).sign(key, hashes.SHA256())
    )  # fmt: skip
    (tmp_path / "ca.pem").write_bytes(other.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "ca.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with pytest.raises(ConfigurationError, match="belong together"):
        Authority.open(tmp_path, clock)


def test_a_name_is_as_long_as_names_are() -> None:
    label = "a" * 49 + "."
    assert isinstance(general_name(label * 5 + "com"), x509.DNSName)
    with pytest.raises(ConfigurationError):
        general_name(label * 5 + "test")
