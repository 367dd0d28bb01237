"""What a patient withholds by class goes with the grant, and nobody is hinted at by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.security.test_checks_listing import (
    ASKS,
    DENIES,
    DOCTOR,
    ENGINEER,
    LOOK,
    OPERATE,
    STEWARD,
    TREAT,
    House,
    Ward,
    told,
)

from chartloom.domain.errors import GrantRefused
from chartloom.domain.grant import Purpose
from chartloom.domain.withholding import Withholding
from chartloom.guard import Guard
from chartloom.guard.authority import Asking, Need
from chartloom.guard.heeding import heeding
from chartloom.guard.policy import Action, PersonFacts, Policies, Request, builtin_texts

OF_ONE = {"patient": {"reference": "Patient/one"}}
RESULTS = {"type": "deny", "class": [{"code": "Observation"}]}
ALL_BUT = {
    "type": "deny",
    "provision": [{"type": "permit", "class": [{"code": "AllergyIntolerance"}]}],
}


class Told(Ward):
    """Also which messages tell of what is withheld."""

    asked: Sequence[int] = ()

    def messages_withheld(
        self, grant: object, positions: Sequence[int], withheld: Sequence[Withholding]
    ) -> frozenset[int]:
        assert {p for w in withheld for p in w.source_patients} == {"one", "uno"}
        self.asked = positions
        return frozenset(positions) & {15}


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.facts.__class__ = Told
    return made


def says(house: House, provision: Any) -> None:
    house.facts.said = [DENIES | OF_ONE | {"provision": provision}]


def chart(house: House, person: str = "one") -> Any:
    need = Need(((Action.VIEW_CHART, TREAT),), person)
    return house.authority.permit(DOCTOR, need, Asking()).grant


def test_the_grant_carries_it_for_all_records_of_the_person_and_nobody_else(house: House) -> None:
    says(house, RESULTS)
    grant = chart(house)
    assert set(grant.persons) == {"one", "uno"}
    (said,) = grant.withheld
    assert set(said.source_patients) == {"one", "uno"}
    assert chart(house, "two").withheld == ()
    search = Need(((Action.SEARCH_PERSONS, TREAT),))
    found = house.authority.permit(DOCTOR, search, Asking()).grant
    assert (set(found.persons), found.withheld) == ({"one", "uno", "two"}, grant.withheld)


def test_who_does_not_say_who_they_are_is_found_and_named_by_nobody(house: House) -> None:
    says(house, RESULTS)
    assert told(house, ASKS) == {"one", "uno", "two"}
    named = set(house.authority.open_pairs(STEWARD, LOOK, [("one", "two"), ("two", "two")]))
    assert named == {("one", "two"), ("two", "two")}
    says(house, ALL_BUT)
    assert house.findable() == {"two"}
    assert told(house, ASKS) == {"two"}
    named = set(house.authority.open_pairs(STEWARD, LOOK, [("one", "two"), ("two", "two")]))
    assert named == {("two", "two")}
    assert chart(house).withheld, "what is left of the chart opens"


def test_a_list_names_no_message_that_tells_of_it(house: House) -> None:
    for who, option in (
        (DOCTOR, (Action.VIEW_EVIDENCE, TREAT)),
        (ENGINEER, (Action.VIEW_MESSAGE, OPERATE)),
    ):
        house.facts.said = []
        before = house.listed(who, option)
        says(house, RESULTS)
        assert house.listed(who, option) == [p for p in before if p != 15]
        assert list(house.facts.asked) == [11, 15], "those about nobody or others are not judged"


def test_policies_say_whom_it_binds() -> None:
    policies = Policies(builtin_texts())
    rule = (Withholding(("one",), "deny", ()),)
    person = PersonFacts(("one",), frozenset({"attending"}), withheld=rule)

    def withheld(action: Action, purpose: Purpose, **facts: Any) -> Any:
        asked = msgspec.structs.replace(person, **facts)
        return heeding(policies, Request(DOCTOR, action, purpose, asked))

    assert withheld(Action.VIEW_CHART, TREAT).withheld == rule
    assert withheld(Action.VIEW_EVIDENCE, TREAT).withheld == rule
    assert withheld(Action.RECONCILE, TREAT).withheld == rule, "policies need not know of it"
    emergency = withheld(Action.VIEW_CHART, Purpose.BREAK_GLASS, glass=True)
    assert (emergency.allowed, emergency.withheld) == (True, ())
    assert withheld(Action.VIEW_CHART, TREAT, glass=True).withheld == rule
    nobody = withheld(Action.VIEW_CHART, TREAT, relations=frozenset())
    assert (nobody.allowed, nobody.withheld) == (False, ())


def test_what_is_withheld_is_signed_with_the_grant(tmp_path: Path) -> None:
    guard = Guard.open(tmp_path / "keys")
    rule = (Withholding(("one",), "deny", ()),)
    grant = guard.mint("a", TREAT, ("one",), withheld=rule)
    guard.verify(grant)
    for less in ((), (Withholding(("two",), "deny", ()),), (Withholding(("one",), "", ()),)):
        with pytest.raises(GrantRefused):
            guard.verify(msgspec.structs.replace(grant, withheld=less))
