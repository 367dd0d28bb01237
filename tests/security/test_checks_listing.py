"""Who is hinted at: by a search, and by a list of messages. Each reason for a no, alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.security.test_every_check_counts import DOCTOR, NOW_US, OPERATE, TREAT, Facts
from tests.support.clock import FakeClock
from tests.support.memory_audit import MemoryAudit
from tests.support.memory_doors import MemoryGlass, MemoryUses

from chartloom.domain.access import KnownConsent, Target
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard import Guard
from chartloom.guard.audit import Recorder
from chartloom.guard.authority import Asking, Authority, Need
from chartloom.guard.policy import Action, PersonFacts, Policies, builtin_texts
from chartloom.guard.staff import Principal

ENGINEER = Principal("e", roles=frozenset({"integration_engineer"}))
#: Of nobody, of a patient of the doctor's, of somebody else's, of both, of somebody nothing is
#: known of yet. 16 is not there.
ABOUT = {10: (), 11: ("one",), 12: ("vip",), 13: ("one", "vip"), 14: ("ghost",), 15: ("one", "two")}
POSITIONS = range(10, 17)
HIDDEN = '@id("hidden") forbid (principal, action == Action::"see_label", resource);'
DENIES: dict[str, Any] = {
    "resourceType": "Consent", "status": "active", "dateTime": "2026-01-01",
    "scope": {"coding": [{"code": "patient-privacy"}]}, "provision": {"type": "deny"},
}  # fmt: skip


class Ward(Facts):
    """Also messages; and consents, of whatever form."""

    said: Sequence[Any] = ()

    def targets_of_messages(self, grant: object, positions: Sequence[int]) -> dict[int, Target]:
        return {p: Target(True, ABOUT[p]) for p in positions if p in ABOUT}

    def consents(self, grant: object, source_patients: Sequence[str]) -> list[Any]:
        return [KnownConsent(said) for said in self.said]


class House:
    def __init__(self, folder: Path, **more: str) -> None:
        clock, self.facts = FakeClock(NOW_US), Ward()
        guard = Guard.open(folder / "keys", clock)
        self.authority = Authority(
            Policies(builtin_texts() | more), self.facts, MemoryGlass(guard), MemoryUses(guard),
            guard, Recorder(MemoryAudit()), clock,
        )  # fmt: skip

    def listed(self, who: Principal, *options: Any, granted: Sequence[str] = ()) -> list[int]:
        return sorted(self.authority.listable(who, options, POSITIONS, granted))

    def findable(self) -> set[str]:
        need = Need(((Action.SEARCH_PERSONS, TREAT),))
        return set(self.authority.permit(DOCTOR, need, Asking()).grant.persons)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


# Lists


def test_a_list_names_messages_of_whose_chart_may_be_opened(house: House) -> None:
    assert house.listed(DOCTOR, (Action.VIEW_EVIDENCE, TREAT)) == [10, 11, 15]
    assert house.listed(ENGINEER, (Action.VIEW_MESSAGE, OPERATE)) == [10, 11, 14, 15]
    assert house.listed(ENGINEER, (Action.VIEW_EVIDENCE, TREAT)) == [10]
    assert house.listed(DOCTOR) == [10]


def test_a_list_about_somebody_names_their_messages_and_no_others(house: House) -> None:
    assert house.listed(ENGINEER, granted=("one",)) == [10, 11]
    assert house.listed(ENGINEER, granted=("one", "vip")) == [10, 11, 12, 13]
    assert house.listed(ENGINEER, granted=("ghost",)) == [10, 14]


def test_of_no_messages_none_is_named(house: House) -> None:
    assert house.authority.listable(DOCTOR, (), ()) == frozenset()


# Pairs of records that may be one person

STEWARD = Principal("s", roles=frozenset({"data_steward"}))
PAIRS = [("one", "uno"), ("one", "two"), ("one", "ghost"), ("one", "vip")]
LOOK = ((Action.REVIEW_IDENTITY, OPERATE),)


def test_a_list_names_pairs_of_which_both_are_open(house: House) -> None:
    def named(who: Principal, *options: Any) -> set[tuple[str, str]]:
        return set(house.authority.open_pairs(who, options, PAIRS))

    assert named(STEWARD, *LOOK) == {("one", "uno"), ("one", "two"), ("one", "vip")}
    assert named(DOCTOR, *LOOK) == set()
    assert named(DOCTOR, (Action.VIEW_CHART, TREAT)) == {("one", "uno"), ("one", "two")}
    assert named(STEWARD) == set()


# Of whom a system is told that asks who somebody is

ASKS = Principal("registry", scopes=frozenset({"system/Patient.rs"}), service=True)


def told(house: House, who: Principal = ASKS, purpose: Any = TREAT) -> set[str]:
    asked = ("one", "uno", "two", "vip", "ghost")
    return set(house.authority.identifiable(who, purpose, asked))


def test_a_system_is_told_of_whom_it_may_be_told(house: House, tmp_path: Path) -> None:
    assert told(house) == {"one", "uno", "two"}
    assert told(house, ASKS, Purpose.RESEARCH) == set()
    assert told(house, DOCTOR) == set()
    assert house.authority.identifiable(ASKS, TREAT, ("two",)) == {"two"}
    house.facts.said = [DENIES | {"patient": {"reference": "Patient/two"}}]
    assert told(house) == {"one", "uno"}


# Nothing is asked for nobody


def test_for_nobody_nothing_is_asked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> Any:
        raise AssertionError("the facts were asked")

    for name in ("known_of_all", "targets_of_messages", "together"):
        monkeypatch.setattr(house.facts, name, asked)
    assert house.authority.identifiable(ASKS, TREAT, ()) == frozenset()
    assert house.authority.open_pairs(STEWARD, LOOK, ()) == frozenset()
    assert house.authority.listable(STEWARD, LOOK, ()) == frozenset()


# Searches


def test_who_has_a_label_that_stays_closed_is_not_found(tmp_path: Path) -> None:
    """That somebody is a celebrity would be told by finding them."""
    open_, closed = House(tmp_path), House(tmp_path, **{"hidden.cedar": HIDDEN})
    for house in (open_, closed):
        known = house.facts.known["vip"]
        mine = msgspec.structs.replace(known.relations[0], who="dr")
        house.facts.known["vip"] = msgspec.structs.replace(known, relations=(mine,))
    assert closed.findable() == open_.findable() - {"vip"} == {"one", "uno", "two"}
    assert "vip" in open_.findable()


@pytest.mark.parametrize(
    "patient", [None, "Patient/one", 7, [], {}, {"reference": None}, {"reference": 7},
                {"reference": ["Patient/one"]}, {"identifier": {"value": "one"}}],
)  # fmt: skip
def test_a_consent_that_names_nobody_is_about_everybody_it_came_with(
    house: House, patient: object
) -> None:
    house.facts.said = [DENIES | {"patient": patient}]
    assert house.findable() == set()
    gatherer = house.authority.gatherer
    persons = [PersonFacts(("one",)), PersonFacts(("two",), labels=frozenset({Label("HIV")}))]
    heard = gatherer.with_consent(gatherer.who(DOCTOR), persons, TREAT)
    assert all(person.denied for person in heard)


def heard(house: House, anew: bool, opens: bool, provision: dict[str, Any]) -> PersonFacts:
    said = KnownConsent(DENIES | {"provision": provision}, opens, anew)
    facts: Any = house.facts
    facts.consents = lambda grant, source_patients: [said]
    gatherer = house.authority.gatherer
    (person,) = gatherer.with_consent(gatherer.who(DOCTOR), [PersonFacts(("one",))], TREAT)
    return person


def test_while_everything_is_derived_anew_consents_close_more_and_open_less(house: House) -> None:
    """A class is closed by closing all; what is permitted counts where it is known to hold."""
    results = {"type": "deny", "class": [{"code": "Observation"}]}
    assert heard(house, False, True, results).denied == frozenset()
    assert heard(house, True, True, results).denied == {"*"}
    opened = {"type": "permit", "securityLabel": [{"code": "PSY"}]}
    assert heard(house, False, True, opened).permitted == {"PSY"}
    assert heard(house, True, True, opened).permitted == {"PSY"}
    assert heard(house, True, False, opened).permitted == frozenset()
