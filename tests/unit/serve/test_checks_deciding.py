"""What a clinician decides about a line of a list: who may, what about, on record, then landed."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from tests.support.clock import FakeClock

from chartloom.chart.reconcile import Confidence, Decision, Fact, Line, ListKind
from chartloom.domain.decisions import WITHDRAWN
from chartloom.domain.grant import Purpose
from chartloom.domain.store import SearchHit
from chartloom.guard.audit import Actor, Context
from chartloom.guard.authority import AccessDenied
from chartloom.guard.staff import Principal
from chartloom.serve import chart_pages
from chartloom.serve.lists import deciding
from chartloom.serve.lists.reading import Lists
from chartloom.serve.lists.shown import seen_of
from chartloom.serve.sessions import Visitor

KIND = ListKind.PROBLEMS
VISITOR = Visitor(Principal("ada"))
GRANT: Any = object()
ABOUT = Context(1, Actor("ada"), Purpose.TREATMENT)
FACT = Fact("c1", "Condition", "p", "house", "listed", 5, "Gout")
LINE = Line("gout", "Gout", "active", "listed", Confidence.HIGH, (), {}, (FACT,))


def said(what: str, key: str = "gout", kind: ListKind = KIND) -> Decision:
    return Decision("d1", kind, key, what, "user:ada", 5, "p")


class House:
    """A chart with one line, the ports around it, and what happens, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *decisions: Decision) -> None:
        self.happened, self.refused = list[str](), list[Any]()
        hit, chart = SearchHit("person", ("p",)), SimpleNamespace(sections={})
        lists = Lists({KIND: SimpleNamespace(lines=(LINE,))}, decisions)  # type: ignore[dict-item]
        monkeypatch.setattr(chart_pages, "read_person", lambda *asked: (hit, chart))
        monkeypatch.setattr(deciding, "read_lists", lambda *asked: lists)
        monkeypatch.setattr(deciding, "settle", lambda *asked: self.happened.append("settled"))
        permit = SimpleNamespace(
            grant=GRANT, purpose=Purpose.TREATMENT, run=lambda look: self.happened.append("looked")
        )
        self.console: Any = SimpleNamespace(
            authority=SimpleNamespace(
                permit=lambda *asked: permit, context=lambda *asked: ABOUT, record=self.record,
                gatherer=SimpleNamespace(grant=lambda: GRANT),
            ),
            store=SimpleNamespace(
                made_anew=lambda grant: False, together=lambda grant: nullcontext()
            ),
            doors=SimpleNamespace(lists=SimpleNamespace(log=self, settle_s=1.0)),
            handles=SimpleNamespace(hide=lambda told, purpose: "handle"),
            clock=FakeClock(), namespace=UUID(int=1),
        )  # fmt: skip

    def record(self, event: Any) -> None:
        if event["outcome"] != "0":
            self.refused.append(event)
        else:
            self.happened.append("recorded")

    def land(self, arrivals: Any) -> list[Any]:
        self.happened.append("landed")
        return [SimpleNamespace(position=7)]

    def decide(self, what: str, key: str = "gout", seen: str | None = None) -> Any:
        seen = seen_of(LINE, VISITOR.csrf) if seen is None else seen
        form = {"line": [key], "said": [what], "seen": [seen]}
        scope = {
            "chartloom.form": form, "chartloom.visitor": VISITOR, "chartloom.request_id": "r",
        }  # fmt: skip
        request: Any = SimpleNamespace(
            scope=scope, path_params={"person": "p"}, client=None, method="POST", headers={}
        )
        return deciding.decide(self.console, request, KIND)


DONE = ["recorded", "landed", "settled"]


def test_a_decision_is_on_record_landed_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch)
    assert house.decide("refuted").status_code == 303
    assert (house.happened, house.refused) == (DONE, [])


@pytest.mark.parametrize(
    ("what", "key", "earlier"),
    [
        ("refuted", "somebody else's", None),
        ("explode", "gout", None),
        ("", "gout", None),
        (WITHDRAWN, "gout", None),
        (WITHDRAWN, "gout", said("")),
        (WITHDRAWN, "gout", said("refuted", "other")),
        (WITHDRAWN, "gout", said("refuted", kind=ListKind.ALLERGIES)),
        (WITHDRAWN, "somebody else's", said("refuted", "somebody else's")),
    ],
)
def test_what_cannot_be_decided_is_refused_and_on_record(
    monkeypatch: pytest.MonkeyPatch, what: str, key: str, earlier: Decision | None
) -> None:
    house = House(monkeypatch, *([earlier] if earlier else ()))
    with pytest.raises(AccessDenied):
        house.decide(what, key)
    assert (house.happened, len(house.refused)) == ([], 1)


def test_without_a_log_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch)
    house.console.doors.lists.log = None
    with pytest.raises(AccessDenied):
        house.decide("refuted")
    assert (house.happened, len(house.refused)) == ([], 1)


def test_what_was_said_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, said("refuted"))
    assert house.decide(WITHDRAWN, seen="").status_code == 303
    assert house.happened == DONE


def test_about_a_line_that_changed_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch)
    assert house.decide("refuted", seen="as it was").status_code == 303
    assert house.happened == ["looked"]


@pytest.mark.parametrize(
    ("held", "what", "there"),
    [
        ((), "refuted", False), ((said("refuted"),), "refuted", True),
        ((said("active"),), "refuted", False), ((said("refuted", "other"),), "refuted", False),
        ((said("refuted", kind=ListKind.ALLERGIES),), "refuted", False),
        ((), WITHDRAWN, True), ((said("refuted"),), WITHDRAWN, False),
        ((said(""),), WITHDRAWN, True), ((said("refuted", "other"),), WITHDRAWN, True),
    ],
)  # fmt: skip
def test_landed_is_not_applied(held: tuple[Decision, ...], what: str, there: bool) -> None:
    assert deciding.counts(held, KIND, "gout", what) is there
