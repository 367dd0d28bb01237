"""The data use of the demo: an analyst asks for it, and somebody else is to approve it."""

from __future__ import annotations

import contextlib
from typing import Final
from uuid import uuid4

from chartloom.domain.access import DataUse
from chartloom.domain.grant import Purpose
from chartloom.engines.postgres.audit_log import PostgresAuditLog
from chartloom.engines.postgres.protection_rules import Role
from chartloom.engines.postgres.requests import PostgresUses
from chartloom.guard.audit import Kind, Recorder, events
from chartloom.guard.authority import Asking
from chartloom.guard.facts import actor_of
from chartloom.guard.staff import principal_of
from chartloom.project import Project
from chartloom.project.access import load_staff
from chartloom.serve import needs
from chartloom.wiring.desk import Desk, authority_of
from chartloom.wiring.site import open_site

ANALYST: Final = "tomas.berg"
_DAYS_US: Final = 30 * 86_400_000_000
#: Without year of birth and place: in a house of 150 nearly everybody would stand out by them.
FIELDS: Final = (
    "Patient.gender",
    "Encounter.class",
    "Encounter.period",
    "Condition.code",
    "Observation.code",
    "Observation.valueQuantity",
    "Observation.effectiveDateTime",
)


def propose_data_use(project: Project) -> DataUse:
    """Asks for the demo's data use in the analyst's name, on record; it waits for an approval."""
    with open_site(project) as opened, contextlib.ExitStack() as stack:
        log = PostgresAuditLog(opened.store.connector(Role.SERVE), opened.guard)
        stack.callback(log.close)
        recorder = Recorder(log)
        stack.callback(recorder.close)
        authority = authority_of(opened, recorder, "demo")
        analyst = principal_of(load_staff(project), ANALYST, {})
        asking = Asking(by=actor_of(Desk(opened, recorder).principal))
        me, now_us = actor_of(analyst), opened.clock.now_us()
        use = DataUse(
            uuid4().hex, "Diagnoses and results by kind of visit", Purpose.QUALITY, FIELDS,
            "Everybody who was treated in the past half year", (me,), now_us + _DAYS_US, me, now_us,
            everyone=True, k=11,
        )  # fmt: skip
        permit = authority.permit(analyst, needs.use_request(use.purpose), asking)
        about = authority.context(analyst, use.purpose, asking, permit.grant)
        authority.record(events.change(about, Kind.USE_REQUESTED, use.id))
        PostgresUses(opened.store).add(permit.grant, use)
        return use
