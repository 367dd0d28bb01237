"""What a steward may say about the directory, and which questions and places are shown."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from tests.support.clock import FakeClock
from tests.support.directory_house import FORMULARY, TABLES

from chartloom.domain.directory import Unknown, UnknownReference
from chartloom.domain.grant import Purpose
from chartloom.guard.audit import Actor, Context
from chartloom.guard.authority import AccessDenied
from chartloom.guard.staff import Principal
from chartloom.registry.directory import (
    DRUG,
    VALUES_DIFFER,
    DirectoryKind,
    Said,
    directory_of,
    load_tables,
)
from chartloom.registry.formulary import load_formulary
from chartloom.serve.directory import questions
from chartloom.serve.directory.book import Book, State
from chartloom.serve.directory.questions import Choice
from chartloom.serve.directory.saying import Unfitting, speak
from chartloom.serve.directory.shown import Place, tree_of
from chartloom.serve.sessions import Visitor

NOW_US = 1_790_000_000_000_000
GRANT: Any = object()
ABOUT = Context(1, Actor("me"), Purpose.OPERATIONS)


def book(tables: dict[str, bytes] = TABLES, *unknown: UnknownReference) -> Book:
    loaded = load_tables(tables)
    formulary = load_formulary(FORMULARY)[0]
    return Book([], loaded, directory_of(loaded), formulary, unknown, NOW_US)


class Door:
    """The log and the record, and what happens there in order."""

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.log, self.settle_s = self, 5.0
        self.landed: list[Any] = []

    def record(self, *events: Any) -> None:
        self.happened.append("recorded")

    def land(self, arrivals: Any) -> list[Any]:
        self.happened.append("landed")
        return []

    def words(self, grant: Any) -> list[Any]:
        self.happened.append("looked")
        return [msgspec.UNSET] if self.happened.count("looked") < 3 else [self.awaited]

    awaited: Any = None


class EveryWord:
    """Equal to every word."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


def say(of: Book, key: str, said: Said, **more: Any) -> Any:
    door: Any = Door()
    door.awaited = EveryWord()
    try:
        speak(GRANT, door, ABOUT, door, FakeClock(NOW_US), of, key, said, by="me", **more)
    except Unfitting:
        assert door.happened == []
        raise
    return door


def key_of(of: Book, code: str) -> str:
    return next(a.about.key for a in of.asked if a.question.code == code)


def test_a_word_is_on_record_then_landed_then_waited_for() -> None:
    shared = book()
    door = say(shared, key_of(shared, VALUES_DIFFER), Said.IGNORE, until="2026-10-01")
    assert door.happened == ["recorded", "landed", "looked", "looked", "looked"]


@pytest.mark.parametrize("said", [Said.SAME, Said.DIFFERENT, Said.WITHDRAW])
def test_what_is_no_answer_to_a_question_is_not_said(said: Said) -> None:
    """Also: what was not said is not taken back."""
    shared = book()
    with pytest.raises(Unfitting):
        say(shared, key_of(shared, VALUES_DIFFER), said)


def test_a_value_is_kept_of_a_record_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = book()
    asked = next(a for a in shared.asked if a.question.code == VALUES_DIFFER)
    with pytest.raises(Unfitting):
        say(shared, asked.about.key, Said.KEEP, text="nobody says this")
    record = shared.holder(asked.about, asked.question.id)
    assert record is not None
    good = record.attributes[asked.question.attribute].claims[0].text
    assert "landed" in say(shared, asked.about.key, Said.KEEP, text=good).happened
    monkeypatch.setattr(shared, "holder", lambda about, item: None)
    with pytest.raises(Unfitting):
        say(shared, asked.about.key, Said.KEEP, text=good)


def test_questions_are_chosen_by_state_code_and_feed() -> None:
    seen = UnknownReference("adt", Unknown("Practitioner", "p", "urn:id:H|D7", "Seven"), 1, 1, 1)
    of = book(TABLES, seen)
    asked = next(a for a in of.asked if a.seen)
    code = asked.question.code
    assert Choice(asked.state, code, "adt").shows(asked)
    assert Choice().shows(asked)
    other = State.DECIDED if asked.state is State.OPEN else State.OPEN
    assert not Choice(other, code, "adt").shows(asked)
    assert not Choice(asked.state, VALUES_DIFFER, "adt").shows(asked)
    assert not Choice(asked.state, code, "lab").shows(asked)


def test_a_drug_that_is_known_by_now_is_no_question() -> None:
    def reference(code: str) -> UnknownReference:
        return UnknownReference("rx", Unknown(DRUG, code, f"urn:id:SGHFORM|{code}", ""), 1, 1, 1)

    of = book(TABLES, reference("D005"), reference("D991"))
    assert [a.question.id for a in of.asked if a.seen] == ["urn:id:SGHFORM|D991"]


def test_what_is_part_of_itself_is_on_top_and_what_is_part_of_another_is_not() -> None:
    header = b"source,key,kind,name,part_of\n"
    rows = b"s,a,site,A,\ns,b,ward,B,a\ns,x,ward,X,y\ns,y,ward,Y,x\ns,z,room,Z,x\ns,l,ward,L,gone\n"
    tables = load_tables({"locations.csv": header + rows})
    tops = tree_of(directory_of(tables), DirectoryKind.LOCATION)

    def drawn(place: Place) -> Any:
        return place.record.text("name"), [drawn(p) for p in place.below]

    found = [drawn(t) for t in tops]
    assert [name for name, _ in found if name in ("A", "B", "L", "X", "Y")] == ["A", "L", "X", "Y"]
    assert ("A", [("B", [])]) in found


def test_an_unknown_number_is_that_of_one_record_there_is() -> None:
    seen = UnknownReference("adt", Unknown("Practitioner", "p", "urn:id:H|D7", "Seven"), 1, 1, 1)
    of = book(TABLES, seen)
    key = next(a.about.key for a in of.asked if a.seen)
    for nobody in ("nobody", "urn:x|1", "hr|E99"):
        with pytest.raises(Unfitting, match="No one record"):
            say(of, key, Said.SAME, text=nobody)
    assert "landed" in say(of, key, Said.SAME, text="hr|E17").happened


def form_said(monkeypatch: pytest.MonkeyPatch, form: dict[str, list[str]], speaks: Any) -> Any:
    """The answer to a form about a question that is not there."""
    book = SimpleNamespace(find=lambda key: None, today="2026-01-01")
    replaced: dict[str, Any] = {
        "speak": speaks, "_choice": lambda request: None, "denied": lambda *asked: AccessDenied(),
        "asking_of": lambda request: None, "outdated": lambda *asked: "outdated",
    }  # fmt: skip
    for name, made in replaced.items():
        monkeypatch.setattr(questions, name, made)
    monkeypatch.setattr(questions.common, "book_of", lambda *asked: book)
    permit = SimpleNamespace(purpose=None, grant=None)
    authority = SimpleNamespace(permit=lambda *asked: permit, context=lambda *asked: None)
    console: Any = SimpleNamespace(authority=authority, clock=None)
    scope = {"chartloom.form": form, "chartloom.visitor": Visitor(Principal("ann"))}
    request: Any = SimpleNamespace(scope=scope, path_params={"key": "k"})
    door: Any = None
    return questions._say(console, door, request)


@pytest.mark.parametrize("form", [{"word": ["same"]}, {"holder": ["hr|E30"]}], ids=str)
def test_what_is_said_of_a_question_that_is_gone_came_too_late(
    monkeypatch: pytest.MonkeyPatch, form: dict[str, list[str]]
) -> None:
    def unfitting(*given: object, **more: object) -> None:
        raise Unfitting("There is no such question.", where="k", cure="")

    assert form_said(monkeypatch, form, unfitting) == "outdated"


@pytest.mark.parametrize(
    ("form", "taken"),
    [
        ({"word": ["same"]}, True), ({"word": ["explode"]}, False), ({}, False),
        ({"word": ["ignore"], "days": ["30"]}, True), ({"word": ["ignore"]}, True),
        ({"word": ["ignore"], "days": ["31"]}, False), ({"word": ["same"], "days": ["31"]}, True),
    ],
    ids=str,
)  # fmt: skip
def test_what_no_form_says_is_refused(
    monkeypatch: pytest.MonkeyPatch, form: dict[str, list[str]], taken: bool
) -> None:
    def unfitting(*given: object, **more: object) -> None:
        raise Unfitting("It came so far.", where="k", cure="")

    if taken:
        assert form_said(monkeypatch, form, unfitting) == "outdated"
    else:
        with pytest.raises(AccessDenied):
            form_said(monkeypatch, form, unfitting)
