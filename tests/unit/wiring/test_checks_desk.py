"""What the command line asks for at the one door: nothing less than a page would."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import ConfigurationError
from chartloom.domain.grant import Purpose
from chartloom.guard.authority import AccessDenied, Need
from chartloom.guard.policy import Action
from chartloom.wiring import desk as module
from chartloom.wiring.desk import Desk, ReasonWanted

TREAT, OPERATE, GLASS = Purpose.TREATMENT, Purpose.OPERATIONS, Purpose.BREAK_GLASS


class Asked(Desk):
    """A desk that keeps what it asks for."""

    def __init__(self, *, glass_open: bool = False, allowed: bool = True) -> None:
        self.needs, self.broken, self.allowed = list[Need](), list[str](), allowed
        gatherer = SimpleNamespace(
            who=lambda principal: None, known_of=lambda p: SimpleNamespace(source_patients=(p,)),
            glass_until=lambda who, patients: int(glass_open),
        )  # fmt: skip
        given: Any = self
        given.authority = SimpleNamespace(gatherer=gatherer)
        given.principal = given.asking = given._glass = None
        given._glass_grant = lambda: None
        access = SimpleNamespace(glass_hours=4)
        given.opened = SimpleNamespace(
            clock=SimpleNamespace(now_us=lambda: 1),
            project=SimpleNamespace(settings=SimpleNamespace(access=access)),
        )

    def permit(self, need: Need) -> Any:
        self.needs.append(need)
        if not self.allowed:
            raise AccessDenied
        return SimpleNamespace(run=lambda call, *a: call("grant", *a),
                               search=lambda patients, call, *a: [], need=need)  # fmt: skip


@pytest.fixture(autouse=True)
def glass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "break_glass", lambda *_, **__: None)


def test_what_the_operator_starts_is_on_record() -> None:
    desk = Asked()
    desk.note("backup")
    [need] = desk.needs
    assert (need.options, need.what) == (((Action.VIEW_SITE, OPERATE),), ("site/backup",))


def test_persons_are_found_by_who_may_find_them() -> None:
    desk = Asked()
    desk.find("4711")
    desk.find("4711", TREAT)
    assert [n.options for n in desk.needs] == [
        ((Action.FIND_PERSON, OPERATE),), ((Action.FIND_PERSON, TREAT),),
    ]  # fmt: skip
    assert {n.terms["any"] for n in desk.needs} == {"4711"}


def test_a_chart_is_opened_through_the_glass() -> None:
    desk = Asked()
    desk.chart("p", "emergency on ward 7")
    assert [(n.options, n.person, n.reason) for n in desk.needs] == [
        (((Action.BREAK_GLASS, GLASS),), "p", True), (((Action.VIEW_CHART, TREAT),), "p", False),
    ]  # fmt: skip
    open_ = Asked(glass_open=True)
    open_.chart("p", "")
    assert [n.options for n in open_.needs] == [((Action.VIEW_CHART, TREAT),)]


def test_without_a_reason_the_glass_is_asked_for_without_one() -> None:
    desk = Asked(allowed=False)
    with pytest.raises(ReasonWanted):
        desk.chart("p", "")
    assert [n.reason for n in desk.needs] == [False]


@pytest.mark.parametrize("reason", ["x", " x ", "x" * 5000])
def test_a_reason_nobody_could_review_is_refused(reason: str) -> None:
    desk = Asked()
    with pytest.raises(ConfigurationError, match="too short or too long"):
        desk.chart("p", reason)
    assert desk.needs == []
