"""Decisions by the built-in policies, and what must hold for any policies."""

from __future__ import annotations

import json
import logging
from typing import Any

import cedarpy
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import EVERYONE, Purpose
from chartloom.domain.issues import CATALOGUE
from chartloom.domain.labels import Label
from chartloom.guard.policy import (
    GRANT_TTL_MAX_S,
    Action,
    PersonFacts,
    Policies,
    Request,
    builtin_texts,
    check_policies,
    schema_text,
)
from chartloom.guard.policy import policies as engine
from chartloom.guard.policy.split import statements
from chartloom.guard.staff import Principal, Role

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
    (ask("privacy_officer", A.APPROVE_DATA_USE, OPS), ""),
    (ask("privacy_officer", A.APPROVE_DATA_USE, OPS, mine=True), None),
    (ask("analyst", A.APPROVE_DATA_USE, OPS), None),
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
    (ask("administrator", A.SHRED, OPS, person(), approved=True, reason=True), ""),
    (ask("administrator", A.SHRED, OPS, person(), reason=True), None),
    (ask("administrator", A.SHRED, OPS, person(), approved=True), None),
    (ask("administrator", A.SHRED, TREAT, person(), approved=True, reason=True), None),
    (ask("privacy_officer", A.SHRED, OPS, person(), approved=True, reason=True), None),
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


@pytest.mark.parametrize(("request_", "labels"), MATRIX)
def test_matrix(request_: Request, labels: str | None) -> None:
    expected = None if labels is None else frozenset(labels.split())
    assert outcome(BUILTIN, request_) == expected


@pytest.mark.parametrize(("request_", "labels"), CARELESS_MATRIX)
def test_careless_site(request_: Request, labels: str | None) -> None:
    expected = None if labels is None else frozenset(labels.split())
    assert outcome(Policies(builtin_texts() | CARELESS), request_) == expected


def _mutants() -> list[tuple[str, dict[str, str]]]:
    """The built-in policies, each time with one policy or one of its clauses taken out."""
    texts = builtin_texts()
    found = []
    for file, text in texts.items():
        for statement in statements(file, text):
            others = {**texts, file: text.replace(statement.text, "")}
            found.append((f"{statement.where} removed", others))
            parsed = json.loads(cedarpy.policies_to_json_str(statement.text))
            name, policy = next(iter(parsed["staticPolicies"].items()))
            for index, condition in enumerate(policy["conditions"]):
                rest = [c for i, c in enumerate(policy["conditions"]) if i != index]
                for what, body in _weakened(condition["body"]):
                    new = [*rest, {**condition, "body": body}] if body is not None else rest
                    changed = {"staticPolicies": {name: {**policy, "conditions": new}}}
                    wrapped = json.dumps({"templates": {}, "templateLinks": [], **changed})
                    mutant = cedarpy.policies_from_json_str(wrapped)
                    mutated = {**others, "mutant.cedar": mutant}
                    found.append((f"{statement.where} {condition['kind']} {what}", mutated))
    return found


def _weakened(body: Any) -> list[tuple[str, Any]]:
    """Without the clause, and with each operand of its ``&&`` and ``||`` left out."""
    found: list[tuple[str, Any]] = [("removed", None)]
    for operator in ("&&", "||"):
        if isinstance(body, dict) and operator in body:
            for side, other in (("left", "right"), ("right", "left")):
                kept = body[operator][other]
                found.append((f"without {side} of {operator}", kept))
                found += [
                    (f"{what} in {other}", {operator: {**body[operator], other: inner}})
                    for what, inner in _weakened(kept)
                    if inner is not None
                ]
    return found


@pytest.mark.parametrize(("what", "texts"), _mutants(), ids=lambda v: v if type(v) is str else "")
def test_every_check_matters(what: str, texts: dict[str, str]) -> None:
    """Each policy, clause and operand: without it some row above comes out otherwise."""
    mutant = Policies(texts)
    if any(outcome(mutant, r) != outcome(BUILTIN, r) for r, _ in MATRIX):
        return
    mutant, whole = Policies(texts | CARELESS), Policies(builtin_texts() | CARELESS)
    assert any(outcome(mutant, r) != outcome(whole, r) for r, _ in CARELESS_MATRIX), what


def test_grant_covers_the_patient_the_candidates_or_everyone_by_policy_only() -> None:
    chart = BUILTIN.decide(ask("clinician", A.VIEW_CHART, TREAT, person("attending")))
    assert chart.persons == ("pat-1", "pat-2")
    assert chart.reasons == ("care-relation",)
    assert chart.policy_version == BUILTIN.version
    assert 0 < chart.ttl_s <= GRANT_TTL_MAX_S
    search = BUILTIN.decide(ask("clinician", A.SEARCH_PERSONS, TREAT))
    assert search.persons == ("cand",)
    find = BUILTIN.decide(ask("clinician", A.FIND_PERSON, BTG))
    assert find.persons == EVERYONE
    assert find.labels == ()
    denied = BUILTIN.decide(ask("clinician", A.VIEW_CHART, TREAT, person()))
    assert denied.persons == denied.labels == ()
    assert denied.ttl_s == 0


def test_grants_never_live_longer_than_the_limit() -> None:
    long = Policies(builtin_texts(), grant_ttl_s=86_400)
    decision = long.decide(ask("clinician", A.SEARCH_PERSONS, TREAT))
    assert decision.ttl_s == GRANT_TTL_MAX_S


# Hazards of the engine

OVERFLOW = """
@id("blow-up")
forbid (principal, action == Action::"view_chart", resource is Person)
when { 9223372036854775807 + (if resource.glass then 1 else 1) > 0 };
"""
OVERFLOW_LABEL = OVERFLOW.replace('"view_chart"', '"see_label"')


def test_engine_alone_would_allow_when_a_forbid_fails() -> None:
    """Why diagnostics must deny: this is what Cedar does."""
    request = ask("clinician", A.VIEW_CHART, TREAT, person("attending"))
    answer = cedarpy.is_authorized(
        engine._question(request, A.VIEW_CHART, ""),
        builtin_texts()["care.cedar"] + OVERFLOW,
        engine._entities(request),
    )
    assert answer.allowed
    assert answer.diagnostics.errors


@pytest.mark.parametrize("broken", [OVERFLOW, OVERFLOW_LABEL], ids=["action", "label"])
def test_any_diagnostic_denies_and_is_not_told(
    broken: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    policies = Policies({**builtin_texts(), "site.cedar": broken})
    request = ask("clinician", A.VIEW_CHART, TREAT, person("attending", labels="PSY"))
    with caplog.at_level(logging.DEBUG):
        for count in (1, 2):
            decision = policies.decide(request)
            assert not decision.allowed
            assert decision.fault
            assert policies.faults == count, "a fault is not remembered as an answer"
    assert decision.reasons == ()
    assert "overflow" not in repr(decision)
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_a_fault_elsewhere_leaves_other_actions_alone() -> None:
    policies = Policies({**builtin_texts(), "site.cedar": OVERFLOW})
    assert policies.decide(ask("clinician", A.SEARCH_PERSONS, TREAT)).allowed


def test_text_that_is_none_denies() -> None:
    for subject in ("\ud800", "", " "):
        odd = Request(Principal(subject, roles=frozenset({"clinician"})), A.SEARCH_PERSONS, TREAT)
        decision = BUILTIN.decide(odd)
        assert not decision.allowed
        assert decision.fault


@pytest.mark.parametrize("subject", ['x"; permit(principal,action,resource);//', "a\nb", "", "*"])
def test_odd_subjects_gain_nothing(subject: str) -> None:
    request = Request(Principal(subject), A.VIEW_CHART, TREAT, person("attending"))
    assert not BUILTIN.decide(request).allowed


def test_action_asked_of_the_wrong_thing_is_denied() -> None:
    assert not BUILTIN.decide(ask("clinician", A.BREAK_GLASS, BTG, None, reason=True)).allowed
    everyone = ask("administrator auditor privacy_officer", A.VIEW_AUDIT, OPS, person())
    assert not BUILTIN.decide(everyone).allowed
    assert not BUILTIN.decide(ask("+internal.worker", A.MANAGE_KEYS, OPS)).allowed


def test_patients_are_unknown_to_the_policies() -> None:
    request = ask("clinician", A.VIEW_CHART, TREAT, person("attending", labels="HIV"))
    asked = engine._entities(request) + str(engine._question(request, A.VIEW_CHART, ""))
    assert "pat-1" not in asked
    same = msgspec.structs.replace(
        request, person=msgspec.structs.replace(request.person, source_patients=("other",))
    )
    assert BUILTIN.decide(same).persons == ("other",)


def test_policies_may_name_people_and_are_not_mixed_up_by_the_memo() -> None:
    named = """
@id("not-mallory")
forbid (principal == User::"mallory", action, resource);
@id("not-eve")
forbid (principal is User, action, resource) when { principal == User::"eve" };
"""
    policies = Policies(builtin_texts() | {"site.cedar": named})
    for _ in range(2):
        for subject, allowed in (("alice", True), ("mallory", False), ("eve", False)):
            who = Principal(subject, roles=frozenset({"clinician"}))
            assert policies.decide(Request(who, A.SEARCH_PERSONS, TREAT)).allowed is allowed


# Any request

_FACTS = st.builds(
    PersonFacts,
    st.just(("p",)),
    st.frozensets(st.sampled_from(["attending", "department", "care_team"]), max_size=2),
    st.frozensets(st.sampled_from(list(Label)), max_size=3),
    st.frozensets(st.sampled_from(["*", "HIV", "ETH"]), max_size=2),
    st.frozensets(st.sampled_from(["HIV", "ETH"]), max_size=2),
    st.booleans(),
    st.booleans(),
)
_PEOPLE = st.builds(
    Principal,
    st.just("u"),
    roles=st.frozensets(st.sampled_from([r.value for r in Role]), max_size=3),
)
_SERVICES = st.builds(
    Principal,
    st.just("s"),
    scopes=st.frozensets(st.sampled_from(["system/*.read", "internal.worker", "messages.send"])),
    service=st.just(True),
)
_REQUESTS = st.builds(
    Request,
    _PEOPLE | _SERVICES,
    st.sampled_from([a for a in Action if a is not A.SEE_LABEL]),
    st.sampled_from(list(Purpose)),
    st.none() | _FACTS,
    st.just(("cand",)),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


@given(_REQUESTS)
@settings(max_examples=200, deadline=None)
def test_memo_and_narrowed_sets_change_nothing(request: Request) -> None:
    """Against the engine with all policies at once, no memo, and everything schema-checked."""
    decision = BUILTIN.decide(request)
    assert BUILTIN.decide(request) == decision
    schema = cedarpy.Schema.from_str(schema_text())
    entities = cedarpy.Entities.from_json_str(engine._entities(request), schema)
    whole = cedarpy.PolicySet.from_str("\n".join(builtin_texts().values()))
    question = engine._question(request, request.action, "")
    answer = cedarpy.is_authorized_batch([question], whole, entities)[0]
    assert answer.diagnostics.errors == []
    assert answer.allowed == decision.allowed
    checked = cedarpy.is_authorized_batch([question], whole, entities, schema)[0]
    if checked.diagnostics.errors:  # asked of a thing or by someone that the action is not for
        assert not decision.allowed
    else:
        assert checked.allowed == decision.allowed
    if not decision.allowed:
        assert (decision.persons, decision.labels, decision.ttl_s) == ((), (), 0)


@given(_REQUESTS)
@settings(max_examples=200, deadline=None)
def test_invariants_of_the_built_in_policies(request: Request) -> None:
    decision = BUILTIN.decide(request)
    if not decision.allowed:
        return
    about = request.person
    assert request.purpose not in (QUALITY, RESEARCH) or request.action in (
        A.REQUEST_DATA_USE, A.APPROVE_DATA_USE, A.USE_DATA, A.EXPORT, A.VIEW_OWN_ACCESS,
        A.VIEW_SITE, A.SEND_MESSAGES, A.PROCESS_MESSAGES,
    )  # fmt: skip
    if about is not None and request.action in (A.VIEW_CHART, A.VIEW_EVIDENCE, A.VIEW_MESSAGE):
        emergency = request.purpose is BTG and about.glass
        assert "*" not in about.denied or emergency
        assert not (set(decision.labels) & about.denied) or emergency
        assert not (about.own and not request.principal.service)
        assert set(decision.labels) <= {label.value for label in about.labels}
    if decision.persons == EVERYONE:
        assert request.action in (
            A.FIND_PERSON, A.MANAGE_QUARANTINE, A.VIEW_MESSAGE, A.PROCESS_MESSAGES,
        )  # fmt: skip


def test_actions_are_those_of_the_schema() -> None:
    schema = schema_text()
    named = {a for a in Action if f'"{a.value}"' in schema}
    assert named == set(Action)


# Findings


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ('\n\npermit(principal,\naction resource);', "policy-unreadable", 3),
        ("// nothing but words", "policy-none", None),
        ("", "policy-none", None),
        ('permit(principal, action == Action::"view_site", resource);', "policy-unnamed", 1),
        (
            '@id("a")\npermit(principal, action == Action::"view_chrat", resource);',
            "policy-invalid",
            1,
        ),
        (
            '// ; not the end\n@id("a;b")\npermit(principal, action == Action::"view_site",'
            ' resource);\n\n@id("c") forbid(principal, action, resource is Person)\n'
            "when { resource.glas };",
            "policy-invalid",
            5,
        ),
        ('@id("a")\npermit(principal, action, resource);', "policy-permits-all", 1),
        ('@id("a") @cover("x")\npermit(principal, action == Action::"replay", resource);',
         "policy-annotation", 1),
        ('@id("a") @covers("x")\npermit(principal, action == Action::"replay", resource);',
         "policy-annotation", 1),
        ('@id("a") @covers("everyone")\nforbid(principal, action, resource);',
         "policy-annotation", 1),
        ('@id("a")\npermit(principal == ?principal, action == Action::"replay", resource);',
         "policy-template", 1),
        ('@id("a")\npermit(principal, action == Action::"replay", resource);\n'
         '@id("a")\nforbid(principal, action, resource);', "policy-named-twice", 3),
        ('@id("a")\npermit(principal, action == Action::"replay", resource)',
         "policy-unreadable", 1),
    ],
)  # fmt: skip
def test_findings_have_file_and_line(text: str, code: str, line: int | None) -> None:
    (issue,) = check_policies({"site.cedar": text})
    assert issue.code == code
    assert issue.location == (f"site.cedar:{line}" if line else "")
    assert CATALOGUE[issue.code].cure
    with pytest.raises(ConfigurationError, match=code):
        Policies({"site.cedar": text})


def test_built_in_policies_have_no_findings() -> None:
    assert check_policies(builtin_texts()) == []


def test_load(tmp_path: Any) -> None:
    assert Policies.load(tmp_path / "policies").version == BUILTIN.version
    folder = tmp_path / "policies"
    folder.mkdir()
    with pytest.raises(ConfigurationError, match="policy-none"):
        Policies.load(folder)
    for name, text in builtin_texts().items():
        (folder / name).write_text(text, encoding="utf-8")
    assert Policies.load(folder).version == BUILTIN.version
    (folder / "glass.cedar").unlink()
    less = Policies.load(folder)
    assert less.version != BUILTIN.version
    assert not less.decide(ask("clinician", A.FIND_PERSON, BTG)).allowed
