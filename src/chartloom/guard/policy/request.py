"""What is asked of the policies, and what they answer. Frozen values; no identity of a patient."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.domain.withholding import Withholding
from chartloom.guard.staff import Principal


class Action(StrEnum):
    """Everything that can be asked for; the actions of ``schema.cedarschema``."""

    VIEW_CHART = "view_chart"
    VIEW_EVIDENCE = "view_evidence"
    VIEW_MESSAGE = "view_message"
    SEE_LABEL = "see_label"  #: asked by the engine itself, per label
    EXPORT = "export"
    BREAK_GLASS = "break_glass"
    VIEW_DISCLOSURES = "view_disclosures"
    REQUEST_SHRED = "request_shred"
    SHRED = "shred"
    SEARCH_PERSONS = "search_persons"
    SEND_MESSAGES = "send_messages"
    PROCESS_MESSAGES = "process_messages"
    VIEW_SITE = "view_site"
    REPLAY = "replay"
    MANAGE_QUARANTINE = "manage_quarantine"
    MANAGE_FEEDS = "manage_feeds"
    FIND_PERSON = "find_person"
    IDENTIFY_PERSON = "identify_person"  #: by other systems: identifiers and demographics
    VIEW_OWN_ACCESS = "view_own_access"
    REVIEW_GLASS = "review_glass"
    REQUEST_DATA_USE = "request_data_use"
    VIEW_DATA_USES = "view_data_uses"
    APPROVE_DATA_USE = "approve_data_use"
    USE_DATA = "use_data"
    VIEW_AUDIT = "view_audit"
    MANAGE_KEYS = "manage_keys"
    VIEW_SHREDDINGS = "view_shreddings"
    APPROVE_SHRED = "approve_shred"
    VIEW_SESSIONS = "view_sessions"
    END_SESSIONS = "end_sessions"
    MANAGE_POLICY = "manage_policy"
    MANAGE_STAFF = "manage_staff"
    REVIEW_IDENTITY = "review_identity"
    SAY_IDENTITY = "say_identity"
    RECONCILE = "reconcile"
    VIEW_DIRECTORY = "view_directory"
    STEWARD_DIRECTORY = "steward_directory"
    VIEW_LABELS = "view_labels"
    SET_LABEL = "set_label"
    LIFT_LABEL = "lift_label"  #: asking for it; a second person approves
    APPROVE_LIFT = "approve_lift"
    OPEN_QUARANTINED = "open_quarantined"


class PersonFacts(msgspec.Struct, frozen=True):
    """What the policies may know about the patient in question, seen from the one who asks.

    source_patients: what a grant will cover; never shown to the policies. relations: kinds that
    count now (:func:`~chartloom.guard.policy.windows.relations_now`). labels: of the person and of
    the data there is. denied, permitted: from the patient's consent; ``"*"`` denies everything.
    withheld: what the patient withholds by class; the policies say whether that binds, and do not
    see it. glass: broken by this user and still open. own: the user is this patient.
    """

    source_patients: tuple[str, ...]
    relations: frozenset[str] = frozenset()
    labels: frozenset[Label] = frozenset()
    denied: frozenset[str] = frozenset()
    permitted: frozenset[str] = frozenset()
    glass: bool = False
    own: bool = False
    withheld: tuple[Withholding, ...] = ()


class Request(msgspec.Struct, frozen=True):
    """One question. ``person`` is ``None`` for what is not about one patient.

    candidates: source patients that an answer about the site may cover (a search: those the user
    has a relation with). reason, data_use, approved, mine, fresh: see the schema's ``Context``.
    """

    principal: Principal
    action: Action
    purpose: Purpose
    person: PersonFacts | None = None
    candidates: tuple[str, ...] = ()
    reason: bool = False
    data_use: bool = False
    approved: bool = False
    mine: bool = False
    fresh: bool = False


class Decision(msgspec.Struct, frozen=True):
    """The answer, ready to become a Grant.

    reasons: ids of the policies that decided. persons, labels: for ``Grant.persons`` and
    ``Grant.labels``. withheld: for ``Grant.withheld``. fault: a policy could not be
    evaluated; that is always a denial.
    """

    allowed: bool
    reasons: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    ttl_s: float = 0.0
    policy_version: str = ""
    fault: bool = False
    withheld: tuple[Withholding, ...] = ()
