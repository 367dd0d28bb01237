"""Who says what about a label of whose things: on record before it is landed, then waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.clock import FakeClock

from chartloom.domain.errors import MadeAnew
from chartloom.domain.grant import Purpose
from chartloom.domain.label_words import LabelReason, LabelSaid, LabelWord
from chartloom.domain.labels import Label
from chartloom.domain.resource import ResourceState
from chartloom.guard.audit import Actor, Context
from chartloom.guard.authority import AccessDenied
from chartloom.guard.staff import Principal
from chartloom.serve.labels import pages, saying
from chartloom.serve.labels.saying import Outcome, Saying, speak
from chartloom.serve.sessions import Visitor

ME = Principal("ada")
ABOUT = Context(1, Actor("ada"), Purpose.OPERATIONS)
WHY = LabelReason.RULE_MISSED
ANYTHING: Any = None


def thing(kind: str = "Condition", patient: str = "p", words: Any = None) -> ResourceState:
    return ResourceState({"resourceType": kind, "id": "x"}, patient, {}, words=words or {})


class House:
    """The ports behind ``/labels``, and what happens, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *states: ResourceState) -> None:
        self.held = {s.id: s for s in states}
        self.happened, self.answers = list[str](), list[bool]()
        monkeypatch.setattr(saying, "settle", self.settle)
        permit = SimpleNamespace(
            grant=ANYTHING, purpose=Purpose.OPERATIONS, patients=("p",),
            run=lambda look: self.happened.append("looked"),
        )  # fmt: skip
        self.authority: Any = SimpleNamespace(
            permit=lambda *asked: permit, context=lambda *asked: ABOUT, record=self.record,
            gatherer=SimpleNamespace(grant=lambda: ANYTHING),
        )  # fmt: skip
        self.door: Any = SimpleNamespace(
            charts=SimpleNamespace(states=lambda grant, ids: self.held),
            records=SimpleNamespace(of_persons=lambda grant, ids: {}), log=self, settle_s=1.0,
        )  # fmt: skip

    def record(self, event: Any) -> None:
        self.happened.append("recorded" if event["outcome"] == "0" else "refused")

    def land(self, arrivals: Any) -> list[Any]:
        self.happened.append("landed")
        return [SimpleNamespace(position=7)]

    def settle(self, counts: Any, settle_s: float) -> None:
        """What was landed is there, step by step: not at all, without it, with it."""
        self.happened.append("waited")
        for position in (None, 6, 7):
            word = LabelWord(Label.HIV, LabelSaid.SET, "ada", WHY, 5, position or 0)
            self.held = {} if position is None else {"x": thing(words={word.key: word})}
            self.answers.append(counts())

    def say(self, label: Label = Label.HIV, said: LabelSaid = LabelSaid.SET) -> Outcome:
        what = Saying("x", label, said, WHY)
        return speak(self.authority, self.door, FakeClock(), ME, ANYTHING, "p", what)


def test_a_word_is_on_record_landed_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(monkeypatch, thing())
    assert house.say() is Outcome.SET
    assert house.happened == ["recorded", "landed", "waited"]
    assert house.answers == [False, False, True]


def test_what_is_about_a_person_is_said_of_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    assert House(monkeypatch, thing("Patient")).say(Label.VIP) is Outcome.SET
    house = House(monkeypatch, thing())
    with pytest.raises(AccessDenied):
        house.say(Label.VIP)
    assert house.happened == ["refused"]


@pytest.mark.parametrize("states", [(), (thing(patient="another"),)], ids=["none", "another's"])
def test_of_what_is_not_there_and_of_others_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, states: tuple[ResourceState, ...]
) -> None:
    house = House(monkeypatch, *states)
    with pytest.raises(AccessDenied):
        house.say()
    assert house.happened == ["refused"]


# The pages


class Console:
    """For somebody who may not, or may, see what is labelled; nobody's chart opens."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, may: bool, whole: bool = True) -> None:
        self.refused = 0
        self.authority = SimpleNamespace(
            permit=self.nobody, context=lambda *asked: ABOUT, record=self.record,
            gatherer=SimpleNamespace(grant=lambda: ANYTHING),
        )  # fmt: skip
        self.store = SimpleNamespace(made_anew=lambda grant: not whole)
        self.clock, self.handles = FakeClock(), SimpleNamespace(reveal=lambda *asked: {})
        self.may = lambda *asked: may
        monkeypatch.setattr(pages, "meant", lambda console, given: given)
        monkeypatch.setattr(pages, "waiting", lambda *asked: [])
        if may:
            monkeypatch.setattr(pages, "_nobody", lambda *asked: "nobody")

    def nobody(self, *asked: Any) -> Any:
        raise AccessDenied

    def record(self, event: Any) -> None:
        self.refused += event["outcome"] != "0"


def request(said: str = "set") -> Any:
    reason = WHY.value if said == "set" else LabelReason.RULE_WRONG.value
    typed = {"resource": "x", "label": "HIV", "said": said, "reason": reason, "person": ""}
    visitor = Visitor(ME)
    scope = {
        "chartloom.form": {k: [v] for k, v in typed.items()}, "chartloom.visitor": visitor,
        "chartloom.request_id": "r",
    }  # fmt: skip
    return SimpleNamespace(
        scope=scope, path_params={"person": "p"}, client=None, method="POST", headers={}
    )


@pytest.mark.parametrize("name", ["_page", "_person", "_said"])
def test_who_may_not_see_labels_gets_no_page_that_says_so(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """One try is one record: that of the permission, where one was asked for."""
    console: Any = Console(monkeypatch, may=False)
    with pytest.raises(AccessDenied):
        getattr(pages, name)(console, ANYTHING, request())
    assert console.refused == (name == "_page")


def test_a_try_to_see_labels_is_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    console: Any = Console(monkeypatch, may=False)
    for call in (lambda: pages._page(console, ANYTHING, request()),
                 lambda: pages._find(console, request())):  # fmt: skip
        with pytest.raises(AccessDenied):
            call()
    assert console.refused == 2


@pytest.mark.parametrize("name", ["_person", "_said"])
def test_whoever_may_see_labels_is_told_that_there_is_nobody(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    console: Any = Console(monkeypatch, may=True)
    assert getattr(pages, name)(console, ANYTHING, request()) == "nobody"


def test_a_form_that_cannot_be_meant_is_refused_and_on_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    console: Any = Console(monkeypatch, may=True)
    monkeypatch.setattr(pages, "speak", lambda *asked: pytest.fail("it was said"))
    with pytest.raises(AccessDenied):
        pages._say(console, ANYTHING, request("explode"))
    assert console.refused == 1


def test_nothing_is_said_while_charts_are_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    console: Any = Console(monkeypatch, may=True, whole=False)
    monkeypatch.setattr(pages, "speak", lambda *asked: Outcome.SET)
    with pytest.raises(MadeAnew):
        pages._say(console, ANYTHING, request())
