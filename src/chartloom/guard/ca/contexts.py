"""TLS contexts: 1.2 at least, 1.3 where the other side can, always verified."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError

#: For TLS 1.2: forward secrecy and authenticated encryption only. TLS 1.3 has nothing else.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"


def server_tls(
    chain: Path,
    *,
    key: Path | None = None,
    client_ca: Path | None = None,
    optional: bool = False,
    strict: bool = True,
) -> ssl.SSLContext:
    """For a server. chain: PEM with key, leaf and authority (``Leaf.pem``); ``key`` if the key lies
    in a file of its own.

    client_ca: clients must show a certificate of that authority (mTLS), or may, if ``optional``.
    strict: clients' certificates must keep to RFC 5280 to the letter, as those of our authority do.
    Raises ``ConfigurationError``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _modern(context, strict)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_RENEGOTIATION
    load_chain(context, chain, key)
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL if optional else ssl.CERT_REQUIRED
    return context


def client_tls(
    ca: Path | None, *, chain: Path | None = None, key: Path | None = None, strict: bool = True
) -> ssl.SSLContext:
    """For a client that believes only ``ca`` (``None``: the system's authorities). chain, key:
    shown to servers that ask (mTLS). strict: as for :func:`server_tls`.

    Raises ``ConfigurationError``.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificate and name
    _modern(context, strict)
    if ca is None:
        context.load_default_certs()
    else:
        _trust(context, ca)
    if chain is not None:
        load_chain(context, chain, key)
    return context


def _modern(context: ssl.SSLContext, strict: bool) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT


def load_chain(context: ssl.SSLContext, chain: Path, key: Path | None = None) -> None:
    """What the context shows from now on: a running server takes a renewed certificate so.

    Raises ``ConfigurationError``; then it goes on with what it had.
    """
    try:
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"the certificate and its key cannot be used ({type(error).__name__}).",
            where=str(chain),
            cure="Give readable PEM files that belong together, the key unencrypted; `chartloom ca "
            "issue` makes the internal one.",
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
