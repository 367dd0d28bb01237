"""Policies are about those they name: a service is no member of staff, a site is no person."""

from __future__ import annotations

from itertools import product

import pytest

from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard.policy import Action, PersonFacts, Policies, Request, builtin_texts
from chartloom.guard.staff import Principal, Role

BUILTIN = Policies(builtin_texts())
STAFF = Principal("u", roles=frozenset(role.value for role in Role))
OPERATOR = Principal("operator:0", roles=STAFF.roles | {"local_operator"})
SERVICES = tuple(
    Principal("s", scopes=frozenset({scope}), service=True)
    for scope in ("messages.send", "internal.worker", "system/*.read", "none")
)
SENSITIVE = frozenset(label for label in Label)
KNOWN = PersonFacts(
    ("p",), frozenset({"attending", "care_team", "encounter", "ordering"}), SENSITIVE, glass=True,
    permitted=frozenset(label.value for label in Label),
)  # fmt: skip

#: A site that permits every action to everybody, but says nothing of labels.
_ALL = ", ".join(f'Action::"{a.value}"' for a in Action if a is not Action.SEE_LABEL)
CARELESS = Policies(
    builtin_texts()
    | {"careless.cedar": f'@id("careless") permit (principal, action in [{_ALL}], resource);'}
)


@pytest.mark.parametrize("action", Action)
def test_no_question_is_one_that_policies_cannot_answer(action: Action) -> None:
    """A policy that is about staff is not tried on services, which have no roles."""
    for principal, purpose, about in product(
        (STAFF, OPERATOR, *SERVICES), Purpose, (None, KNOWN, PersonFacts(("p",)))
    ):
        for reason in (False, True):
            asked = Request(principal, action, purpose, about, ("p",), reason=reason)
            assert not BUILTIN.decide(asked).fault


@pytest.mark.parametrize("purpose", Purpose)
def test_no_label_is_open_to_services_that_read(purpose: Purpose) -> None:
    for service, action in product(SERVICES, Action):
        asked = Request(service, action, purpose, KNOWN)
        assert CARELESS.decide(asked).labels == ()


@pytest.mark.parametrize("purpose", Purpose)
def test_what_is_opened_for_work_on_the_site_is_not_opened_of_persons(purpose: Purpose) -> None:
    person = PersonFacts(("p",), labels=SENSITIVE)
    for action in (Action.MANAGE_QUARANTINE, Action.FIND_PERSON, Action.PROCESS_MESSAGES):
        for principal in (STAFF, OPERATOR, *SERVICES):
            of_person = CARELESS.decide(Request(principal, action, purpose, person))
            assert of_person.labels == ()


def test_what_is_opened_for_work_on_the_site_is_opened_to_those_who_do_it() -> None:
    def labels(principal: Principal, action: Action) -> tuple[str, ...]:
        return CARELESS.decide(Request(principal, action, Purpose.OPERATIONS)).labels

    every = tuple(sorted(label.value for label in Label))
    worker = SERVICES[1]
    assert labels(STAFF, Action.MANAGE_QUARANTINE) == ("R",)
    assert labels(OPERATOR, Action.FIND_PERSON) == every
    assert labels(STAFF, Action.FIND_PERSON) == ()
    assert labels(worker, Action.PROCESS_MESSAGES) == every
    for service in SERVICES:
        assert labels(service, Action.MANAGE_QUARANTINE) == ()
        assert labels(service, Action.FIND_PERSON) == ()
        assert service is worker or labels(service, Action.PROCESS_MESSAGES) == ()
