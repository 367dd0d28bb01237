"""TLS contexts for servers and clients of sources: TLS 1.2 or newer, always verified."""

from __future__ import annotations

import ssl
from pathlib import Path

from chartloom.domain.errors import ConfigurationError


def server_context(cert: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """A server's context; with ``client_ca``, clients must show a certificate of that authority.

    Raises ``ConfigurationError`` if a file is missing or does not fit.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, cert, key)
    if client_ca is not None:
        _trust(context, client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """A client's context. ``ca`` replaces the system's authorities; ``cert`` is shown to servers.

    Raises ``ConfigurationError`` if a file is missing or does not fit.
    """
    context = ssl.create_default_context()
    if ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _trust(context, ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert is not None:
        _load(context, cert, key or cert)
    return context


def _load(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as e:
        raise ConfigurationError(
            f"The TLS certificate or its key cannot be used ({type(e).__name__}).",
            where=str(cert),
            cure="Give PEM files that belong together and are readable; the key unencrypted.",
        ) from e


def _trust(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as e:
        raise ConfigurationError(
            f"The certificate authority cannot be read ({type(e).__name__}).",
            where=str(ca),
            cure="Give a PEM file with the authority's certificates.",
        ) from e
