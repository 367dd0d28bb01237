"""Leaves that must not be taken any more although they have not ended: one serial number a line."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from cryptography import x509

from chartloom.domain.errors import ConfigurationError
from chartloom.guard.keys.files import write


class DenyList:
    """A file of ``<serial in hexadecimal> <end in microseconds>`` lines, read when it changes.

    Entries of leaves that have ended are left out when the list is written again. A list that
    cannot be read denies everybody: it raises.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._denied: dict[int, int] = {}

    def denied(self, der: bytes) -> bool:
        """Whether the certificate is on the list. Raises ``ConfigurationError``."""
        serial = x509.load_der_x509_certificate(der).serial_number
        with self._lock:
            self._read()
            return serial in self._denied

    def deny(self, certificate_pem: bytes, now_us: int) -> None:
        """Puts a leaf on the list, durably."""
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        end_us = int(certificate.not_valid_after_utc.timestamp()) * 1_000_000
        with self._lock:
            self._read()
            kept = {s: end for s, end in self._denied.items() if end >= now_us}
            kept[certificate.serial_number] = end_us
            lines = "".join(f"{serial:x} {end}\n" for serial, end in sorted(kept.items()))
            write(self._path, lines.encode(), replace=True)
            self._stamp = None

    def _read(self) -> None:
        try:
            about = self._path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            if stamp == self._stamp:
                return
            pairs = [line.split() for line in self._path.read_text("ascii").splitlines()]
            self._denied = {int(serial, 16): int(end) for serial, end in pairs}
            self._stamp = stamp
        except FileNotFoundError:
            if self._stamp is not None:
                raise self._damaged("is gone") from None
        except (OSError, ValueError) as error:
            raise self._damaged("cannot be read") from error

    def _damaged(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            f"the list of denied certificates {what}.",
            where=str(self._path),
            cure="Restore it; until then nobody is let in.",
        )
