"""Policies and facts that a question does not need are left out: every decision is the same."""

from __future__ import annotations

import json
from typing import Any

import cedarpy
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import Action, PersonFacts, Policies, Request, builtin_texts
from chartloom.guard.policy.slices import attributes_read
from chartloom.guard.staff import Principal

#: What a site may add: people by name, the context as a value, kinds in other ways.
OWN = {
    "named": """
@id("not-u1") forbid (principal == User::"u1", action == Action::"view_chart", resource)
when { resource has own && resource.relations.contains("attending") };
@id("u2-labels") permit (principal == User::"u2", action == Action::"see_label", resource is Person)
when { context.of == "view_chart" };
""",
    "context": """
@id("exactly") forbid (principal, action == Action::"view_chart", resource is Person)
when { context == {"purpose": "TREAT", "label": "", "of": "", "reason": true, "data_use": false,
  "approved": false, "mine": false, "fresh": false} };
@id("either") permit (principal is User, action == Action::"export", resource)
when { (if context.reason then context else context).fresh };
""",
    "kinds": """
@id("anybody") permit (principal, action == Action::"export", resource)
when { principal is Service || (principal is User && principal.roles.contains("clinician")) };
@id("has") forbid (principal, action == Action::"view_chart", resource)
when { resource has glass && resource.glass };
""",
}
SETS = [builtin_texts(), *({**builtin_texts(), f"{n}.cedar": t} for n, t in OWN.items())]
POLICIES = [Policies(texts) for texts in SETS]
PLAIN = [cedarpy.PolicySet.from_str("\n".join(texts.values())) for texts in SETS]

_words = st.frozensets
_people = st.builds(
    Principal,
    st.sampled_from(["u1", "u2", "a|b", 'quo"te', "snow ☃", "back\\slash", "nul\0"]),
    roles=_words(st.sampled_from(["clinician", "privacy_officer", "data_steward", "analyst",
                                  "local_operator", "integration_engineer"]), max_size=2),
    scopes=_words(st.sampled_from(["system/*.read", "internal.worker", "identity.read"]),
                  max_size=2),
    service=st.booleans(),
)  # fmt: skip
_persons = st.builds(
    PersonFacts,
    st.just(("p",)),
    _words(st.sampled_from(["attending", "care_team", "department", "ordering"]), max_size=2),
    _words(st.sampled_from(list(Label)), max_size=3),
    _words(st.sampled_from(["*", "HIV", "PSY"]), max_size=2),
    _words(st.sampled_from(["HIV", "ETH"]), max_size=1),
    st.booleans(),
    st.booleans(),
)
_requests = st.builds(
    Request,
    _people,
    st.one_of(st.sampled_from([Action.VIEW_CHART, Action.EXPORT]), st.sampled_from(list(Action))),
    st.sampled_from(list(Purpose)),
    st.one_of(st.none(), _persons),
    st.just(("p",)),
    *(st.booleans() for _ in range(5)),
)


def plainly(which: int, request: Request) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    """The same by all policies at once, with all that is known and who really asks."""
    who, person = request.principal, request.person
    user = {"type": "Service" if who.service else "User", "id": who.subject}
    what = {"type": "Site" if person is None else "Person", "id": "this"}
    about = {"scopes": sorted(who.scopes)} if who.service else {"roles": sorted(who.roles)}
    facts: dict[str, Any] = {} if person is None else {
        "relations": sorted(person.relations), "labels": sorted(person.labels),
        "denied": sorted(person.denied), "permitted": sorted(person.permitted),
        "glass": person.glass, "own": person.own,
    }  # fmt: skip
    entities = [{"uid": user, "attrs": about, "parents": []},
                {"uid": what, "attrs": facts, "parents": []}]  # fmt: skip

    def ask(action: Action, label: str) -> cedarpy.AuthzResult:
        context = {
            "purpose": request.purpose.value, "label": label,
            "of": request.action.value if label else "", "reason": request.reason,
            "data_use": request.data_use, "approved": request.approved, "mine": request.mine,
            "fresh": request.fresh,
        }  # fmt: skip
        question = {"principal": user, "action": {"type": "Action", "id": action.value},
                    "resource": what, "context": context}  # fmt: skip
        answer = cedarpy.is_authorized(question, PLAIN[which], json.dumps(entities))
        assert not answer.diagnostics.errors
        return answer

    first = ask(request.action, "")
    reasons = tuple(sorted(first.diagnostics.id_annotations_by_reason.values()))
    if not first.allowed:
        return False, reasons, ()
    labels = sorted(person.labels if person is not None else Label)
    return True, reasons, tuple(x.value for x in labels if ask(Action.SEE_LABEL, x).allowed)


@given(st.lists(_requests, min_size=10, max_size=10), st.integers(0, len(SETS) - 1))
@settings(max_examples=30, deadline=None)
def test_every_decision_is_what_all_policies_with_all_facts_say(
    requests: list[Request], which: int
) -> None:
    for request in requests:
        allowed, reasons, labels, fault = POLICIES[which]._evaluate(request)
        assert not fault
        assert (allowed, reasons, labels) == plainly(which, request)


def test_what_a_condition_reads() -> None:
    def of(condition: str) -> frozenset[str] | None:
        text = f"permit (principal, action, resource) when {{ {condition} }};"
        parsed = json.loads(cedarpy.policies_to_json_str(text))
        return attributes_read(next(iter(parsed["staticPolicies"].values())))

    assert of("true") == frozenset()
    assert of('context.purpose == "TREAT" && resource has own') == {"purpose", "own"}
    assert of("(if context.fresh then principal else resource).roles.contains(context.of)") == {
        "fresh", "roles", "of",
    }  # fmt: skip
    assert of("context has reason && [context].contains(context)") is None
    assert of("(if true then context else context).mine") is None
