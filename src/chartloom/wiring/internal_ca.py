"""The internal authority of a site: made in one step, its leaves kept fresh."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.ports import Clock
from chartloom.guard.ca import Authority, DenyList, Leaf, names_of
from chartloom.guard.keys.files import private_folder, read, write
from chartloom.project import Project
from chartloom.project.tls import INTERNAL, SERVER, authority_folder, deny_file, leaf_file

_LOOK_EVERY_S: Final = 600.0
_LOG = logging.getLogger(__name__)
Kind = Literal["server", "client", "peer"]


class LeafStatus(msgspec.Struct, frozen=True):
    """One issued leaf, for people. state: ``in order``, ``due``, ``ended`` or ``denied``."""

    name: str
    names: tuple[str, ...]
    kind: str
    serial: str
    sha256: str
    ends_at_us: int
    state: str
    file: str


class InternalCa:
    """The authority of one site and the leaves in its folder (0700, files 0600)."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self._project, self._clock = project, clock
        self.folder = authority_folder(project.settings, project.folder)
        self._denied = DenyList(deny_file(project.settings, project.folder))

    @property
    def made(self) -> bool:
        """Whether there is an authority."""
        return (self.folder / "ca.pem").exists()

    def init(self) -> Path:
        """Makes the authority and the server's leaf; the file of its certificate."""
        authority = Authority.init(self.folder, self._clock, self._project.settings.site.name)
        self._put(SERVER, authority.peer(self._server_names()))
        return self.folder / "ca.pem"

    def issue(self, name: str, names: Sequence[str], kind: Kind, hours: int) -> Path:
        """A new leaf under a name of its own; its file. Raises ``ConfigurationError``."""
        path = self._file(name)
        if path.exists():
            raise ConfigurationError(
                "There is a leaf of that name.", where=str(path), cure="Renew it, or take another."
            )
        authority = self._authority()
        made = {"server": authority.server, "client": authority.client, "peer": authority.peer}
        self._put(name, made[kind](names, hours))
        return path

    def renew(self, names: Sequence[str] = (), *, all_: bool = False) -> list[str]:
        """Renews the leaves that are due (or those named, or all); which. A server leaf that has
        ended is issued anew; denied ones are left alone."""
        authority, renewed = self._authority(), []
        for status in self.leaves():
            wanted = status.name in names or all_ or (not names and status.state != "in order")
            if not wanted or status.state == "denied":
                continue
            if status.name == SERVER:
                leaf = authority.peer(self._server_names())
            elif status.state == "ended":
                raise ConfigurationError(
                    f"The leaf {status.name} has ended.",
                    where=status.file,
                    cure="Remove its file and issue it anew.",
                )
            else:
                leaf = authority.renew(_leaf_of(self._file(status.name)))
            self._put(status.name, leaf)
            renewed.append(status.name)
        return renewed

    def leaves(self) -> list[LeafStatus]:
        """All leaves, by name."""
        files = sorted((self.folder / "leaves").glob("*.pem"))
        return [self._status(path) for path in files]

    def deny(self, leaf: str) -> LeafStatus:
        """Puts a leaf (its name, or a PEM file of it) on the deny list; takes effect at once."""
        path = Path(leaf) if leaf.endswith(".pem") and Path(leaf).is_file() else self._file(leaf)
        if not path.exists():
            raise ConfigurationError(
                "There is no such leaf.", where=str(path), cure="`chartloom ca list` shows all."
            )
        self._denied.deny(_leaf_of(path), self._clock.now_us())
        return self._status(path)

    def keep(self) -> None:
        """Makes what ``[tls] certificate = "internal"`` needs, and renews what is due."""
        if not self.made:
            self.init()
        elif not self._file(SERVER).exists():
            self._put(SERVER, self._authority().peer(self._server_names()))
        ended = {s.name for s in self.leaves() if s.state == "ended" and s.name != SERVER}
        due = [s.name for s in self.leaves() if s.state in ("due", "ended") and s.name not in ended]
        if due:
            self.renew(due)

    def _authority(self) -> Authority:
        if not self.made:
            raise ConfigurationError(
                "There is no authority yet.",
                where=str(self.folder),
                cure="Make it with `chartloom ca init`.",
            )
        return Authority.open(self.folder, self._clock)

    def _server_names(self) -> list[str]:
        host = self._project.settings.console.host
        spread = host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
        return [*self._project.settings.tls.names, *([] if spread else [host])]

    def _file(self, name: str) -> Path:
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name[0] == ".":
            raise ConfigurationError(
                "This is no name for a leaf.", where=name[:80], cure="Use letters, digits, - _ ."
            )
        return leaf_file(self._project.settings, self._project.folder, name)

    def _put(self, name: str, leaf: Leaf) -> None:
        path = self._file(name)
        private_folder(path.parent, create=True)
        write(path, leaf.pem, replace=True)

    def _status(self, path: Path) -> LeafStatus:
        certificate = x509.load_pem_x509_certificate(_leaf_of(path))
        der_hash = certificate.fingerprint(hashes.SHA256()).hex()
        start, end = (
            int(at.timestamp()) * 1_000_000
            for at in (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        )
        leaf = Leaf(b"", b"", certificate.serial_number, start, end)
        now_us = self._clock.now_us()
        state = "ended" if end <= now_us else "due" if leaf.due(now_us) else "in order"
        if self._denied.denied(certificate.public_bytes(Encoding.DER)):
            state = "denied"
        serial = f"{certificate.serial_number:x}"
        names = tuple(names_of(certificate))
        kind = _kind(certificate)
        return LeafStatus(path.stem, names, kind, serial, der_hash, end, state, str(path))


def _leaf_of(path: Path) -> bytes:
    """The leaf in a file that holds key, leaf and authority, or the leaf alone."""
    content = read(path)
    begin = content.find(b"-----BEGIN CERTIFICATE-----")
    end = content.find(b"-----END CERTIFICATE-----", begin)
    if begin < 0 or end < 0:
        raise ConfigurationError("There is no certificate in the file.", where=str(path))
    return content[begin : end + len(b"-----END CERTIFICATE-----\n")]


def _kind(certificate: x509.Certificate) -> str:
    uses = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    serves = ExtendedKeyUsageOID.SERVER_AUTH in uses
    calls = ExtendedKeyUsageOID.CLIENT_AUTH in uses
    return "peer" if serves and calls else "server" if serves else "client"


@contextlib.contextmanager
def internal_certificates(
    project: Project, clock: Clock, every_s: float = _LOOK_EVERY_S
) -> Iterator[None]:
    """Keeps the internal certificates fresh as long as the ``with`` lasts, where they are used."""
    if project.settings.tls.certificate != INTERNAL:
        yield
        return
    authority, stop = InternalCa(project, clock), threading.Event()
    authority.keep()

    def run() -> None:
        while not stop.wait(every_s):
            try:
                authority.keep()
            except ConfigurationError as error:
                fields = {"why": error.what, "where": error.where}
                _LOG.error("a certificate was not renewed", extra={"chartloom": fields})

    thread = threading.Thread(target=run, name="certificates", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(5)
