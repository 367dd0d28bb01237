"""TLS contexts: 1.2 at least, 1.3 where the other side can, always verified."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError

#: For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_tls(chain: Path, *, client_ca: Path | None = None) -> ssl.SSLContext:
    """For a server. chain: PEM with key, leaf and authority (``Leaf.pem``).

    client_ca: clients must show a certificate of that authority (mTLS). Raises
    ``ConfigurationError``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _strict(context)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    _load(context, chain)
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_tls(ca: Path, *, chain: Path | None = None) -> ssl.SSLContext:
    """For a client that believes only ``ca``. chain: shown to servers that ask (mTLS).

    Raises ``ConfigurationError``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
    _strict(context)
    _trust(context, ca)
    if chain is not None:
        _load(context, chain)
    return context


def _strict(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION
    context.verify_flags |= ssl.VERIFY_X509_STRICT


def _load(context: ssl.SSLContext, chain: Path) -> None:
    try:
        context.load_cert_chain(chain)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificate and its key cannot be used ({type(error).__name__}).",
            where=str(chain),
            cure="Give a readable PEM file with key and certificate; the key unencrypted.",
        ) from error


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the authority cannot be read ({type(error).__name__}).",
            where=str(ca),
            cure="Give the PEM file of the authority (`ca.pem`).",
        ) from error
