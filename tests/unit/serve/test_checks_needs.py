"""Who gets what the pages ask for, by the built-in policies: nobody whom it does not concern."""

from __future__ import annotations

import pytest

from chartloom.domain.grant import Purpose
from chartloom.guard.authority import Need
from chartloom.guard.policy import Action, PersonFacts, Policies, Request, builtin_texts
from chartloom.guard.staff import Principal, Role
from chartloom.serve import needs
from chartloom.wiring import desk

POLICIES = Policies(builtin_texts())
MINE = PersonFacts(("p",), frozenset({"attending"}))
STRANGER = PersonFacts(("p",))

CLINICIAN, HEAD, ENGINEER = Role.CLINICIAN, Role.DEPARTMENT_HEAD, Role.INTEGRATION_ENGINEER
ANALYST, OFFICER, AUDITOR = Role.ANALYST, Role.PRIVACY_OFFICER, Role.AUDITOR
ADMINISTRATOR, STEWARD = Role.ADMINISTRATOR, Role.DATA_STEWARD
OWN = PersonFacts(("p",), own=True)
APPROVE = Action.APPROVE_LIFT

#: Name in ``serve.needs`` -> (need, whom it is about, who gets it).
Expected = dict[str, tuple[Need, PersonFacts | None, set[Role]]]


def expected() -> Expected:
    """Made anew for each test, by what the functions answer then."""
    return {
        "SITE": (needs.SITE, None, {ADMINISTRATOR, AUDITOR, HEAD, ENGINEER, OFFICER}),
        "QUARANTINE": (needs.QUARANTINE, None, {ENGINEER}),
        "RETRY": (needs.RETRY, None, {ENGINEER}),
        "MESSAGES": (needs.MESSAGES, None, {ENGINEER}),
        "OWN_ACCESS": (needs.OWN_ACCESS, None, set(Role)),
        "OWN_GLASS": (needs.OWN_GLASS, None, set(Role)),
        "GLASS_FORM": (needs.GLASS_FORM, None, {CLINICIAN}),
        "REVIEW_FORM": (needs.REVIEW_FORM, None, {OFFICER}),
        "AUDIT": (needs.AUDIT, None, {AUDITOR, OFFICER}),
        "KEYS": (needs.KEYS, None, {ADMINISTRATOR}),
        "chart": (needs.chart("p"), MINE, {CLINICIAN}),
        "chart of a stranger": (needs.chart("p"), STRANGER, set()),
        "reconcile": (needs.reconcile("p", "medications"), MINE, {CLINICIAN}),
        "reconcile of a stranger": (needs.reconcile("p", "medications"), STRANGER, set()),
        "reconcile of oneself": (
            needs.reconcile("p", "medications"),
            PersonFacts(("p",), frozenset({"attending"}), own=True),
            set(),
        ),
        "document": (needs.document("r"), MINE, {CLINICIAN}),
        "document of a stranger": (needs.document("r"), STRANGER, set()),
        "evidence": (needs.evidence("r"), MINE, {CLINICIAN, ENGINEER}),
        "evidence of a stranger": (needs.evidence("r"), STRANGER, {ENGINEER}),
        "message": (needs.message(1), MINE, {CLINICIAN, ENGINEER}),
        "message of a stranger": (needs.message(1), STRANGER, {ENGINEER}),
        "messages_of": (needs.messages_of("p"), MINE, {CLINICIAN, ENGINEER}),
        "messages_of a stranger": (needs.messages_of("p"), STRANGER, {ENGINEER}),
        "search": (needs.search("name", "x"), None, {CLINICIAN}),
        "glass_search": (needs.glass_search("1", "2000-01-01"), None, {CLINICIAN}),
        "glass_break": (needs.glass_break("p"), STRANGER, {CLINICIAN}),
        "glass_reviews": (needs.glass_reviews(), None, {OFFICER}),
        "glass_review": (needs.glass_review(mine=False), None, {OFFICER}),
        "glass_review of one's own": (needs.glass_review(mine=True), None, set()),
        "disclosures": (needs.disclosures("p"), STRANGER, {OFFICER}),
        "use_request": (needs.use_request(), None, {ANALYST, CLINICIAN, HEAD}),
        "uses": (needs.uses(), None, {ANALYST, CLINICIAN, HEAD, OFFICER}),
        "use_decision": (needs.use_decision(mine=False), None, {OFFICER}),
        "use_decision on one's own": (needs.use_decision(mine=True), None, set()),
        "identity_queue": (needs.identity_queue(), None, {STEWARD}),
        "identity_pair": (needs.identity_pair(("p", "q")), STRANGER, {STEWARD}),
        "identity_pair of one's own": (needs.identity_pair(("p", "q")), OWN, set()),
        "identity_word": (needs.identity_word(("p", "q")), STRANGER, {STEWARD}),
        "identity_word on oneself": (needs.identity_word(("p", "q")), OWN, set()),
        "identity_history": (needs.identity_history("p"), MINE, {STEWARD}),
        "identity_history of oneself": (needs.identity_history("p"), OWN, set()),
        "SESSIONS": (needs.SESSIONS, None, {ADMINISTRATOR, OFFICER}),
        "END_SESSIONS": (needs.END_SESSIONS, None, {ADMINISTRATOR, OFFICER}),
        "shreddings": (needs.shreddings(), None, {ADMINISTRATOR, OFFICER}),
        "directory": (
            needs.directory("person"),
            None,
            {CLINICIAN, STEWARD, ENGINEER, ADMINISTRATOR, HEAD},
        ),
        "directory_questions": (
            needs.directory_questions(),
            None,
            {STEWARD, ENGINEER, ADMINISTRATOR, HEAD},
        ),
        "DIRECTORY_WORD": (needs.DIRECTORY_WORD, None, {STEWARD}),
        "labels_waiting": (needs.labels_waiting(), None, {OFFICER}),
        "labels": (needs.labels("p"), STRANGER, {OFFICER}),
        "labels of oneself": (needs.labels("p"), OWN, set()),
        "label_word": (needs.label_word("p", Action.SET_LABEL), STRANGER, {OFFICER}),
        "label_word to lift": (needs.label_word("p", Action.LIFT_LABEL), STRANGER, {OFFICER}),
        "label_word on oneself": (needs.label_word("p", Action.SET_LABEL), OWN, set()),
        "label_word to approve": (needs.label_word("p", APPROVE), STRANGER, {OFFICER}),
        "label_word to approve one's own": (
            needs.label_word("p", APPROVE, mine=True),
            STRANGER,
            set(),
        ),
        "quarantined": (needs.quarantined(7, "message"), None, {ENGINEER}),
    }


def _permitted(need: Need, person: PersonFacts | None, role: Role, *, fresh: bool = True) -> bool:
    principal = Principal("u", roles=frozenset({role.value}))
    return any(
        POLICIES.decide(
            Request(
                principal,
                action,
                purpose,
                person,
                need.candidates,
                reason=need.reason,
                approved=need.approved,
                mine=need.mine,
                fresh=fresh,
            )
        ).allowed
        for action, purpose in need.options
    )


@pytest.mark.parametrize("name", expected())
def test_only_those_whom_it_concerns_get_it(name: str) -> None:
    need, person, roles = expected()[name]
    assert {role for role in Role if _permitted(need, person, role)} == roles


def test_a_decision_needs_a_fresh_sign_in_and_nothing_else_does() -> None:
    grave = {
        name
        for name, (need, person, _) in expected().items()
        for role in Role
        if _permitted(need, person, role) and not _permitted(need, person, role, fresh=False)
    }
    assert grave == {"use_decision", "END_SESSIONS", "label_word to approve"}


def test_everything_that_pages_ask_for_is_looked_at() -> None:
    there = {
        name for name, value in vars(needs).items()
        if isinstance(value, Need) or getattr(value, "__annotations__", {}).get("return") == "Need"
    }  # fmt: skip
    assert there == {name.partition(" ")[0] for name in expected()}


def test_what_the_command_line_asks_for() -> None:
    for need, action in (
        (desk.FEEDS, Action.VIEW_SITE),
        (desk.MESSAGES, Action.VIEW_MESSAGE),
        (desk.QUARANTINE, Action.MANAGE_QUARANTINE),
        (desk.RETRY, Action.MANAGE_QUARANTINE),
        (desk.REPLAY, Action.REPLAY),
        (desk.KEYS, Action.MANAGE_KEYS),
        (desk.log("verify"), Action.VIEW_AUDIT),
    ):
        assert need.options == ((action, Purpose.OPERATIONS),)
    assert desk.message(7).options == (
        (Action.VIEW_EVIDENCE, Purpose.TREATMENT),
        (Action.VIEW_MESSAGE, Purpose.OPERATIONS),
    )
    assert desk.message(7).position == 7
