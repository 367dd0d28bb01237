"""Questions to the policies with what they must answer: the matrix of the built-in rules."""

from __future__ import annotations

from typing import Any

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import (
    Action,
    PersonFacts,
    Policies,
    Request,
    builtin_texts,
)
from chartloom.guard.staff import Principal

BUILTIN = Policies(builtin_texts())
TREAT, OPS, QUALITY, RESEARCH, BTG = (
    Purpose.TREATMENT,
    Purpose.OPERATIONS,
    Purpose.QUALITY,
    Purpose.RESEARCH,
    Purpose.BREAK_GLASS,
)
A = Action


def person(*relations: str, labels: str = "", **facts: Any) -> PersonFacts:
    wanted = frozenset(Label(name) for name in labels.split())
    for name in ("denied", "permitted"):
        facts[name] = frozenset(facts.get(name, "").split())
    return PersonFacts(("pat-1", "pat-2"), frozenset(relations), wanted, **facts)


def ask(
    who: str, action: Action, purpose: Purpose, about: PersonFacts | None = None, **facts: bool
) -> Request:
    """``who``: roles, or ``+scope`` for a service."""
    if who.startswith("+"):
        principal = Principal("svc", scopes=frozenset(who[1:].split()), service=True)
    else:
        principal = Principal("u1", roles=frozenset(who.split()))
    return Request(principal, action, purpose, about, ("cand",), **facts)


LABELLED = "PSY ETH HIV SEX SDV R"
#: Question -> labels covered if allowed, ``None`` if denied.
MATRIX: list[tuple[Request, str | None]] = [
    # Treatment
    (ask("clinician", A.VIEW_CHART, TREAT, person("attending", labels=LABELLED)), LABELLED),
    (ask("clinician", A.VIEW_CHART, TREAT, person("care_team", labels=LABELLED)), LABELLED),
    (
        ask("clinician", A.VIEW_CHART, TREAT, person("encounter", labels=LABELLED)),
        "PSY HIV SEX SDV",
    ),
    (ask("clinician", A.VIEW_CHART, TREAT, person("primary_care", labels="ETH HIV")), "HIV"),
    (ask("clinician", A.VIEW_CHART, TREAT, person("department", labels=LABELLED)), ""),
    (ask("clinician", A.VIEW_EVIDENCE, TREAT, person("ordering")), ""),
    (ask("clinician", A.VIEW_CHART, TREAT, person("appointment")), ""),
    (ask("clinician", A.VIEW_CHART, TREAT, person()), None),
    (ask("clinician", A.VIEW_CHART, TREAT, person("friend")), None),
    (ask("clinician", A.VIEW_CHART, OPS, person("attending")), None),
    (ask("", A.VIEW_CHART, TREAT, person("attending")), None),
    (ask("administrator", A.VIEW_CHART, TREAT, person("attending")), None),
    (ask("clinician", A.EXPORT, TREAT, person("attending")), None),
    (ask("clinician", A.VIEW_MESSAGE, TREAT, person("attending")), None),
    (ask("clinician", A.SEARCH_PERSONS, TREAT), ""),
    (ask("clinician", A.SEARCH_PERSONS, OPS), None),
    (ask("auditor", A.SEARCH_PERSONS, TREAT), None),
    # Celebrities, colleagues, oneself
    (ask("clinician", A.VIEW_CHART, TREAT, person("department", labels="VIP")), None),
    (ask("clinician", A.VIEW_CHART, TREAT, person("encounter", labels="VIP EMP")), "VIP EMP"),
    (ask("integration_engineer", A.VIEW_MESSAGE, OPS, person(labels="EMP")), None),
    (ask("clinician", A.VIEW_CHART, TREAT, person("attending", own=True)), None),
    (ask("clinician", A.BREAK_GLASS, BTG, person(own=True), reason=True), None),
    # Glass
    (ask("clinician", A.BREAK_GLASS, BTG, person(), reason=True), ""),
    (ask("clinician", A.BREAK_GLASS, BTG, person()), None),
    (ask("clinician", A.BREAK_GLASS, TREAT, person(), reason=True), None),
    (ask("integration_engineer", A.BREAK_GLASS, BTG, person(), reason=True), None),
    (ask("clinician", A.VIEW_CHART, BTG, person(labels="VIP ETH R", glass=True)), "VIP ETH R"),
    (ask("clinician", A.VIEW_CHART, BTG, person(labels="ETH")), None),
    (ask("clinician", A.VIEW_CHART, TREAT, person(glass=True)), None),
    (ask("analyst", A.VIEW_CHART, BTG, person(glass=True)), None),
    (ask("clinician", A.FIND_PERSON, BTG), ""),
    (ask("clinician", A.FIND_PERSON, TREAT), None),
    (ask("analyst", A.FIND_PERSON, BTG), None),
    (ask("privacy_officer", A.REVIEW_GLASS, OPS), ""),
    (ask("privacy_officer", A.REVIEW_GLASS, OPS, mine=True), None),
    (ask("clinician", A.REVIEW_GLASS, OPS), None),
    # The local operator
    (ask("local_operator", A.FIND_PERSON, OPS), " ".join(Label)),
    (ask("local_operator", A.FIND_PERSON, TREAT), None),
    (ask("clinician", A.FIND_PERSON, OPS), None),
    (ask("local_operator integration_engineer", A.VIEW_MESSAGE, OPS), ""),
    (ask("local_operator", A.BREAK_GLASS, BTG, person(), reason=True), ""),
    (ask("local_operator", A.BREAK_GLASS, BTG, person()), None),
    (ask("local_operator", A.BREAK_GLASS, OPS, person(), reason=True), None),
    (ask("local_operator", A.VIEW_CHART, BTG, person(labels="VIP R", glass=True)), "VIP R"),
    (ask("local_operator", A.VIEW_CHART, BTG, person()), None),
    (ask("local_operator", A.VIEW_CHART, TREAT, person(glass=True)), None),
    # Consent
    (ask("clinician", A.VIEW_CHART, TREAT, person("attending", denied="*")), None),
    (ask("clinician", A.VIEW_CHART, BTG, person(denied="*", glass=True, labels="HIV")), "HIV"),
    (
        ask("clinician", A.VIEW_CHART, TREAT, person("attending", denied="HIV", labels="HIV PSY")),
        "PSY",
    ),
    (
        ask("clinician", A.VIEW_CHART, BTG, person(denied="HIV", labels="HIV", glass=True)),
        "HIV",
    ),
    (
        ask("clinician", A.VIEW_CHART, TREAT, person("department", permitted="ETH", labels="ETH")),
        "ETH",
    ),
    (ask("+system/*.read", A.VIEW_CHART, TREAT, person(denied="*")), None),
    # A permitted label opens nothing to those who are not related, nor for another purpose
    (
        ask("integration_engineer", A.VIEW_MESSAGE, OPS, person(permitted="ETH", labels="ETH")),
        "",
    ),
    (
        ask(
            "integration_engineer",
            A.VIEW_MESSAGE,
            OPS,
            person("attending", "encounter", permitted="ETH", labels="ETH PSY R"),
        ),
        "",
    ),
    (ask("clinician", A.VIEW_CHART, TREAT, person("attending", denied="*", glass=True)), None),
    (
        ask(
            "clinician",
            A.VIEW_CHART,
            TREAT,
            person("attending", denied="HIV", labels="HIV PSY", glass=True),
        ),
        "PSY",
    ),
    # Nor does a glass that is open, or about to be broken
    (ask("clinician", A.VIEW_CHART, TREAT, person("department", labels="ETH", glass=True)), ""),
    (ask("clinician", A.BREAK_GLASS, BTG, person(labels="ETH"), reason=True), ""),
    (ask("privacy_officer", A.REVIEW_GLASS, TREAT), None),
    # Secondary use
    (ask("clinician analyst", A.VIEW_CHART, QUALITY, person("attending"), data_use=True), None),
    (ask("analyst", A.USE_DATA, RESEARCH, data_use=True), ""),
    (ask("analyst", A.USE_DATA, RESEARCH), None),
    (ask("analyst", A.USE_DATA, TREAT, data_use=True), None),
    (ask("clinician", A.USE_DATA, QUALITY, data_use=True), None),
    (ask("analyst", A.EXPORT, RESEARCH, data_use=True, approved=True), ""),
    (ask("analyst", A.EXPORT, RESEARCH, data_use=True), None),
    (ask("analyst", A.EXPORT, RESEARCH, approved=True), None),
    (ask("analyst", A.EXPORT, TREAT, data_use=True, approved=True), None),
    (ask("clinician", A.EXPORT, RESEARCH, data_use=True, approved=True), None),
    (ask("analyst", A.REQUEST_DATA_USE, QUALITY), ""),
    (ask("department_head", A.REQUEST_DATA_USE, RESEARCH), ""),
    (ask("analyst", A.REQUEST_DATA_USE, TREAT), None),
    (ask("auditor", A.REQUEST_DATA_USE, QUALITY), None),
    (ask("privacy_officer", A.VIEW_DATA_USES, OPS), ""),
    (ask("privacy_officer", A.VIEW_DATA_USES, QUALITY), None),
    (ask("analyst", A.VIEW_DATA_USES, OPS), None),
    (ask("privacy_officer", A.APPROVE_DATA_USE, OPS, fresh=True), ""),
    (ask("privacy_officer", A.APPROVE_DATA_USE, OPS), None),
    (ask("privacy_officer", A.APPROVE_DATA_USE, TREAT, fresh=True), None),
    (ask("privacy_officer", A.APPROVE_DATA_USE, OPS, mine=True, fresh=True), None),
    (ask("analyst", A.APPROVE_DATA_USE, OPS, fresh=True), None),
    # Operations
    (ask("integration_engineer", A.VIEW_SITE, OPS), ""),
    (ask("clinician", A.VIEW_SITE, OPS), None),
    (ask("integration_engineer", A.REPLAY, OPS), ""),
    (ask("integration_engineer", A.REPLAY, TREAT), None),
    (ask("administrator", A.REPLAY, OPS), None),
    (ask("integration_engineer", A.MANAGE_QUARANTINE, OPS), "R"),
    (ask("integration_engineer", A.MANAGE_QUARANTINE, TREAT), None),
    (ask("auditor", A.MANAGE_QUARANTINE, OPS), None),
    (ask("integration_engineer", A.VIEW_MESSAGE, OPS), ""),
    (ask("integration_engineer", A.VIEW_MESSAGE, OPS, person(labels="ETH")), ""),
    (ask("integration_engineer", A.VIEW_MESSAGE, TREAT, person()), None),
    (ask("auditor", A.VIEW_EVIDENCE, OPS, person()), None),
    (ask("integration_engineer", A.VIEW_CHART, OPS, person()), None),
    (ask("administrator", A.MANAGE_KEYS, OPS), ""),
    (ask("administrator", A.MANAGE_POLICY, TREAT), None),
    (ask("privacy_officer", A.MANAGE_STAFF, OPS), None),
    (ask("administrator", A.REQUEST_SHRED, OPS, person(), reason=True), ""),
    (ask("administrator", A.REQUEST_SHRED, OPS, person()), None),
    (ask("administrator", A.REQUEST_SHRED, TREAT, person(), reason=True), None),
    (ask("privacy_officer", A.REQUEST_SHRED, OPS, person(), reason=True), None),
    (ask("administrator", A.VIEW_SESSIONS, OPS), ""),
    (ask("privacy_officer", A.VIEW_SESSIONS, OPS), ""),
    (ask("privacy_officer", A.VIEW_SESSIONS, TREAT), None),
    (ask("auditor", A.VIEW_SESSIONS, OPS), None),
    (ask("administrator", A.END_SESSIONS, OPS, fresh=True), ""),
    (ask("privacy_officer", A.END_SESSIONS, OPS, fresh=True), ""),
    (ask("privacy_officer", A.END_SESSIONS, OPS), None),
    (ask("privacy_officer", A.END_SESSIONS, TREAT, fresh=True), None),
    (ask("auditor", A.END_SESSIONS, OPS, fresh=True), None),
    (ask("administrator", A.VIEW_SHREDDINGS, OPS), ""),
    (ask("privacy_officer", A.VIEW_SHREDDINGS, OPS), ""),
    (ask("privacy_officer", A.VIEW_SHREDDINGS, TREAT), None),
    (ask("auditor", A.VIEW_SHREDDINGS, OPS), None),
    (ask("administrator", A.APPROVE_SHRED, OPS, fresh=True), ""),
    (ask("privacy_officer", A.APPROVE_SHRED, OPS, fresh=True), ""),
    (ask("privacy_officer", A.APPROVE_SHRED, OPS), None),
    (ask("privacy_officer", A.APPROVE_SHRED, TREAT, fresh=True), None),
    (ask("privacy_officer", A.APPROVE_SHRED, OPS, mine=True, fresh=True), None),
    (ask("auditor", A.APPROVE_SHRED, OPS, fresh=True), None),
    (ask("administrator", A.SHRED, OPS, person(), approved=True, reason=True), ""),
    (ask("administrator", A.SHRED, OPS, person(), reason=True), None),
    (ask("administrator", A.SHRED, OPS, person(), approved=True), None),
    (ask("administrator", A.SHRED, TREAT, person(), approved=True, reason=True), None),
    (ask("privacy_officer", A.SHRED, OPS, person(), approved=True, reason=True), None),
    # Who is one person
    # In the queue, which has no values, also what was stopped and is labelled.
    (ask("data_steward", A.REVIEW_IDENTITY, OPS), " ".join(Label)),
    (ask("data_steward", A.REVIEW_IDENTITY, TREAT), None),
    (ask("privacy_officer", A.REVIEW_IDENTITY, OPS), None),
    (ask("data_steward", A.REVIEW_IDENTITY, OPS, person(labels=LABELLED)), LABELLED),
    (ask("data_steward", A.REVIEW_IDENTITY, TREAT, person()), None),
    (ask("data_steward", A.REVIEW_IDENTITY, OPS, person(own=True)), None),
    (ask("clinician", A.REVIEW_IDENTITY, OPS, person("attending")), None),
    (ask("data_steward", A.SAY_IDENTITY, OPS, person(labels="VIP R")), "VIP R"),
    (ask("data_steward", A.SAY_IDENTITY, TREAT, person()), None),
    (ask("data_steward", A.SAY_IDENTITY, OPS, person(own=True)), None),
    (ask("administrator", A.SAY_IDENTITY, OPS, person()), None),
    (ask("data_steward", A.VIEW_CHART, OPS, person()), None),
    (ask("data_steward", A.VIEW_CHART, TREAT, person("attending")), None),
    (ask("data_steward clinician", A.VIEW_CHART, TREAT, person("department", labels="ETH")), ""),
    (ask("local_operator", A.SAY_IDENTITY, OPS, person()), ""),
    # People, places and drugs of the hospital
    (ask("clinician", A.VIEW_DIRECTORY, TREAT), ""),
    (ask("clinician", A.VIEW_DIRECTORY, OPS), None),
    (ask("integration_engineer", A.VIEW_DIRECTORY, OPS), ""),
    (ask("integration_engineer", A.VIEW_DIRECTORY, TREAT), None),
    (ask("analyst", A.VIEW_DIRECTORY, OPS), None),
    (ask("data_steward", A.STEWARD_DIRECTORY, OPS), ""),
    (ask("local_operator", A.STEWARD_DIRECTORY, OPS), ""),
    (ask("data_steward", A.STEWARD_DIRECTORY, TREAT), None),
    (ask("integration_engineer", A.STEWARD_DIRECTORY, OPS), None),
    (ask("clinician", A.STEWARD_DIRECTORY, TREAT), None),
    # Labels corrected by people
    (ask("privacy_officer", A.VIEW_LABELS, OPS), " ".join(Label)),
    (ask("privacy_officer", A.VIEW_LABELS, OPS, person(labels=LABELLED)), LABELLED),
    (ask("privacy_officer", A.VIEW_LABELS, TREAT, person()), None),
    (ask("privacy_officer", A.VIEW_LABELS, OPS, person(own=True)), None),
    (ask("privacy_officer", A.VIEW_LABELS, OPS, person(denied="*")), None),
    (ask("auditor", A.VIEW_LABELS, OPS, person()), None),
    (ask("privacy_officer", A.SET_LABEL, OPS, person(labels="HIV"), reason=True), "HIV"),
    (ask("privacy_officer", A.SET_LABEL, OPS, person()), None),
    (ask("privacy_officer", A.SET_LABEL, TREAT, person(), reason=True), None),
    (ask("privacy_officer", A.SET_LABEL, OPS, person(own=True), reason=True), None),
    (ask("administrator", A.SET_LABEL, OPS, person(), reason=True), None),
    (ask("privacy_officer", A.LIFT_LABEL, OPS, person(labels="HIV"), reason=True), "HIV"),
    (ask("privacy_officer", A.LIFT_LABEL, OPS, person()), None),
    (ask("privacy_officer", A.LIFT_LABEL, OPS, person(own=True), reason=True), None),
    (ask("clinician", A.LIFT_LABEL, OPS, person("attending"), reason=True), None),
    (ask("privacy_officer", A.APPROVE_LIFT, OPS, person(), reason=True, fresh=True), ""),
    (ask("privacy_officer", A.APPROVE_LIFT, OPS, person(), reason=True), None),
    (ask("privacy_officer", A.APPROVE_LIFT, OPS, person(), fresh=True), None),
    (ask("privacy_officer", A.APPROVE_LIFT, TREAT, person(), reason=True, fresh=True), None),
    (
        ask("privacy_officer", A.APPROVE_LIFT, OPS, person(), reason=True, fresh=True, mine=True),
        None,
    ),
    (
        ask("privacy_officer", A.APPROVE_LIFT, OPS, person(own=True), reason=True, fresh=True),
        None,
    ),
    (ask("administrator", A.APPROVE_LIFT, OPS, person(), reason=True, fresh=True), None),
    # What nobody could read
    (ask("integration_engineer", A.OPEN_QUARANTINED, OPS, reason=True), "R"),
    (ask("integration_engineer", A.OPEN_QUARANTINED, OPS), None),
    (ask("integration_engineer", A.OPEN_QUARANTINED, TREAT, reason=True), None),
    (ask("local_operator", A.OPEN_QUARANTINED, OPS, reason=True), "R"),
    (ask("privacy_officer", A.OPEN_QUARANTINED, OPS, reason=True), None),
    (
        ask("integration_engineer", A.OPEN_QUARANTINED, OPS, person(labels="HIV R"), reason=True),
        "R",
    ),
    (ask("integration_engineer", A.OPEN_QUARANTINED, OPS, person(labels="VIP"), reason=True), None),
    (ask("integration_engineer", A.OPEN_QUARANTINED, OPS, person(labels="EMP"), reason=True), None),
    (ask("integration_engineer", A.OPEN_QUARANTINED, OPS, person(own=True), reason=True), None),
    (ask("integration_engineer", A.OPEN_QUARANTINED, OPS, person(denied="*"), reason=True), None),
    # Lists of a chart
    (ask("clinician", A.RECONCILE, TREAT, person("attending", labels=LABELLED)), LABELLED),
    (ask("clinician", A.RECONCILE, TREAT, person("department")), ""),
    (ask("clinician", A.RECONCILE, TREAT, person()), None),
    (ask("clinician", A.RECONCILE, OPS, person("attending")), None),
    (ask("department_head", A.RECONCILE, TREAT, person("attending")), None),
    (ask("clinician", A.RECONCILE, TREAT, person("attending", labels="VIP")), "VIP"),
    (ask("clinician", A.RECONCILE, TREAT, person("attending", denied="*")), None),
    (ask("clinician", A.RECONCILE, BTG, person(glass=True)), None),
    (ask("clinician", A.RECONCILE, TREAT, person("attending", own=True)), None),
    (ask("clinician", A.RECONCILE, TREAT, person("department", labels="VIP")), None),
    (ask("data_steward", A.RECONCILE, OPS, person("attending")), None),
    (ask("local_operator", A.RECONCILE, BTG, person(glass=True)), None),
    # Oversight
    (ask("auditor", A.VIEW_AUDIT, OPS), ""),
    (ask("auditor", A.VIEW_AUDIT, TREAT), None),
    (ask("administrator", A.VIEW_AUDIT, OPS), None),
    (ask("privacy_officer", A.VIEW_DISCLOSURES, OPS, person()), ""),
    (ask("privacy_officer", A.VIEW_DISCLOSURES, TREAT, person()), None),
    (ask("auditor", A.VIEW_DISCLOSURES, OPS, person()), None),
    (ask("", A.VIEW_OWN_ACCESS, OPS), ""),
    # Services
    (ask("+messages.send", A.SEND_MESSAGES, OPS), ""),
    (ask("+system/*.read", A.SEND_MESSAGES, OPS), None),
    (ask("+system/*.read", A.VIEW_CHART, TREAT, person(labels="ETH")), ""),
    (ask("+messages.send", A.VIEW_CHART, TREAT, person()), None),
    (ask("+system/*.read", A.VIEW_CHART, BTG, person()), None),
    (ask("+system/Patient.rs", A.IDENTIFY_PERSON, TREAT), ""),
    (ask("+system/Patient.rs", A.IDENTIFY_PERSON, OPS, person(labels="VIP")), ""),
    (ask("+system/Patient.rs", A.IDENTIFY_PERSON, TREAT, person(denied="*")), None),
    (ask("+system/Patient.rs", A.IDENTIFY_PERSON, BTG, person(denied="*", glass=True)), None),
    (ask("+system/Patient.rs", A.IDENTIFY_PERSON, BTG), None),
    (ask("+system/Patient.rs", A.IDENTIFY_PERSON, RESEARCH), None),
    (ask("+system/Patient.rs", A.VIEW_CHART, TREAT, person()), None),
    (ask("+system/*.read", A.IDENTIFY_PERSON, TREAT), None),
    (ask("clinician administrator", A.IDENTIFY_PERSON, TREAT), None),
    (ask("+internal.worker", A.PROCESS_MESSAGES, OPS), " ".join(Label)),
    (ask("+system/*.read", A.PROCESS_MESSAGES, OPS), None),
    (ask("+internal.worker messages.send", A.SEND_MESSAGES, OPS), ""),
    (ask("+internal.worker", A.EXPORT, OPS), None),
]


#: A careless site: what is forbidden stays forbidden whatever else is permitted.
CARELESS = {
    "careless.cedar": """
@id("careless-chart") permit (principal, action == Action::"view_chart", resource is Person);
@id("careless-labels") permit (principal is User, action == Action::"see_label", resource);
@id("careless-work") permit (principal is Service, action == Action::"process_messages", resource);
"""
}
CARELESS_MATRIX: list[tuple[Request, str | None]] = [
    (ask("", A.VIEW_CHART, TREAT, person(labels="PSY")), "PSY"),
    (ask("analyst", A.VIEW_CHART, QUALITY, person(), data_use=True), None),
    (ask("clinician", A.VIEW_CHART, BTG, person(denied="*")), None),
    (ask("clinician", A.VIEW_CHART, BTG, person(denied="HIV", labels="HIV PSY")), "PSY"),
    (ask("clinician", A.VIEW_CHART, TREAT, person(labels="VIP")), None),
    (ask("+odd", A.PROCESS_MESSAGES, OPS), ""),
]


def outcome(policies: Policies, request: Request) -> frozenset[str] | None:
    decision = policies.decide(request)
    assert not decision.fault
    return frozenset(decision.labels) if decision.allowed else None
