"""Labels that are corrected and messages opened unjudged: each condition of their policies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import Action, PersonFacts, Policies, Request, builtin_texts
from chartloom.guard.staff import Principal, Role

BUILTIN = Policies(builtin_texts())
#: A site that permits everything but labels to everybody.
_ALL = ", ".join(f'Action::"{a.value}"' for a in Action if a is not Action.SEE_LABEL)
CARELESS = Policies(
    builtin_texts()
    | {"careless.cedar": f'@id("careless") permit (principal, action in [{_ALL}], resource);'}
)
VIEW, SET, LIFT, APPROVE, OPEN = (
    Action.VIEW_LABELS, Action.SET_LABEL, Action.LIFT_LABEL, Action.APPROVE_LIFT,
    Action.OPEN_QUARANTINED,
)  # fmt: skip
CORRECTING = (VIEW, SET, LIFT, APPROVE)
OFFICER = Principal("o", roles=frozenset({Role.PRIVACY_OFFICER.value}))
ENGINEER = Principal("e", roles=frozenset({Role.INTEGRATION_ENGINEER.value}))
PLAIN = frozenset(label for label in Label if label not in (Label.VIP, Label.EMP))
SOMEBODY = PersonFacts(("p",), labels=PLAIN)
CLOSED = (PersonFacts(("p",), own=True), PersonFacts(("p",), denied=frozenset({"*"})))


@dataclass
class Asked:
    """With everything that a policy wants, unless said otherwise."""

    who: Principal
    policies: Policies = BUILTIN

    def decide(self, action: Action, about: PersonFacts | None = SOMEBODY, **other: Any) -> Any:
        more = {"purpose": Purpose.OPERATIONS, "reason": True, "fresh": True} | other
        return self.policies.decide(Request(self.who, action, person=about, **more))

    def may(self, action: Action, about: PersonFacts | None = SOMEBODY, **other: Any) -> bool:
        return bool(self.decide(action, about, **other).allowed)


@pytest.mark.parametrize("action", CORRECTING)
def test_labels_are_corrected_by_officers_for_a_reason(action: Action) -> None:
    officer = Asked(OFFICER)
    assert officer.may(action)
    assert [p for p in Purpose if officer.may(action, purpose=p)] == [Purpose.OPERATIONS]
    assert officer.may(action, reason=False) is (action is VIEW)
    assert officer.may(action, mine=True) is (action is not APPROVE)
    assert officer.may(action, fresh=False) is (action is not APPROVE)
    assert officer.may(action, None) is (action is VIEW), "of a person, not of the site"
    others = [r for r in Role if r is not Role.PRIVACY_OFFICER]
    assert not any(Asked(Principal("x", roles=frozenset({r.value}))).may(action) for r in others)


@pytest.mark.parametrize("action", CORRECTING)
def test_whatever_a_site_permits_nobody_corrects_what_is_closed_to_them(action: Action) -> None:
    officer = Asked(OFFICER, CARELESS)
    assert officer.may(action)
    assert not any(officer.may(action, about) for about in CLOSED)


def test_every_label_is_seen_to_be_corrected_and_for_nothing_else() -> None:
    officer = Asked(OFFICER, CARELESS)
    seen = {action: set(officer.decide(action).labels) for action in Action}
    assert all(seen[action] == PLAIN for action in CORRECTING)
    assert set().union(*(seen[a] for a in (Action.VIEW_CHART, Action.VIEW_MESSAGE, OPEN))) <= {"R"}


def test_a_message_that_nobody_judged_opens_to_engineers_for_a_reason() -> None:
    engineer = Asked(ENGINEER)
    assert engineer.may(OPEN)
    assert engineer.may(OPEN, None)
    assert [p for p in Purpose if engineer.may(OPEN, purpose=p)] == [Purpose.OPERATIONS]
    assert not engineer.may(OPEN, reason=False)
    others = [r for r in Role if r is not Role.INTEGRATION_ENGINEER]
    assert not any(Asked(Principal("x", roles=frozenset({r.value}))).may(OPEN) for r in others)


def test_whatever_a_site_permits_some_messages_stay_closed() -> None:
    engineer = Asked(ENGINEER, CARELESS)
    assert engineer.may(OPEN)
    known = [PersonFacts(("p",), labels=frozenset({name})) for name in (Label.VIP, Label.EMP)]
    assert not any(engineer.may(OPEN, about) for about in (*CLOSED, *known))


def test_only_what_nobody_judged_is_seen_that_way_and_no_other_way() -> None:
    engineer = Asked(ENGINEER, CARELESS)
    assert set(engineer.decide(OPEN).labels) == {Label.R}
    assert Label.R not in engineer.decide(Action.VIEW_MESSAGE).labels
