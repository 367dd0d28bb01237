"""The site's own certificate authority: short-lived leaves for servers and services.

X.509 as in RFC 5280, ECDSA P-256. A leaf lives for days and is renewed by whoever holds it, so that
revocation is mostly waiting; a deny list (see ``denylist``) covers the days in between.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ports import Clock
from chartloom.guard.keys.files import private_folder, read, write

CA_LIFE_DAYS: Final = 3_650
LEAF_LIFE_HOURS: Final = 168
LEAF_LIFE_HOURS_MAX: Final = 24 * 90
#: Clocks of other machines may be a little behind.
_BACKDATED: Final = timedelta(minutes=5)
_KEY, _CERT = "ca.key", "ca.pem"
_SPIFFE: Final = re.compile(r"spiffe://[a-z0-9.\-_]{1,255}(/[A-Za-z0-9.\-_]{1,128})+")
_DNS: Final = re.compile(
    r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


class Leaf(msgspec.Struct, frozen=True):
    """An issued certificate with its key. pem: key, leaf and authority, in one file's worth.

    not_after_us: when it ends; renew when two thirds of its life are over.
    """

    pem: bytes
    certificate: bytes
    serial: int
    not_before_us: int
    not_after_us: int

    def __repr__(self) -> str:
        return f"Leaf(serial={self.serial:x})"

    def due(self, now_us: int) -> bool:
        """Whether it is time to renew."""
        return now_us >= self.not_before_us + (self.not_after_us - self.not_before_us) * 2 // 3


class Authority:
    """Issues leaves. Its key lies in a private folder and is used nowhere else."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate, clock: Clock
    ) -> None:
        self._key, self._certificate, self._clock = key, certificate, clock

    @classmethod
    def init(
        cls, folder: Path, clock: Clock, name: str = "Chartloom", *, days: int = CA_LIFE_DAYS
    ) -> Authority:
        """Makes an authority in ``folder`` (0700). Raises ``ConfigurationError`` if there is one.

        It signs leaves only: its certificate allows no authority below it.
        """
        private_folder(folder, create=True)
        if (folder / _CERT).exists():
            raise ConfigurationError(
                "there is an authority already.", where=str(folder), cure="Use it."
            )
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now(clock)
        subject = _name(f"{name} authority {now:%Y-%m-%d}")
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(authority=True), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        # A key without a certificate is left over from a start that was interrupted.
        write(folder / _KEY, _private_pem(key), replace=True)
        write(folder / _CERT, _pem(certificate))
        return cls(key, certificate, clock)

    @classmethod
    def open(cls, folder: Path, clock: Clock) -> Authority:
        """The authority in ``folder``. Raises ``ConfigurationError``."""
        private_folder(folder, create=False)
        try:
            key = serialization.load_pem_private_key(read(folder / _KEY), password=None)
            certificate = x509.load_pem_x509_certificate(read(folder / _CERT))
        except (ValueError, TypeError) as error:
            raise _damaged(folder) from error
        if (
            not isinstance(key, ec.EllipticCurvePrivateKey)
            or key.public_key() != certificate.public_key()
        ):
            raise _damaged(folder)
        return cls(key, certificate, clock)

    def certificate_pem(self) -> bytes:
        """What others need to believe its leaves; no secret."""
        return _pem(self._certificate)

    def server(self, names: Sequence[str], hours: int = LEAF_LIFE_HOURS) -> Leaf:
        """A leaf for a server. names: DNS names, IP addresses, SPIFFE ids."""
        return self._issue(names, [ExtendedKeyUsageOID.SERVER_AUTH], hours)

    def client(self, names: Sequence[str], hours: int = LEAF_LIFE_HOURS) -> Leaf:
        """A leaf for a service that calls others."""
        return self._issue(names, [ExtendedKeyUsageOID.CLIENT_AUTH], hours)

    def peer(self, names: Sequence[str], hours: int = LEAF_LIFE_HOURS) -> Leaf:
        """A leaf for a process that both serves and calls."""
        both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        return self._issue(names, both, hours)

    def renew(self, pem: bytes, hours: int = LEAF_LIFE_HOURS) -> Leaf:
        """A fresh leaf with a new key, for the names and uses of an old one of this authority.

        Raises ``ConfigurationError`` if the old one is not its own or has ended.
        """
        try:
            old = x509.load_pem_x509_certificate(pem)
            old.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise self._not_ours() from error
        if old.not_valid_after_utc < _now(self._clock):
            raise ConfigurationError(
                "the certificate has ended.", cure="Issue a new one instead of renewing it."
            )
        uses = old.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        return self._issue(names_of(old), list(uses), hours)

    @staticmethod
    def _not_ours() -> ConfigurationError:
        return ConfigurationError(
            "the certificate was not issued by this authority.", cure="Issue a new one."
        )

    def _issue(self, names: Sequence[str], uses: list[x509.ObjectIdentifier], hours: int) -> Leaf:
        if not 0 < hours <= LEAF_LIFE_HOURS_MAX:
            raise ConfigurationError(
                f"a certificate may live 1 to {LEAF_LIFE_HOURS_MAX} hours.",
                cure="Renew it instead.",
            )
        general = [general_name(n) for n in dict.fromkeys(names)]
        if not general:
            raise ConfigurationError(
                "a certificate needs a name.", cure="Give DNS names, addresses or SPIFFE ids."
            )
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now(self._clock)
        end = min(now + timedelta(hours=hours), self._certificate.not_valid_after_utc)
        issuer = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name("chartloom"))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(general), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer.value),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = _pem(certificate)
        return Leaf(
            pem=_private_pem(key) + pem + self.certificate_pem(),
            certificate=pem,
            serial=certificate.serial_number,
            not_before_us=_us(certificate.not_valid_before_utc),
            not_after_us=_us(certificate.not_valid_after_utc),
        )


def general_name(name: str) -> x509.GeneralName:
    """A subject alternative name. Raises ``ConfigurationError`` for what is none of the three."""
    if _SPIFFE.fullmatch(name):
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if len(name) <= 253 and _DNS.fullmatch(name) and not name.rpartition(".")[2].isdigit():
        return x509.DNSName(name)
    raise ConfigurationError(
        "this is no name for a certificate.",
        where=name[:80],
        cure="Write a DNS name in lower case, an IP address, or spiffe://domain/path.",
    )


def names_of(certificate: x509.Certificate) -> list[str]:
    """The subject alternative names, as :func:`general_name` takes them."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(n.value) for n in names]


def spiffe_id(der: bytes) -> str:
    """The one SPIFFE id of a peer's certificate, ``""`` if it has none or several.

    der: as ``SSLObject.getpeercert(binary_form=True)`` gives it, after TLS verified it.
    """
    names = names_of(x509.load_der_x509_certificate(der))
    found = [n for n in names if _SPIFFE.fullmatch(n)]
    return found[0] if len(found) == 1 else ""


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _now(clock: Clock) -> datetime:
    return datetime.fromtimestamp(clock.now_us() // 1_000_000, UTC)


def _us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def _damaged(folder: Path) -> ConfigurationError:
    return ConfigurationError(
        "the authority's key and certificate are damaged or do not belong together.",
        where=str(folder),
        cure="Restore the folder from its backup, or make a new authority and reissue all leaves.",
    )
