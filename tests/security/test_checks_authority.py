"""The one door: what is on record, for whom, and for which purpose."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.security.test_every_check_counts import DOCTOR, NOW_US, OPERATE, TREAT, Facts
from tests.support.clock import FakeClock
from tests.support.memory_audit import DOWN, MemoryAudit
from tests.support.memory_doors import MemoryGlass, MemoryUses

from chartloom.domain.access import GLASS_SUBJECT, Glass, KnownOfPerson
from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import Label
from chartloom.guard import Guard
from chartloom.guard.audit import Recorder, Seen, read_events
from chartloom.guard.authority import AccessDenied, Asking, Authority, Need
from chartloom.guard.policy import Action, Decision, PersonFacts, Policies, builtin_texts
from chartloom.guard.several import Several
from chartloom.guard.staff import Principal

ENGINEER = Principal("e", roles=frozenset({"integration_engineer"}))
#: So that the purpose of a question can be seen, whatever the action.
CARELESS = {
    "careless.cedar": '@id("careless") permit (principal, action == Action::"export", resource);'
}


class House:
    """An authority over two patients, with everything that it writes."""

    def __init__(self, folder: Path, more: dict[str, str]) -> None:
        self.clock = FakeClock(NOW_US)
        self.guard = Guard.open(folder / "keys", self.clock)
        self.audit, self.glass = MemoryAudit(), MemoryGlass(self.guard)
        self.authority = Authority(
            Policies(builtin_texts() | more), Facts(), self.glass, MemoryUses(self.guard),
            self.guard, Recorder(self.audit), self.clock,
        )  # fmt: skip

    def events(self) -> list[Seen]:
        return list(read_events(self.audit.events))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, {})


def test_a_grant_is_not_given_before_it_is_on_record(house: House) -> None:
    house.authority.grant(DOCTOR, Action.VIEW_CHART, person_ids=("one",), purpose=TREAT)
    assert [e.patients for e in house.events()] == [("one", "uno")]
    house.audit.fail = DOWN
    with pytest.raises(AuditUnavailable):
        house.authority.grant(DOCTOR, Action.VIEW_CHART, person_ids=("one",), purpose=TREAT)


def test_a_denial_is_not_told_before_it_is_on_record(house: House) -> None:
    house.audit.fail = DOWN
    with pytest.raises(AuditUnavailable):
        house.authority.permit(ENGINEER, Need(((Action.VIEW_CHART, TREAT),), "one"), Asking())


def test_nothing_is_answered_that_is_not_on_record(house: House) -> None:
    chart = Need(((Action.VIEW_CHART, TREAT),), "one")
    position = Need(((Action.VIEW_EVIDENCE, TREAT),), position=11)
    search = Need(((Action.SEARCH_PERSONS, TREAT),), terms={"name": "x"})
    permits = [house.authority.permit(DOCTOR, need, Asking()) for need in (chart, position, search)]
    house.audit.fail = DOWN
    for permit in permits[:2]:
        with pytest.raises(AuditUnavailable):
            permit.run(lambda grant: "answer")
    with pytest.raises(AuditUnavailable):
        permits[2].search(lambda answer: ["one"], lambda grant: "answer")


def test_everybody_is_nobody_in_the_record(house: House) -> None:
    """A grant for everyone names no patient, neither when it is used nor when nothing is there."""

    def nothing(grant: object) -> None:
        raise NotFound("nothing")

    need = Need(((Action.VIEW_MESSAGE, OPERATE),), what=("site/messages",), may_miss=True)
    permit = house.authority.permit(ENGINEER, need, Asking())
    assert "*" in permit.grant.persons
    permit.run(lambda grant: "answer")
    with pytest.raises(NotFound):
        permit.run(nothing)
    assert [e.patients for e in house.events()] == [(), ()]
    assert [bool(e.denied) for e in house.events()] == [False, True]


def test_terms_that_are_empty_leave_no_fingerprint(house: House) -> None:
    need = Need(((Action.SEARCH_PERSONS, TREAT),), terms={"name": "x", "birthdate": ""})
    permit = house.authority.permit(DOCTOR, need, Asking())
    permit.search(lambda answer: [], lambda grant: "answer")
    [event] = house.events()
    assert set(event.fingerprints) == {"name"}


def test_only_a_chart_is_opened_through_the_glass(tmp_path: Path) -> None:
    house = House(tmp_path, CARELESS)
    glass = Glass(
        id="g", actor="d", source_patients=("two",), reason="other", text="x" * 20,
        started_us=NOW_US - 1, until_us=NOW_US + 1_000_000,
    )  # fmt: skip
    house.glass.add(house.guard.mint("service:glass", OPERATE, ("site:glass",)), glass)

    def purpose(action: Action, asked: Purpose) -> Purpose:
        need = Need(((action, asked),), "two")
        return house.authority.permit(DOCTOR, need, Asking()).grant.purpose

    assert purpose(Action.VIEW_CHART, TREAT) is Purpose.BREAK_GLASS
    assert purpose(Action.EXPORT, TREAT) is TREAT
    assert purpose(Action.EXPORT, OPERATE) is OPERATE


def test_of_whom_nothing_is_known_nothing_is_permitted(tmp_path: Path) -> None:
    """Even where a site permits something of everybody."""
    house = House(tmp_path, CARELESS)
    assert house.authority.permit(DOCTOR, Need(((Action.EXPORT, TREAT),), "one"), Asking())
    with pytest.raises(AccessDenied):
        house.authority.permit(DOCTOR, Need(((Action.EXPORT, TREAT),), "nobody"), Asking())


def test_who_asks_for_somebody_is_named_with_them(house: House) -> None:
    own = house.authority.context(DOCTOR, TREAT, Asking()).actor
    assert (own.id, own.roles, own.behalf) == ("d", ("clinician",), "")
    by = house.authority.context(DOCTOR, TREAT, Asking(by="operator:0")).actor
    assert (by.id, by.roles, by.behalf) == ("operator:0", (), "d")


def test_records_of_the_house_are_no_patients(house: House) -> None:
    officer = Principal("o", roles=frozenset({"privacy_officer"}))
    options = ((Action.REVIEW_GLASS, OPERATE),)
    permit = house.authority.permit(officer, Need(options, candidates=(GLASS_SUBJECT,)), Asking())
    assert permit.grant.persons == (GLASS_SUBJECT,)
    permit.run(lambda grant: "answer")
    assert [e.patients for e in house.events()] == [()]


def test_of_several_persons_a_label_is_open_that_is_open_of_all_who_have_it() -> None:
    def both(*opened: tuple[str, ...]) -> tuple[str, ...]:
        persons = [PersonFacts((p,), labels=frozenset({Label("HIV")})) for p in ("one", "two")]
        decisions = [Decision(True, persons=p.source_patients, labels=labels, ttl_s=1)
                     for p, labels in zip(persons, opened, strict=True)]  # fmt: skip
        joined = Several.joined(Several.__new__(Several), persons, decisions)
        assert joined.persons == ("one", "two")
        return joined.labels

    assert both(("HIV",), ("HIV",)) == ("HIV",)
    assert both(("HIV",), ()) == ()
    assert both((), ()) == ()
    assert both(("HIV", "PSY"), ("HIV",)) == ("HIV", "PSY")  # who has no such data hides none


@pytest.mark.parametrize("typed", [True, False])
def test_ids_of_nobody_that_were_typed_stand_nowhere(typed: bool) -> None:
    """What a message names is known to be there; what somebody typed is not."""
    facts = SimpleNamespace(
        known_of_all=lambda grant, ids: [KnownOfPerson(("one", "uno"))] if "one" in ids else []
    )
    gatherer: Any = SimpleNamespace(facts=facts, grant=lambda: None)
    both = Several(gatherer, ("one", "nobody"), typed=typed)
    assert both.source_patients == (("one",) if typed else ("one", "nobody"))
    assert not both.complete
    assert Several(gatherer, ("one",), typed=typed).complete
    assert not Several(gatherer, (), typed=typed).complete


def test_what_is_about_the_site_is_on_record_as_nobodys(house: House) -> None:
    """Compartments of the site (glass, sessions, ...) are no patients of anybody."""
    steward = Principal("s", roles=frozenset({"data_steward"}))
    need = Need(((Action.REVIEW_IDENTITY, OPERATE),), candidates=("site:identity", "one"),
                may_miss=True)  # fmt: skip
    permit = house.authority.permit(steward, need, Asking())
    assert set(permit.grant.persons) == {"site:identity", "one"}
    assert permit._missed is not None
    missed = repr(permit._missed())
    assert "site:identity" not in missed
    assert "Patient/one" in missed
