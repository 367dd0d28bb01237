"""TLS of sources and senders: ``guard.ca``'s contexts, kept up to date with renewed certificates.

Certificates of hospitals' own authorities seldom keep to RFC 5280 to the letter: they are verified,
but not strictly. A renewed file is taken while running.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path
from typing import Final

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.ca import client_tls, load_chain, server_tls

_LOOK_EVERY_S: Final = 30.0
_LOG = logging.getLogger(__name__)


def server_context(
    cert: Path, key: Path, client_ca: Path | None, *, optional: bool = False
) -> ssl.SSLContext:
    """A server's context; with ``client_ca``, clients must show a certificate of that authority
    (or may, if ``optional``).

    Raises ``ConfigurationError`` if a file is missing or does not fit.
    """
    return server_tls(cert, key=key, client_ca=client_ca, optional=optional, strict=False)


def client_context(
    ca: Path | None = None, cert: Path | None = None, key: Path | None = None
) -> ssl.SSLContext:
    """A client's context. ``ca`` replaces the system's authorities; ``cert`` is shown to servers.

    Raises ``ConfigurationError`` if a file is missing or does not fit.
    """
    return client_tls(ca, chain=cert, key=key or cert, strict=False)


class Renewing:
    """Looks now and then whether the files of a context were renewed, and loads them."""

    def __init__(
        self, context: ssl.SSLContext, cert: Path, key: Path, every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._context, self._cert, self._key, self._every_s = context, cert, key, every_s
        self._stamp = self._seen()
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to look."""
        self._timer = loop.call_later(self._every_s, self._look, loop)

    def stop(self) -> None:
        """Looks no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        stamp = self._seen()
        if stamp and stamp != self._stamp:
            try:
                load_chain(self._context, self._cert, self._key)
                self._stamp = stamp
                _LOG.info("a renewed certificate is in use")
            except ConfigurationError:
                _LOG.error("a renewed certificate cannot be used; the old one stays")
        self.start(loop)

    def _seen(self) -> tuple[int, ...]:
        try:
            about = [path.stat() for path in (self._cert, self._key)]
        except OSError:
            return ()
        return tuple(n for a in about for n in (a.st_mtime_ns, a.st_ino, a.st_size))


def certificate_shown(transport: asyncio.BaseTransport) -> bytes:
    """DER of the certificate that the other side showed and TLS verified; empty without one."""
    link = transport.get_extra_info("ssl_object")
    return (link.getpeercert(binary_form=True) or b"") if link is not None else b""
