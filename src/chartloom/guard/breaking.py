"""Breaking the glass: what was permitted goes on record first, then it is kept."""

from __future__ import annotations

from uuid import uuid4

from chartloom.domain.access import Glass
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.ports import GlassRecords
from chartloom.guard.audit import events
from chartloom.guard.authority import Asking, Authority, Permit
from chartloom.guard.facts import actor_of
from chartloom.guard.staff import Principal


def break_glass(
    authority: Authority,
    permit: Permit,
    principal: Principal,
    asking: Asking,
    records: GlassRecords,
    own: Grant,
    *,
    reason: str,
    text: str,
    now_us: int,
    until_us: int,
    subject: str = "",
) -> Glass:
    """Emergency access to the patients of a permit to break the glass, or to ``subject``, a message
    in quarantine (``domain.access.message_subject``).

    own: the grant of whoever keeps the records. reason: a code, which stands in the record of
    access; text: what was typed, which is sealed. Raises ``AuditUnavailable`` before anything is
    open.
    """
    glass = Glass(
        id=uuid4().hex,
        actor=actor_of(principal),
        source_patients=(subject,) if subject else permit.patients,
        reason=reason,
        text=text,
        started_us=now_us,
        until_us=until_us,
    )
    purpose = permit.purpose if subject else Purpose.BREAK_GLASS
    about = authority.context(principal, purpose, asking, permit.grant)
    authority.record(
        events.glass_broken(about, glass.id, glass.source_patients[0], reason, glass.until_us)
    )
    records.add(own, glass)
    return glass
