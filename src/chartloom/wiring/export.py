"""De-identified and limited data sets: an approved data use, person by person, to NDJSON.

Two passes. The first decides for each person (policy, consent, labels) and looks at the
quasi-identifiers, so that who would stand out is left out; the second writes. Nothing is written
before the export is on record.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Final

import msgspec

from chartloom.domain.access import USES_SUBJECT, DataUse
from chartloom.domain.codec import encode
from chartloom.domain.errors import ConfigurationError, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.ports import Charts, Clock, DataUses
from chartloom.domain.resource import FhirJson
from chartloom.guard.audit import Recorder, events
from chartloom.guard.authority import AccessDenied, Asking, Authority, Need
from chartloom.guard.deid import (
    Deidentifier,
    KReport,
    Profile,
    Project,
    k_report,
    quasi_identifiers,
)
from chartloom.guard.facts import Minter, actor_of
from chartloom.guard.keys.files import KEY_BYTES, key_from_hex, private_folder, read, write
from chartloom.guard.policy import Action
from chartloom.guard.staff import Principal

QUASI: Final = ("gender", "birth_year", "state", "zip", "dead")
_PAGE: Final = 500
_PATIENTS_PER_EVENT: Final = 200
_FILES_MAX: Final = 64


class ExportReport(msgspec.Struct):
    """What left, or would leave.

    asked: persons of the cohort; denied: not permitted (consent, policy) or not there; suppressed:
    would stand out; persons: left. resources, withheld: per type, resources that left, and that the
    table or the data use let nothing of leave. dropped: ``Type.element`` -> in how many resources.
    """

    data_use: str
    profile: str
    purpose: str
    k_wanted: int
    dry_run: bool
    asked: int = 0
    denied: int = 0
    suppressed: int = 0
    persons: int = 0
    k: int = 0
    smallest_before: int = 0
    classes: int = 0
    resources: dict[str, int] = {}
    withheld: dict[str, int] = {}
    dropped: dict[str, int] = {}
    fields: tuple[str, ...] = ()
    made_at: str = ""


class _Person(msgspec.Struct, frozen=True):
    id: str
    quasi: dict[str, str]


class Exporter:
    """Exports for one person of the staff under one data use.

    by: who does it (``operator:<uid>``): on record as whoever acts, for the person, who gets it.
    That the person wants it is the operator's word. keys: folder of the projects' keys; without a
    project's key its pseudonyms cannot be undone. everyone: all persons of the site. progress:
    called with (persons done, of how many) in each pass.
    """

    def __init__(
        self,
        charts: Charts,
        uses: DataUses,
        authority: Authority,
        recorder: Recorder,
        minter: Minter,
        clock: Clock,
        keys: Path,
        progress: Callable[[str, int, int], None] = lambda *_: None,
        *,
        by: str,
        everyone: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._everyone = everyone
        self._charts, self._uses, self._authority = charts, uses, authority
        self._recorder, self._minter, self._clock = recorder, minter, clock
        self._keys, self._progress, self._by = keys, progress, by

    def export(
        self,
        principal: Principal,
        use_id: str,
        persons: Sequence[str] | None,
        folder: Path | None,
        *,
        profile: Profile | None = None,
        k: int | None = None,
    ) -> ExportReport:
        """Writes ``folder`` (new, 0700), or only counts if it is ``None`` or nobody may leave.

        persons: person or source patient ids. What is ``None`` is as approved; nothing may be
        wider. Raises ``AccessDenied`` without an approved data use that names the person,
        ``ConfigurationError``, ``AuditUnavailable``.
        """
        use = self._use(principal, use_id)
        profile = Profile(use.profile) if profile is None else profile
        k = use.k if k is None else k
        if persons is None:
            persons = self._everyone() if use.everyone else use.persons
        self._check(principal, use, persons, profile, k)
        if folder is not None and folder.exists():
            raise ConfigurationError(
                "The folder is there already.", where=str(folder), cure="Name a new one."
            )
        deid = Deidentifier(self._project(use, profile, folder is None))
        report = ExportReport(use.id, profile, use.purpose, k, folder is None, fields=use.fields)
        report.asked = len(persons)
        report.made_at = f"{self._today_us():%Y-%m-%dT%H:%M:%SZ}"
        found = list(self._look(principal, use, persons, deid, report))
        hidden = k_report([p.quasi for p in found], QUASI, k=k)
        self._count(report, hidden)
        leaving = [p.id for i, p in enumerate(found) if i not in set(hidden.suppressed)]
        self._record(principal, use, leaving, profile, dry_run=folder is None)
        if not leaving:
            return report
        with _Files(folder) as files:
            self._write(principal, use, leaving, deid, report, files)
            files.write_report(report)
        return report

    # Before

    def _use(self, principal: Principal, use_id: str) -> DataUse:
        grant = self._minter.mint("service:export", Purpose.OPERATIONS, (USES_SUBJECT,), (), 60)
        try:
            use = self._uses.get(grant, use_id)
        except NotFound as error:
            raise AccessDenied from error
        in_force = use.in_force(actor_of(principal), use.purpose, self._clock.now_us())
        if not in_force or use.decided_by == use.requested_by:
            self._refuse(principal, use)
        if not use.fields:
            raise ConfigurationError(
                "The data use names no fields.", cure="Ask for a new one that does."
            )
        return use

    def _check(
        self, principal: Principal, use: DataUse, persons: Sequence[str], profile: Profile, k: int
    ) -> None:
        """Refuses what is wider than what was approved. Raises ``ConfigurationError``."""
        wider = []
        if not use.covers(persons):
            wider.append("persons")
        if not profile.is_within(Profile(use.profile)):
            wider.append(f"profile ({use.profile} is approved)")
        if k < use.k:
            wider.append(f"k (at least {use.k} is approved)")
        if wider:
            self._note(principal, use, "wider-than-approved")
            raise ConfigurationError(
                f"This is wider than the data use that was approved: {', '.join(wider)}.",
                cure="Leave the options out to export what was approved, or ask for a new one.",
            )

    def _refuse(self, principal: Principal, use: DataUse) -> None:
        self._note(principal, use, "data-use")
        raise AccessDenied

    def _note(self, principal: Principal, use: DataUse, denied: str) -> None:
        about = self._authority.context(principal, use.purpose, Asking(by=self._by))
        self._recorder.record(events.export(about, "ndjson", 0, data_use=use.id, denied=denied))

    def _project(self, use: DataUse, profile: Profile, dry_run: bool) -> Project:
        key = secrets.token_bytes(KEY_BYTES) if dry_run else self._key(use.id)
        fields = frozenset(use.fields)
        return Project(use.id, key, profile, self._today(), fields)

    def _key(self, use_id: str) -> bytes:
        """Each project has a random key of its own; remove its file and the link is gone."""
        folder = self._keys / "projects"
        private_folder(folder, create=True)
        path = folder / f"{use_id}.key"
        if not path.exists():
            write(path, secrets.token_bytes(KEY_BYTES).hex().encode() + b"\n")
        return key_from_hex(read(path), path)

    def _today_us(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC)

    def _today(self) -> date:
        return self._today_us().date()

    # Persons

    def _look(
        self,
        principal: Principal,
        use: DataUse,
        persons: Sequence[str],
        deid: Deidentifier,
        report: ExportReport,
    ) -> Iterator[_Person]:
        seen: set[str] = set()
        for done, id in enumerate(persons, 1):
            self._progress("Deciding", done, len(persons))
            try:
                grant, person = self._permitted(principal, use, id)
            except (AccessDenied, NotFound):
                report.denied += 1
                continue
            if person in seen:
                report.asked -= 1  # named twice
                continue
            seen.add(person)
            patients = [
                kept
                for resource in self._resources(grant, ("Patient",))
                if (kept := deid.resource(resource, person)) is not None
            ]
            yield _Person(person, _quasi(patients))

    def _permitted(self, principal: Principal, use: DataUse, id: str) -> tuple[Grant, str]:
        """A grant for one person, and the person's id. Raises ``AccessDenied``."""
        options = ((Action.EXPORT, use.purpose),)
        need = Need(options, id, what=("export",), approved=True, data_use=use.id)
        permit = self._authority.permit(principal, need, Asking(by=self._by))
        return permit.grant, self._charts.person(permit.grant, id).person_id

    def _resources(self, grant: Grant, kinds: Sequence[str] = ()) -> Iterator[FhirJson]:
        """Resources of the persons that the grant covers, newest first."""
        before_us, before_id = 0, ""
        while True:
            page = self._charts.timeline(
                grant, grant.persons, (), before_us, _PAGE, before_id=before_id
            )
            for placed in page:
                resource = placed.state.resource
                if not kinds or resource["resourceType"] in kinds:
                    yield resource
            if len(page) < _PAGE:
                return
            before_us, before_id = page[-1].sort_us, page[-1].state.id

    @staticmethod
    def _count(report: ExportReport, hidden: KReport) -> None:
        report.suppressed = len(hidden.suppressed)
        report.persons = hidden.rows - report.suppressed
        report.k, report.classes = hidden.k, hidden.classes
        report.smallest_before = hidden.smallest_before

    # Record, then write

    def _record(
        self,
        principal: Principal,
        use: DataUse,
        persons: Sequence[str],
        profile: Profile,
        *,
        dry_run: bool,
    ) -> None:
        """On record who is in it, durably, before anything is written (or counted)."""
        asking = Asking(request_id=use.id, by=self._by)
        about = self._authority.context(principal, use.purpose, asking)
        what = f"{'dry-run' if dry_run else 'ndjson'}/{profile}"
        parts = range(0, max(1, len(persons)), _PATIENTS_PER_EVENT)
        self._recorder.record(
            *(
                events.export(
                    about,
                    what,
                    len(persons),
                    patients=persons[at : at + _PATIENTS_PER_EVENT],
                    recipient=actor_of(principal),
                    data_use=use.id,
                )
                for at in parts
            )
        )

    def _write(
        self,
        principal: Principal,
        use: DataUse,
        persons: Sequence[str],
        deid: Deidentifier,
        report: ExportReport,
        files: _Files,
    ) -> None:
        out, withheld, dropped = Counter[str](), Counter[str](), Counter[str]()
        named = {field.partition(".")[0] for field in use.fields}
        for done, id in enumerate(persons, 1):
            self._progress("Writing", done, len(persons))
            grant, person = self._permitted(principal, use, id)  # may have ended meanwhile
            for resource in self._resources(grant):
                kind = resource["resourceType"]
                # Of a type that the data use does not name, not even what FHIR requires leaves.
                kept = deid.resource(resource, person) if kind in named else None
                left = set() if kept is None else kept.keys()
                dropped.update(f"{kind}.{e}" for e in resource.keys() - left)
                if kept is None or kept.keys() <= {"resourceType", "id"}:
                    withheld[kind] += 1
                    continue
                out[kind] += 1
                files.write(kind, kept)
        report.resources, report.withheld = (
            dict(sorted(out.items())),
            dict(sorted(withheld.items())),
        )
        report.dropped = dict(sorted(dropped.items()))


def _quasi(patients: Sequence[FhirJson]) -> dict[str, str]:
    """Of all records of a person together: whoever has two differing ones stands out more."""
    rows = [quasi_identifiers(p) for p in patients]
    return {q: "|".join(sorted({row[q] for row in rows})) for q in QUASI}


class _Files:
    """One file per type in a folder that gets its name when it is complete. No folder: nothing."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._part = folder.with_name(f".{folder.name}.part") if folder else None
        self._open: dict[str, IO[bytes]] = {}

    def __enter__(self) -> _Files:
        if self._part is not None:
            self._part.mkdir(mode=0o700)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for file in self._open.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        if self._part is None or self._folder is None:
            return
        if kind is None:
            self._part.rename(self._folder)
            return
        for path in self._part.iterdir():
            path.unlink()
        self._part.rmdir()

    def write(self, kind: str, resource: FhirJson) -> None:
        """One line."""
        if self._part is not None:
            self._file(f"{kind}.ndjson").write(encode(resource) + b"\n")

    def write_report(self, report: ExportReport) -> None:
        """``export.json``: how the data set came about; no values."""
        if self._part is not None:
            self._file("export.json").write(encode(report) + b"\n")

    def _file(self, name: str) -> IO[bytes]:
        if name not in self._open:
            assert self._part is not None
            assert len(self._open) < _FILES_MAX
            descriptor = os.open(self._part / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._open[name] = os.fdopen(descriptor, "wb")
        return self._open[name]
