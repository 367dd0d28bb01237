"""What pages are given of a request and a visitor: nothing of nobody, and nothing that is none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import MadeAnew
from chartloom.domain.grant import Purpose
from chartloom.guard.policy import Action, PersonFacts
from chartloom.guard.staff import Principal, Role
from chartloom.serve import console as module
from chartloom.serve.audit import Search
from chartloom.serve.client_registry.criteria import Criterion, _birth
from chartloom.serve.client_registry.dates import span_of
from chartloom.serve.console import (
    Console,
    asking_of,
    purposes_of,
    rooms_of,
    static_files,
)
from chartloom.serve.denials import must_be_whole
from chartloom.serve.mine import _findable
from chartloom.serve.sessions import Visitor

ANN = Principal("ann", roles=frozenset({Role.CLINICIAN}))


def request(visitor: Visitor | None, host: str | None = None) -> Any:
    scope = {"chartloom.visitor": visitor, "chartloom.request_id": "r"}
    client = SimpleNamespace(host=host) if host is not None else None
    return SimpleNamespace(scope=scope, client=client, method="GET", headers={})


class Asked:
    """An authority that permits one action for one purpose, and says who asked."""

    def __init__(self, *permitted: tuple[Action, Purpose]) -> None:
        self.permitted, self.asked = permitted, list[Any]()

    def may(self, principal: Principal, action: Action, purpose: Purpose) -> bool:
        self.asked.append(principal)
        return (action, purpose) in self.permitted


def made(authority: Asked, identity: object = True) -> Any:
    """What of a console these functions use."""
    console: Any = SimpleNamespace(
        authority=authority,
        doors=SimpleNamespace(identity=identity, directory=identity, labels=identity),
        _earlier={},
        earlier_mapping=lambda name, files: None,
    )  # fmt: skip
    console.may = lambda *given: Console.may(console, *given)
    return console


def test_nobody_may_anything() -> None:
    authority = Asked(*((a, p) for a in Action for p in Purpose))
    assert not made(authority).may(request(None), Action.VIEW_SITE)
    assert authority.asked == []


def test_one_purpose_of_those_asked_for_is_enough_and_none_is_not() -> None:
    console = made(Asked((Action.VIEW_CHART, Purpose.TREATMENT)))
    asked = request(Visitor(ANN))
    assert console.may(asked, Action.VIEW_CHART, Purpose.OPERATIONS, Purpose.TREATMENT)
    assert not console.may(asked, Action.VIEW_CHART, Purpose.OPERATIONS, Purpose.RESEARCH)
    assert not console.may(asked, Action.VIEW_CHART)
    assert not console.may(asked, Action.VIEW_AUDIT, Purpose.TREATMENT)


def test_the_head_of_a_page_leads_to_what_may_be_seen() -> None:
    rooms = (
        Action.REVIEW_IDENTITY, Action.VIEW_DIRECTORY, Action.VIEW_LABELS, Action.VIEW_AUDIT,
    )  # fmt: skip
    may = [(action, Purpose.OPERATIONS) for action in rooms]
    asked = request(Visitor(ANN))
    names = [a for a, _ in rooms_of(made(Asked(*may)), asked)]
    assert names == ["/identity", "/directory", "/labels", "/audit"]
    assert [a for a, _ in rooms_of(made(Asked(*may), identity=None), asked)] == ["/audit"]
    assert rooms_of(made(Asked(*may)), request(None)) == []


@pytest.mark.parametrize(
    ("host", "told"),
    [("127.0.0.1", "127.0.0.1"), ("2001:db8::1", "2001:db8::1"), (None, ""), ("", ""),
     ("ward 7", ""), ("127.0.0.1\nx", ""), ("x" * 200, "")],
)  # fmt: skip
def test_only_an_address_is_on_record_as_one(host: str | None, told: str) -> None:
    assert asking_of(request(Visitor(ANN), host)).address == told


def test_purposes_are_those_of_the_roles() -> None:
    assert purposes_of(Visitor(ANN)) == [Purpose.TREATMENT]
    analyst = Visitor(Principal("a", roles=frozenset({Role.ANALYST, Role.AUDITOR})))
    assert set(purposes_of(analyst)) == {Purpose.QUALITY, Purpose.RESEARCH, Purpose.OPERATIONS}
    assert purposes_of(Visitor(Principal("nobody"))) == purposes_of(None) == []


def test_a_mapping_that_is_gone_is_none_and_asked_for_again() -> None:
    console = made(Asked())
    assert Console.mapping_of(console, "hl7v2", "v1", {}) is None
    assert console._earlier == {}


def test_what_is_served_are_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.css").write_text("a")
    (tmp_path / "drafts").mkdir()
    monkeypatch.setattr(module, "_STATIC", tmp_path)
    assert list(static_files()) == ["a.css"]


@pytest.mark.parametrize("purpose", ["", "nothing", "treat", "TREAT "])
def test_a_purpose_that_is_none_is_none(purpose: str) -> None:
    assert Visitor(ANN, token_purpose=purpose).purpose is None
    assert Visitor(ANN, token_purpose="TREAT").purpose is Purpose.TREATMENT


def test_what_was_not_asked_for_stands_in_no_address() -> None:
    assert Search(actor="ann").query(before=7) == "actor=ann&before=7"
    assert Search().query() == ""


@pytest.mark.parametrize("text", ["", "soon", "1984-13", "19840125"])
def test_in_no_span_of_days_lies_what_is_no_date(text: str) -> None:
    year = span_of("1984")
    assert year is not None
    assert year.holds("1984-02")
    assert not year.holds(text)


def test_a_record_without_a_birth_date_was_not_born_then() -> None:
    asked = Criterion("birthdate", "1984", span=span_of("1984"))
    assert _birth({"birthDate": "1984-02-01"}, asked)
    for patient in ({}, {"birthDate": None}, {"birthDate": 1984}):
        assert not _birth(patient, asked)
    assert not _birth({"birthDate": "1984-02-01"}, Criterion("birthdate", "1984"))


@pytest.mark.parametrize("made_anew", [True, False])
def test_nothing_is_decided_while_charts_are_made_anew(made_anew: bool) -> None:
    gatherer = SimpleNamespace(grant=lambda: None)
    console: Any = SimpleNamespace(
        store=SimpleNamespace(made_anew=lambda grant: made_anew), _anew=(1.0, made_anew),
        authority=SimpleNamespace(gatherer=gatherer),
    )  # fmt: skip
    assert Console.made_anew.fget(console) is made_anew  # type: ignore[attr-defined]
    if made_anew:
        with pytest.raises(MadeAnew):
            must_be_whole(console)
    else:
        must_be_whole(console)


def test_of_ones_patients_those_are_counted_whose_chart_would_open() -> None:
    mine = [PersonFacts((p,), relations=frozenset({"attending"})) for p in ("a", "b", "c")]
    gatherer = SimpleNamespace(
        who=lambda principal: SimpleNamespace(principal=principal), own_persons=lambda who: mine,
        with_consent=lambda who, persons, purpose: persons,
    )  # fmt: skip
    policies = SimpleNamespace(
        decide=lambda request: SimpleNamespace(allowed=request.person.source_patients != ("b",))
    )
    console: Any = SimpleNamespace(authority=SimpleNamespace(gatherer=gatherer, policies=policies))
    assert _findable(console, ANN) == [mine[0], mine[2]]
