"""What counts about records that are joined, and until when a page waits for what was landed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from chartloom.domain.errors import NotFound, StoreDamaged
from chartloom.domain.identity import IdentityDecision, IdentityWord
from chartloom.domain.resource import LinkKind, ResourceState, Stamp
from chartloom.guard.staff import Principal
from chartloom.registry.persons.words import TWO_NEEDED
from chartloom.serve import glass, messages, needs, unjudged
from chartloom.serve.identity import saying
from chartloom.serve.identity.history import ties
from chartloom.serve.identity.questions import Question
from chartloom.serve.lists import deciding
from chartloom.serve.sessions import Visitor

PAIR = ("a", "b")
GRANT: Any = object()


def said(by: str, *, two: bool = False) -> IdentityWord:
    return IdentityWord(PAIR, LinkKind.LINK, 50, 9, "said", by=by, two=two)


def decided(guard: str = "") -> IdentityDecision:
    return IdentityDecision(PAIR, "review", 9.0, "score", guard, {}, "p")


def test_one_word_joins_two_unless_it_takes_two_people() -> None:
    assert len(ties(PAIR, [decided()], [said("ann")])) == 1
    assert ties(PAIR, [decided()], [said("ann", two=True)]) == []
    guard = next(iter(TWO_NEEDED))
    assert ties(PAIR, [decided(guard)], [said("ann")]) == []


def test_for_one_pair_two_people_for_all() -> None:
    def question(lead: bool, *others: bool) -> Any:
        pairs = [SimpleNamespace(two=two) for two in (lead, *others)]
        return SimpleNamespace(lead=pairs[0], others=tuple(pairs[1:]))

    two: Any = Question.two
    assert [two.fget(question(*q)) for q in ((False,), (True,), (False, True), (False, False))] == [
        False, True, True, False,
    ]  # fmt: skip


def waits(monkeypatch: pytest.MonkeyPatch, module: Any) -> list[bool]:
    """What a page's question whether it counts by now is answered."""
    asked: list[bool] = []
    monkeypatch.setattr(module, "settle", lambda counts, s: asked.append(counts()))
    return asked


def test_a_word_is_waited_for_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = waits(monkeypatch, saying)
    words: list[Any] = []
    identities = SimpleNamespace(words_of=lambda grant, ids: words)
    door: Any = SimpleNamespace(identities=identities, settle_s=1.0)
    for position in (None, 6, 7, 8):
        if position is not None:
            words[:] = [SimpleNamespace(position=position)]
        saying._settle(GRANT, door, PAIR, 7)
    assert asked == [False, False, True, True]


def test_a_decision_is_waited_for_until_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = waits(monkeypatch, deciding)
    states: dict[str, ResourceState] = {}
    console: Any = SimpleNamespace(
        store=SimpleNamespace(states=lambda grant, ids: states),
        doors=SimpleNamespace(lists=SimpleNamespace(settle_s=1.0)),
    )
    for position in (None, 6, 7):
        if position is not None:
            states["x"] = ResourceState({}, "a", {"code": Stamp(1, 5, position)})
        deciding._settle(GRANT, console, "x", 7)
    assert asked == [False, False, True]


@pytest.mark.parametrize(
    ("shown", "fault", "error"),
    [((), "", None), (((0, 3),), "", NotFound), ((), "store.seal-broken", StoreDamaged)],
)
def test_the_bytes_of_a_message_are_all_of_them_and_whole(
    monkeypatch: pytest.MonkeyPatch, shown: Any, fault: str, error: Any
) -> None:
    message = SimpleNamespace(shown=shown, fault=fault, body=b"MSH|")
    entry = SimpleNamespace(title="damaged", cure="")
    monkeypatch.setattr(messages, "entry_of", lambda code: entry)
    usual = needs.message(7, "message/raw")
    monkeypatch.setattr(unjudged, "need_of", lambda *asked: usual)

    async def ask(*asked: Any) -> Any:
        return SimpleNamespace(message=message)

    console: Any = SimpleNamespace(ask=ask, store=SimpleNamespace(detail=None))
    found = {getattr(r, "path", ""): r for r in messages.routes(console)}
    (raw,) = [r for path, r in found.items() if path.endswith("/raw")]
    request: Any = SimpleNamespace(path_params={"position": "7"})
    answer: Any = raw.endpoint(request)  # type: ignore[attr-defined]
    if error is None:
        assert asyncio.run(answer).body == b"MSH|"
    else:
        with pytest.raises(error):
            asyncio.run(answer)


def test_what_was_reviewed_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        SimpleNamespace(source_patients=("p",), until_us=0, actor="user:x", outcome=outcome)
        for outcome in ("", "justified", "")
    ]
    permit = SimpleNamespace(run=lambda *asked, **more: records)
    monkeypatch.setattr(glass, "own_grant", lambda console: GRANT)
    monkeypatch.setattr(glass, "asking_of", lambda request: None)
    console: Any = SimpleNamespace(
        clock=SimpleNamespace(now_us=lambda: 1), may=lambda *asked: True,
        doors=SimpleNamespace(
            glass=SimpleNamespace(list=lambda grant, limit: records),
            staff=lambda: SimpleNamespace(staff=()),
        ),
        authority=SimpleNamespace(permit=lambda *asked: permit),
        page=lambda request, template, **shown: shown,
    )  # fmt: skip
    request: Any = SimpleNamespace(scope={"chartloom.visitor": Visitor(Principal("officer"))})
    page: Any = glass._reviews(console, request)
    assert [s.glass.outcome for s in page["waiting"]] == ["", ""]
    assert [s.glass.outcome for s in page["done"]] == ["justified"]
