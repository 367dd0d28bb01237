"""The audit log for people: verified, asked, exported. Every look at it is on record as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chartloom.domain.audit import LoggedEvent
from chartloom.domain.errors import ConfigurationError, NotFound
from chartloom.guard.audit import (
    Disclosed,
    Facts,
    Finding,
    Seen,
    Verdict,
    Viewing,
    accounting,
    privacy_report,
    read_events,
    read_heads,
    verify,
    who_saw,
)
from chartloom.guard.audit.events import term_fingerprint
from chartloom.wiring.desk import log
from chartloom.wiring.heads import HEADS
from chartloom.wiring.keeping import Operator

_PAGE = 5_000
#: Against so many days before the first day of a report is unusual volume judged.
_COMPARED_US = 60 * 86_400_000_000


class _Readable(Protocol):
    def read(self, after: int, limit: int) -> list[LoggedEvent]: ...


class Auditor(Operator):
    """Reads the log under a grant of its own, on record before anything is shown."""

    def verify(self, copies: tuple[Path, ...] = ()) -> Verdict:
        """Checks the whole log against itself, the signed heads and copies of them: those handed
        in, and the one that the site keeps (``[audit] heads_copy``)."""
        project = self.opened.project
        reader = self._open("verify")
        public = project.key_dir / "audit.pub"
        try:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public.read_text().strip()))
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                "the public key of the audit log cannot be read.",
                where=str(public),
                cure="Put its copy back.",
            ) from error
        kept = project.settings.audit.heads_copy
        paths = [project.data_dir / HEADS, *copies, *([project.folder / kept] if kept else ())]
        heads = [list(_lines(path)) for path in paths]
        return verify(_events(reader), heads[0], key, *heads[1:], clock=self.opened.clock)

    def who_saw(self, source_patients: tuple[str, ...], since_us: int) -> list[Viewing]:
        """Who saw any of a person's records."""
        reader = self._open("who-saw", source_patients)
        return who_saw(_seen(reader), source_patients, since_us)

    def disclosures(self, source_patients: tuple[str, ...], since_us: int) -> list[Disclosed]:
        """A patient's accounting of disclosures."""
        reader = self._open("disclosures", source_patients)
        return accounting(_seen(reader), source_patients, since_us)

    def report(self, since_us: int) -> list[Finding]:
        """What a privacy officer should look at."""
        reader = self._open("report")
        now_us = self.opened.clock.now_us()
        recent = (s for s in _seen(reader) if s.at_us >= since_us - _COMPARED_US)
        return privacy_report(recent, self._staff(), self._facts, since_us, now_us + 1)

    def export(self, after: int) -> Iterator[LoggedEvent]:
        """All events above a number."""
        return _events(self._open("export"), after)

    def _open(self, what: str, patients: tuple[str, ...] = ()) -> _Readable:
        """The log, once the look at it is on record."""
        self.desk.permit(log(what)).submit(patients).result()
        return self.log.under(self.grant())

    def _staff(self) -> dict[str, Facts]:
        """The own patient record of each member of staff, where the list names one."""
        from chartloom.engines.postgres.facts import PostgresFacts
        from chartloom.project.access import load_staff

        known = PostgresFacts(self.opened.store)
        found = {}
        for member in load_staff(self.opened.project).staff:
            own = known.holders(self.grant(), member.patient)
            facts = self._facts(min(own)) if own else None
            if facts is not None:
                found[member.subject] = facts
        return found

    def _facts(self, source_patient: str) -> Facts | None:
        """Fingerprints of a patient's surname and address."""
        store, grant = self.opened.store, self.grant()
        try:
            person = store.person(grant, source_patient).person_id
            patient = store.state(grant, source_patient).resource
        except NotFound:
            return None
        names = [n["family"] for n in patient.get("name", ()) if n.get("family")]
        address: dict[str, Any] = next(iter(patient.get("address", ())), {})
        lines = [*address.get("line", ()), address.get("postalCode"), address.get("city")]
        where = " ".join(str(part) for part in lines if part)
        blind = self.opened.guard.blind
        return Facts(
            person,
            term_fingerprint(blind, str(names[0])).hex() if names else "",
            term_fingerprint(blind, where).hex() if address.get("line") else "",
        )


class Exported(msgspec.Struct, frozen=True):
    """An event as exported: with what is needed to verify it. Hashes in hexadecimal."""

    seq: int
    previous: str
    hash: str
    event: msgspec.Raw


def exported(logged: LoggedEvent) -> bytes:
    """One line of an export."""
    return msgspec.json.encode(
        Exported(logged.seq, logged.previous.hex(), logged.hash.hex(), msgspec.Raw(logged.body))
    )


def _lines(path: Path) -> Iterator[Any]:
    if path.exists():
        with path.open("rb") as f:
            yield from read_heads(f)


def _events(log: _Readable, after: int = 0) -> Iterator[LoggedEvent]:
    while page := log.read(after, _PAGE):
        yield from page
        after = page[-1].seq


def _seen(log: _Readable) -> Iterator[Seen]:
    return read_events(_events(log))
