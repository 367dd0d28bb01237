"""An exporter with everything that it needs of a site that is up."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import EVERYONE, Purpose
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.requests import PostgresUses
from chartloom.guard.audit import Recorder
from chartloom.guard.facts import actor_of
from chartloom.guard.staff import Principal, principal_of
from chartloom.project import Project
from chartloom.project.access import load_staff
from chartloom.wiring.desk import Desk, authority_of
from chartloom.wiring.export import Exporter
from chartloom.wiring.site import OpenSite, open_site

_PAGE = 5_000


@dataclass(frozen=True)
class Exports:
    """An exporter, and who and whom there is."""

    opened: OpenSite
    exporter: Exporter

    def principal(self, user: str) -> Principal:
        """Somebody of the staff. Raises ``ConfigurationError``."""
        staff = load_staff(self.opened.project)
        if staff.member(user) is None:
            raise ConfigurationError(
                "There is nobody of that subject.",
                where=self.opened.project.settings.access.staff,
                cure="Name somebody of the staff whom the data use names.",
            )
        return principal_of(staff, user, {})

    def everyone(self) -> list[str]:
        """The source patients of the site. What is labelled is not looked at."""
        return everyone(self.opened)


def everyone(opened: OpenSite) -> list[str]:
    """The source patients of a site. What is labelled is not looked at."""
    grant = opened.guard.mint("service:export", Purpose.OPERATIONS, EVERYONE, (), 300)
    found: list[str] = []
    while page := opened.store.source_patients(grant, found[-1] if found else "", _PAGE):
        found += page
    return found


@contextlib.contextmanager
def open_exports(project: Project, progress: Callable[[str, int, int], None]) -> Iterator[Exports]:
    """Opens the site's store and record for exports."""
    with open_site(project) as opened, contextlib.ExitStack() as stack:
        store, guard, clock = opened.store, opened.guard, opened.clock
        log = PostgresAuditLog(store.connector(Role.SERVE), guard)
        stack.callback(log.close)
        recorder = Recorder(log)
        stack.callback(recorder.close)
        desk = Desk(opened, recorder)
        desk.note("export")
        authority = authority_of(opened, recorder, "export")
        uses = PostgresUses(store)
        yield Exports(
            opened,
            Exporter(
                store, uses, authority, recorder, guard, clock, project.key_dir, progress,
                by=actor_of(desk.principal), everyone=lambda: everyone(opened),
            ),
        )  # fmt: skip
