"""Nouns of access: care relations, broken glass, data uses, sessions, what is known of a person.

Nothing is judged here: how long a relation counts and what may be seen is decided in ``guard``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from chartloom.domain.grant import Purpose
from chartloom.domain.resource import FhirJson

#: Subjects of keys and rows that are about no patient. Source patient ids are UUIDs, so that none
#: is ever equal to one of these; a grant that names one of them opens exactly these records.
SESSIONS_SUBJECT = "site:sessions"
USES_SUBJECT = "site:data-uses"
GLASS_SUBJECT = "site:glass"
SHREDDINGS_SUBJECT = "site:shreddings"


class RelationKind(StrEnum):
    """How somebody is related to a patient. The values are stored and stand in policies."""

    ATTENDING = "attending"
    ENCOUNTER = "encounter"  #: took part in a stay or visit in another role
    ORDERING = "ordering"  #: requested or was asked to perform something
    APPOINTMENT = "appointment"
    CARE_TEAM = "care_team"
    PRIMARY_CARE = "primary_care"
    DEPARTMENT = "department"  #: the patient was or is to be at this place or with this provider


class Relation(msgspec.Struct, frozen=True, order=True):
    """One relation of a source patient to ``who``.

    who: id of a Practitioner, Location or Organization. start_us, end_us: UTC microseconds; 0 is
    unknown (start) or open (end). An instant has ``end_us == start_us``.
    """

    source_patient: str
    who: str
    kind: RelationKind
    start_us: int
    end_us: int


class KnownOfPerson(msgspec.Struct, frozen=True):
    """What is known of one person, for deciding who may see what.

    source_patients: of the person's cluster; empty if nobody is known under the id. relations: all
    of them, whenever they were. labels: mask of the person's labels and of those of the data there
    is (:mod:`chartloom.domain.labels`). person_labels: only those of the person (VIP, EMP).
    """

    source_patients: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    labels: int = 0
    person_labels: int = 0


class KnownConsent(msgspec.Struct, frozen=True):
    """A FHIR Consent of a patient. opens: what it permits counts, not only what it denies. anew:
    everything is derived anew, so that what it says of single things cannot be judged yet."""

    resource: FhirJson
    opens: bool = True
    anew: bool = False


class Target(msgspec.Struct, frozen=True):
    """Whom a resource or a message is about. ``found``: whether it is there at all.

    source_patients: of the persons concerned; empty for what is about no patient.
    """

    found: bool
    source_patients: tuple[str, ...] = ()


_MESSAGE: Final = "site:message/"


def message_subject(position: int) -> str:
    """What stands in a record of emergency access in place of patients: a message of nobody knows
    whom, in quarantine."""
    return f"{_MESSAGE}{position}"


class Glass(msgspec.Struct, frozen=True):
    """Emergency access that somebody took: against a missing care relation, for a time.

    reason: a code; text: what the person wrote (kept sealed under the patient's key). outcome of
    the review: ``justified``, ``unjustified``, ``escalated``; ``""`` while it is open. Of a message
    in quarantine, which nobody has judged: source_patients is its :func:`message_subject`.
    """

    id: str
    actor: str
    source_patients: tuple[str, ...]
    reason: str
    text: str
    started_us: int
    until_us: int
    reviewed_by: str = ""
    reviewed_us: int = 0
    outcome: str = ""

    @property
    def position(self) -> int:
        """Of the message in quarantine that it is about; 0 if it is about a patient."""
        number = self.source_patients[0].removeprefix(_MESSAGE)
        return 0 if number == self.source_patients[0] else int(number)


class UseState(StrEnum):
    """Where a data use stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


class DataUse(msgspec.Struct, frozen=True):
    """Permission to use data for quality improvement or research: who, what, whom, until when.

    fields: resource elements that may be used (``Observation.valueQuantity``), nothing else.
    cohort: the criterion in words. users: subjects of those who may use it. everyone, persons:
    whose data may leave, all persons of the site or these ids; neither: nobody's. profile: how much
    may leave at most (``guard.deid.Profile``). k: how few may look alike at least.
    """

    id: str
    title: str
    purpose: Purpose
    fields: tuple[str, ...]
    cohort: str
    users: tuple[str, ...]
    until_us: int
    requested_by: str
    requested_us: int
    state: UseState = UseState.REQUESTED
    decided_by: str = ""
    decided_us: int = 0
    everyone: bool = False
    persons: tuple[str, ...] = ()
    profile: str = "safe_harbor"
    k: int = 11

    def covers(self, person_ids: Sequence[str]) -> bool:
        """Whether the data of all of these may leave."""
        return self.everyone or set(person_ids) <= set(self.persons)

    def in_force(self, subject: str, purpose: Purpose, now_us: int) -> bool:
        """Whether it lets ``subject`` use data for ``purpose`` now."""
        return (
            self.state is UseState.APPROVED
            and now_us < self.until_us
            and subject in self.users
            and self.purpose is purpose
        )


class ShredState(StrEnum):
    """Where the destruction of a person's keys stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    DONE = "done"


class Shredding(msgspec.Struct, frozen=True):
    """The destruction of a person's keys: one asks, another approves, then it is carried out.

    source_patients: of the person when it was asked for. reason: a code.
    """

    id: str
    source_patients: tuple[str, ...]
    reason: str
    requested_by: str
    requested_us: int
    state: ShredState = ShredState.REQUESTED
    decided_by: str = ""
    decided_us: int = 0

    def may_be_done(self, now_us: int, valid_us: int) -> bool:
        """Whether two persons want it, and not too long ago."""
        return (
            self.state is ShredState.APPROVED
            and self.decided_by not in ("", self.requested_by)
            and 0 <= now_us - self.decided_us < valid_us
        )


class SignedIn(msgspec.Struct, frozen=True):
    """A session as the server keeps it (sealed).

    claims: those by which roles and departments are found, and the name. method: ``oidc``,
    ``local``. purpose: chosen by the person where there is a choice. csrf: secret of its forms.
    proved_us: when the person last proved who they are. id_token: to end the provider's session.
    """

    subject: str
    method: str
    claims: dict[str, Any]
    started_us: int
    until_us: int
    csrf: str
    purpose: str = ""
    issuer: str = ""
    issuer_session: str = ""
    proved_us: int = 0
    id_token: str = ""


class StoredSession(msgspec.Struct, frozen=True):
    """A session with when it was last used. key: SHA-256 of what the browser holds."""

    key: bytes
    session: SignedIn
    seen_us: int
