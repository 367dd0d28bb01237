"""What stays forbidden whatever else a site permits: action by action."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import msgspec
import pytest

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import (
    Action,
    PersonFacts,
    Policies,
    Request,
    builtin_texts,
    schema_text,
)
from chartloom.guard.staff import Principal, Role

#: A site that permits everything to everybody.
_ALL = ", ".join(f'Action::"{action.value}"' for action in Action)
CARELESS = {
    "careless.cedar": f'@id("careless") permit (principal, action in [{_ALL}], resource);',
    "more.cedar": f'@id("more") @covers("everyone") permit (principal, action in [{_ALL}],'
    " resource is Site);",
}
POLICIES = Policies(builtin_texts() | CARELESS)
SOMEBODY = Principal("u", roles=frozenset(role.value for role in Role))
OPERATOR = Principal("operator:0", roles=SOMEBODY.roles | {"local_operator"})
SERVICES = tuple(
    Principal("s", scopes=frozenset({scope}), service=True)
    for scope in ("messages.send", "internal.worker", "system/*.read")
)
SERVICE = Principal("s", scopes=frozenset({"everything"}), service=True)

READING = {Action.VIEW_CHART, Action.VIEW_EVIDENCE, Action.VIEW_MESSAGE, Action.EXPORT}
#: Reading it, and deciding on what stands in it.
CHART = READING | {Action.RECONCILE}
SECONDARY_NOT = {
    Action.VIEW_CHART, Action.VIEW_EVIDENCE, Action.VIEW_MESSAGE, Action.SEE_LABEL,
    Action.SEARCH_PERSONS, Action.FIND_PERSON, Action.IDENTIFY_PERSON,
}  # fmt: skip


def forbidden(
    principal: Principal, purpose: Purpose, person: PersonFacts | None, **flags: Any
) -> set[Action]:
    """The actions that are denied although a policy permits them."""
    asked = Request(principal, Action.VIEW_SITE, purpose, person, **flags)
    # What is about persons is tried with one, what is about the site without.
    return {
        action
        for action in Action
        if action is not Action.SEE_LABEL
        and not POLICIES.decide(msgspec.structs.replace(asked, action=action)).allowed
    }


LABELS = {Action.VIEW_LABELS, Action.SET_LABEL, Action.LIFT_LABEL, Action.APPROVE_LIFT}


def person(*relations: str, labels: str = "", **facts: Any) -> PersonFacts:
    wanted = frozenset(Label(name) for name in labels.split())
    return PersonFacts(("p",), frozenset(relations), wanted, **facts)


PERSONS: dict[str, tuple[PersonFacts, set[Action]]] = {
    "anybody": (person(), set()),
    "of interest": (person(labels="VIP"), CHART | {Action.OPEN_QUARANTINED}),
    "an employee": (person("department", labels="EMP"), CHART | {Action.OPEN_QUARANTINED}),
    "of interest, in one's care": (
        person("attending", labels="VIP"),
        {Action.OPEN_QUARANTINED},
    ),
    "oneself": (
        person(own=True),
        CHART
        | LABELS
        | {
            Action.BREAK_GLASS,
            Action.REVIEW_IDENTITY,
            Action.SAY_IDENTITY,
            Action.OPEN_QUARANTINED,
        },
    ),
    "who withholds": (
        person("attending", denied=frozenset({"*"})),
        CHART | LABELS | {Action.IDENTIFY_PERSON, Action.OPEN_QUARANTINED},
    ),
}


@pytest.mark.parametrize("who", PERSONS)
def test_of_a_person(who: str) -> None:
    about, expected = PERSONS[who]
    anyhow = forbidden(SOMEBODY, Purpose.TREATMENT, person())
    assert not anyhow & (READING | {Action.BREAK_GLASS})
    assert forbidden(SOMEBODY, Purpose.TREATMENT, about) - anyhow == expected


def test_who_withholds_is_withheld_from_services_as_well() -> None:
    withheld = person(denied=frozenset({"*"}))
    anyhow = forbidden(SERVICE, Purpose.TREATMENT, person())
    assert forbidden(SERVICE, Purpose.TREATMENT, withheld) - anyhow >= READING - anyhow


@pytest.mark.parametrize("purpose", [Purpose.QUALITY, Purpose.RESEARCH])
@pytest.mark.parametrize("about", [None, person("attending")])
def test_secondary_use_is_no_way_to_a_chart(purpose: Purpose, about: PersonFacts | None) -> None:
    for principal in (SOMEBODY, SERVICE):
        treated = forbidden(principal, Purpose.TREATMENT, about)
        denied = forbidden(principal, purpose, about) - treated
        assert denied >= (SECONDARY_NOT - {Action.SEE_LABEL}) - treated
        assert denied & READING or about is None


def test_what_is_forbidden_can_be_permitted_at_all() -> None:
    """Else the tests above would say nothing."""
    assert not forbidden(SOMEBODY, Purpose.TREATMENT, person()) & READING
    assert Action.SEARCH_PERSONS not in forbidden(SOMEBODY, Purpose.TREATMENT, None)
    assert Action.FIND_PERSON not in forbidden(SOMEBODY, Purpose.TREATMENT, None)


BUILTIN = Policies(builtin_texts())
_APPLIES = re.compile(r"action ([^;]*?)appliesTo \{[^}]*resource: \[([^\]]*)\]", re.DOTALL)
#: What the schema says each action is about.
ABOUT = {
    Action(name): frozenset(kinds.split(", "))
    for actions, kinds in _APPLIES.findall(schema_text())
    for name in re.findall(r'"(\w+)"', actions)
}


@pytest.mark.parametrize("action", Action)
def test_what_is_about_the_site_is_about_nobody_and_the_other_way_round(action: Action) -> None:
    for kind, about in (("Site", None), ("Person", person("attending", "care_team", glass=True))):
        if kind in ABOUT[action]:
            continue
        for principal, purpose in product((SOMEBODY, OPERATOR, *SERVICES), Purpose):
            for flag in (False, True):
                flags = dict.fromkeys(("reason", "approved", "data_use"), flag)
                asked = Request(principal, action, purpose, about, ("p",), **flags)
                assert not BUILTIN.decide(asked).allowed
