"""Two persons for what cannot be undone: who is one of them, for how long it holds, what is on
record. And what is on record of broken glass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.security.test_every_check_counts import DOCTOR, NOW_US, OPERATE, TREAT, Facts
from tests.support.clock import FakeClock
from tests.support.memory_audit import DOWN, MemoryAudit
from tests.support.memory_doors import MemoryGlass, MemoryUses

from chartloom.domain.access import Shredding, ShredState
from chartloom.domain.audit import AuditUnavailable
from chartloom.domain.errors import ConfigurationError, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.guard import Guard
from chartloom.guard.audit import Recorder, Seen, read_events
from chartloom.guard.authority import AccessDenied, Asking, Authority, Need
from chartloom.guard.breaking import break_glass
from chartloom.guard.policy import Action, Policies, builtin_texts
from chartloom.guard.shredding import APPROVED_S, Reason, TwoPersons, same_person
from chartloom.guard.staff import Principal

ADMIN = Principal("admin", roles=frozenset({"administrator"}))
SECOND = Principal("second", roles=frozenset({"administrator"}))
FRESH, STALE = Asking(fresh=True), Asking(fresh=False)


class MemoryShreddings:
    """The port, as the store keeps it."""

    def __init__(self) -> None:
        self.rows: dict[str, Shredding] = {}

    def add(self, grant: Grant, shredding: Shredding) -> None:
        self.rows[shredding.id] = shredding

    def list(self, grant: Grant, limit: int = 200) -> list[Shredding]:
        return list(self.rows.values())

    def get(self, grant: Grant, shredding_id: str) -> Shredding:
        if shredding_id not in self.rows:
            raise NotFound("there is no such request.")
        return self.rows[shredding_id]

    def decide(self, grant: Grant, shredding: Shredding) -> bool:
        before = self.rows[shredding.id].state
        follows = before is ShredState.REQUESTED or (
            before is ShredState.APPROVED
            and shredding.state in (ShredState.DONE, ShredState.WITHDRAWN)
        )
        if follows:
            self.rows[shredding.id] = shredding
        return follows


class House:
    def __init__(self, folder: Path) -> None:
        self.clock, self.audit, self.kept = FakeClock(NOW_US), MemoryAudit(), MemoryShreddings()
        self.guard = Guard.open(folder / "keys", self.clock)
        self.glass = MemoryGlass(self.guard)
        self.authority = Authority(
            Policies(builtin_texts()), Facts(), self.glass, MemoryUses(self.guard), self.guard,
            Recorder(self.audit), self.clock,
        )  # fmt: skip
        self.two = TwoPersons(self.authority, self.kept, self.guard, self.clock)

    def asked(self) -> str:
        return self.two.request(ADMIN, "one", Reason.COURT_ORDER, STALE).id

    def approved(self) -> str:
        id = self.asked()
        assert self.two.decide(SECOND, id, "approve", FRESH).state is ShredState.APPROVED
        return id

    def change(self, id: str, **more: object) -> None:
        self.kept.rows[id] = msgspec.structs.replace(self.kept.rows[id], **more)  # type: ignore[arg-type]

    def last(self) -> Seen:
        return list(read_events(self.audit.events))[-1]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def denied(call: Callable[[], object], house: House) -> None:
    before = len(house.audit.events)
    with pytest.raises(AccessDenied):
        call()
    assert len(house.audit.events) == before + 1
    assert house.last().denied


# Who is one and the same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a", "a", True), ("a", "b", False), ("operator:0", "operator:0", True),
        ("operator:0", "operator:7", False), ("operator:local", "operator:7", True),
        ("operator:7", "operator:local", True), ("operator:local", "a", False),
        ("a", "operator:local", False),
    ],
)  # fmt: skip
def test_one_and_the_same_person(one: str, other: str, same: bool) -> None:
    """Behind the machine's link may be any of its operators, and nobody else."""
    assert same_person(one, other) is same


# Asking and deciding


def test_a_request_is_on_record_before_it_is_kept(house: House) -> None:
    assert house.asked()
    assert (house.last().kind, house.last().patients) == ("shredding-requested", ("one", "uno"))
    house.audit.fail = DOWN
    with pytest.raises(AuditUnavailable):
        house.asked()
    assert len(house.kept.rows) == 1


def test_a_decision_is_on_record_before_it_is_kept(house: House) -> None:
    id = house.approved()
    assert (house.last().kind, house.last().patients) == ("shredding-decided", ("one", "uno"))
    house.change(id, state=ShredState.REQUESTED)
    house.audit.fail = DOWN
    with pytest.raises(AuditUnavailable):
        house.two.decide(SECOND, id, "approve", FRESH)
    assert house.kept.rows[id].state is ShredState.REQUESTED


def test_only_who_asked_takes_it_back(house: House) -> None:
    id = house.asked()
    denied(lambda: house.two.decide(SECOND, id, "withdraw", FRESH), house)
    assert house.two.decide(ADMIN, id, "withdraw", STALE).state is ShredState.WITHDRAWN


def test_nobody_decides_on_what_they_asked_for(house: House) -> None:
    id = house.asked()
    denied(lambda: house.two.decide(ADMIN, id, "approve", FRESH), house)
    denied(lambda: house.two.decide(SECOND, id, "approve", STALE), house)
    denied(lambda: house.two.decide(DOCTOR, id, "approve", FRESH), house)


def test_what_was_decided_is_not_decided_again(house: House) -> None:
    id = house.approved()
    with pytest.raises(ConfigurationError, match="decided before"):
        house.two.decide(SECOND, id, "refuse", FRESH)
    assert house.kept.rows[id].state is ShredState.APPROVED


def test_what_is_not_there_is_denied_and_on_record(house: House) -> None:
    denied(lambda: house.two.decide(SECOND, "nothing", "approve", FRESH), house)
    denied(lambda: house.two.approved(ADMIN, "nothing", FRESH), house)


# Carrying out


def test_an_approved_one_may_be_carried_out(house: House) -> None:
    id = house.approved()
    before = len(house.audit.events)
    found = house.two.approved(ADMIN, id, FRESH)
    assert found.source_patients == ("one", "uno")
    denied(lambda: house.two.approved(DOCTOR, id, FRESH), house)
    denied(lambda: house.two.approved(DOCTOR, id, FRESH, lambda _: True), house)
    assert house.two.approved(ADMIN, id, FRESH, lambda _: True) == found
    house.two.done(found)
    assert house.kept.rows[id].state is ShredState.DONE
    assert len(house.audit.events) > before


@pytest.mark.parametrize("late_s", [-1, APPROVED_S, APPROVED_S + 1])
def test_an_approval_holds_for_its_time(house: House, late_s: int) -> None:
    id = house.approved()
    house.clock.time_us += (APPROVED_S - 1) * 1_000_000
    assert house.two.approved(ADMIN, id, FRESH)
    house.clock.time_us = NOW_US + late_s * 1_000_000
    with pytest.raises(ConfigurationError, match="not approved"):
        house.two.approved(ADMIN, id, FRESH)


@pytest.mark.parametrize(
    "more",
    [{"state": s} for s in ShredState if s is not ShredState.APPROVED]
    + [
        {"decided_by": ""},
        {"decided_by": "admin"},
        {"decided_by": "operator:local", "requested_by": "operator:7"},
    ],
)
def test_without_a_second_person_nothing_is_carried_out(
    house: House, more: dict[str, object]
) -> None:
    id = house.approved()
    house.change(id, **more)
    with pytest.raises(ConfigurationError, match="not approved"):
        house.two.approved(ADMIN, id, FRESH)


def test_a_request_says_itself_whether_it_may_be_done() -> None:
    good = Shredding("i", ("p",), "r", "a", 1, ShredState.APPROVED, "b", 10)
    assert good.may_be_done(10, 5)
    assert good.may_be_done(14, 5)
    for now_us in (9, 15):
        assert not good.may_be_done(now_us, 5)
    for wrong in ({"state": ShredState.REFUSED}, {"decided_by": "a"}, {"decided_by": ""}):
        assert not msgspec.structs.replace(good, **wrong).may_be_done(10, 5)  # type: ignore[arg-type]


# Broken glass


def test_glass_is_on_record_before_it_is_broken(house: House) -> None:
    need = Need(((Action.BREAK_GLASS, Purpose.BREAK_GLASS),), "vip", reason=True)
    permit = house.authority.permit(DOCTOR, need, FRESH)
    own = house.guard.mint("service:glass", OPERATE, ("site:glass",))

    def break_it() -> None:
        break_glass(
            house.authority, permit, DOCTOR, FRESH, house.glass, own, reason="emergency",
            text="found in the corridor", now_us=NOW_US, until_us=NOW_US + 1_000_000,
        )  # fmt: skip

    break_it()
    assert (house.last().kind, house.last().patients) == ("glass-broken", ("vip",))
    assert len(house.glass.rows) == 1
    house.audit.fail = DOWN
    with pytest.raises(AuditUnavailable):
        break_it()
    assert len(house.glass.rows) == 1
    assert TREAT is not permit.purpose
