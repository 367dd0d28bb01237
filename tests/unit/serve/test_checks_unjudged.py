"""What opens a message in quarantine that nobody has judged: what it is, who asks, where it is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.access import Glass, message_subject
from chartloom.domain.errors import NotFound
from chartloom.domain.grant import Purpose
from chartloom.domain.quarantine import IDENTITY_OVERLAY
from chartloom.guard.audit import Actor, Context
from chartloom.guard.authority import AccessDenied
from chartloom.guard.staff import Principal
from chartloom.serve import needs, quarantine, unjudged
from chartloom.serve.identity import saying
from chartloom.serve.sessions import Visitor

GRANT: Any = object()
ANYTHING: Any = None
ABOUT = Context(1, Actor("eve"), Purpose.OPERATIONS)


def row(quarantine: str = "why", position: int = 7) -> Any:
    return SimpleNamespace(position=position, quarantine=quarantine)


def test_what_was_read_or_is_not_stopped_is_not_closed() -> None:
    assert unjudged.is_closed(row())
    assert not unjudged.is_closed(row(""))
    assert not unjudged.is_closed(row(IDENTITY_OVERLAY))


@pytest.mark.parametrize(
    ("rows", "there"),
    [([row()], True), ([], False), ([row("")], False), ([row(position=6)], False)],
    ids=["there", "none", "not stopped", "another"],
)
def test_a_message_waits_while_it_is_there_and_closed(rows: list[Any], there: bool) -> None:
    messages: Any = SimpleNamespace(search=lambda grant, where: rows)
    assert unjudged.waits(GRANT, messages, 7) is there


def test_what_was_applied_meanwhile_is_not_read_by_way_of_the_quarantine() -> None:
    opened, usual = needs.quarantined(7, "message"), needs.message(7, "message")

    def read(need: Any, found: Any) -> Any:
        return unjudged.only_waiting(need, lambda grant: found, lambda it: it)(GRANT)

    held, applied = row(), row("")
    assert read(opened, held) is held
    assert read(usual, applied) is applied
    with pytest.raises(NotFound):
        read(opened, applied)


@pytest.mark.parametrize(
    ("named", "found", "opens"),
    [({7}, row(), True), (set(), row(), False), ({7}, row(""), False)],
    ids=["closed", "not named", "not stopped"],
)
def test_only_what_a_list_may_name_and_is_closed_opens(
    named: set[int], found: Any, opens: bool
) -> None:
    authority: Any = SimpleNamespace(listable=lambda *asked: named)
    messages: Any = SimpleNamespace(detail=lambda *asked: SimpleNamespace(row=found))
    if opens:
        assert unjudged.may_open(GRANT, authority, messages, ANYTHING, 7).row is found
    else:
        with pytest.raises(NotFound):
            unjudged.may_open(GRANT, authority, messages, ANYTHING, 7)


def test_who_may_open_none_is_refused_whatever_is_typed() -> None:
    refused: list[Any] = []
    authority = SimpleNamespace(context=lambda *asked: ABOUT, record=refused.append)
    console: Any = SimpleNamespace(authority=authority, may=lambda *asked: False)
    scope = {
        "chartloom.form": {"open": ["7"], "text": ["short"]}, "chartloom.request_id": "r",
        "chartloom.visitor": Visitor(Principal("eve")),
    }  # fmt: skip
    request: Any = SimpleNamespace(scope=scope, client=None, method="POST", headers={})
    with pytest.raises(AccessDenied):
        unjudged.open_one(console, request)
    assert len(refused) == 1, "and it is on record"


def test_a_glass_is_about_a_patient_or_a_message() -> None:
    def position(subject: str) -> int:
        return Glass("g", "user:eve", (subject,), "mend", "why", 1, 2).position

    assert position(message_subject(7)) == 7
    assert position("p7") == position("7") == 0


# A form about a record whose messages were let in since


@pytest.mark.parametrize(
    ("pair", "looked", "found", "settled"),
    [
        (("a", "a"), (7,), [row("")], True),
        (("a", "b"), (7,), [row("")], False),
        (("a", "a"), (), [row("")], False),
        (("a", "a"), (7,), [], False),
        (("a", "a"), (7,), [row("", 6)], False),
        (("a", "a"), (7,), [row()], False),
    ],
    ids=["let in", "two records", "nothing shown", "not to be seen", "another", "still stopped"],
)
def test_a_colleague_was_quicker_only_where_all_was_let_in(
    pair: tuple[str, str], looked: tuple[int, ...], found: list[Any], settled: bool
) -> None:
    console: Any = SimpleNamespace(store=SimpleNamespace(search=lambda grant, where: found))
    assert saying._is_settled(GRANT, console, pair, looked) is settled


@pytest.mark.parametrize(
    ("word", "let_in", "late"),
    [("same", True, True), ("same", False, False), ("explode", True, False)],
)
def test_a_form_that_is_refused_came_too_late_only_where_all_was_let_in(
    monkeypatch: pytest.MonkeyPatch, word: str, let_in: bool, late: bool
) -> None:
    def refused(*asked: Any, **more: Any) -> None:
        raise AccessDenied

    replaced: dict[str, Any] = {
        "needs": SimpleNamespace(identity_word=lambda pair: None), "open_pairs": lambda *asked: (),
        "must_be_whole": lambda console: None, "asking_of": lambda request: None,
        "speak": refused, "_is_settled": lambda *asked: let_in,
        "outdated": lambda *asked: "late", "denied": lambda *asked: AccessDenied(),
    }  # fmt: skip
    for name, made in replaced.items():
        monkeypatch.setattr(saying, name, made)
    permit = SimpleNamespace(grant=GRANT, purpose=Purpose.OPERATIONS)
    authority = SimpleNamespace(permit=lambda *asked: permit, context=lambda *asked: ABOUT)
    console: Any = SimpleNamespace(authority=authority, clock=None)
    assert set(saying.WORDS) >= {"same"}
    scope = {"chartloom.form": {"word": [word]}, "chartloom.visitor": Visitor(Principal("ann"))}
    request: Any = SimpleNamespace(scope=scope, path_params={"first": "a", "second": "a"})
    if late:
        assert saying.say(console, ANYTHING, request, ANYTHING) == "late"
    else:
        with pytest.raises(AccessDenied):
            saying.say(console, ANYTHING, request, ANYTHING)


def test_what_is_open_is_marked_as_closed_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unjudged, "opened", lambda *asked: frozenset({8}))
    rows = [row(position=7), row(position=8), row("", 9), row(IDENTITY_OVERLAY, 10)]
    assert quarantine._closed(ANYTHING, ANYTHING, rows) == {7}
