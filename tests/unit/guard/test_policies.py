"""Decisions by the built-in policies, and what must hold for any policies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import cedarpy
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.policy_examples import (
    BTG,
    BUILTIN,
    CARELESS,
    CARELESS_MATRIX,
    MATRIX,
    OPS,
    QUALITY,
    RESEARCH,
    TREAT,
    A,
    ask,
    outcome,
    person,
)

from chartloom.domain.grant import EVERYONE, Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import (
    GRANT_TTL_MAX_S,
    Action,
    PersonFacts,
    Policies,
    Request,
    builtin_texts,
    schema_text,
)
from chartloom.guard.policy import policies as engine
from chartloom.guard.policy.split import statements
from chartloom.guard.staff import Principal, Role


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
            # Its lines stay, so that all other statements are where they were.
            blank = "\n" * statement.text.count("\n")
            others = {**texts, file: text.replace(statement.text, blank)}
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


@pytest.fixture(scope="module")
def read_once() -> Iterator[None]:
    """Statements that stand in many sets of policies are read and checked once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_parse", cache(engine._parse))
        yield


@pytest.mark.usefixtures("read_once")
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
