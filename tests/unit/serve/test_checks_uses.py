"""A request for a data use is whole and within bounds: each part of the form alone."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from chartloom.domain.access import DataUse, UseState
from chartloom.domain.grant import Purpose
from chartloom.domain.labels import ALL_LABELS_MASK, BIT, Label, labels_of, mask_of_grant, visible
from chartloom.guard.audit import Actor, Context
from chartloom.guard.authority import AccessDenied
from chartloom.guard.staff import Principal
from chartloom.serve import uses
from chartloom.serve.sessions import Visitor

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PERSON = "0b1c2d3e-0000-5000-8000-000000000001"
GOOD = {
    "title": "t", "purpose": "HRESCH", "fields": "Patient.gender, Observation.code",
    "cohort": "all", "until": "2026-04-01", "persons": "", "everyone": "1", "profile": "", "k": "",
}  # fmt: skip


def made(**changes: str) -> DataUse | str:
    clock = SimpleNamespace(now_us=lambda: int(NOW.timestamp()) * 1_000_000)
    console: Any = SimpleNamespace(clock=clock, zone=UTC)
    return uses._use_of(console, GOOD | changes, "ana")


def test_a_whole_request_is_taken() -> None:
    use = made()
    assert isinstance(use, DataUse)
    assert use.fields == ("Patient.gender", "Observation.code")
    assert (use.users, use.everyone, use.k, use.profile) == (("ana",), True, 11, "safe_harbor")
    named = made(everyone="", persons=f"{PERSON} {PERSON.upper()}", profile="limited", k="20")
    assert isinstance(named, DataUse)
    assert (named.persons, named.everyone, named.k) == ((PERSON,), False, 20)
    assert isinstance(made(until="2026-03-01"), DataUse)


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ("purpose", ["", "TREAT", "HOPERAT", "BTG", "x"]),
        ("title", [""]),
        ("cohort", [""]),
        ("fields", ["", "Patient", "Patient.*", "gender", "Patient.gender;*", "Patient.gender x"]),
        ("until", ["", "soon", "2026-02-28", "2099-01-01", "2026-04-31"]),
        ("profile", ["everything"]),
        ("k", ["1", "0", "999999999"]),
    ],
)
def test_each_part_that_is_wrong_is_named(part: str, wrong: list[str]) -> None:
    assert [made(**{part: value}) for value in wrong] == [part] * len(wrong)


def test_whose_data_is_said_in_one_way(monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(everyone="", persons="") == "persons"
    assert made(everyone="1", persons=PERSON) == "persons"
    assert made(everyone="", persons="anna weber") == "persons"
    assert made(everyone="", persons=f"{PERSON} 4711") == "persons"
    monkeypatch.setattr(uses, "_PERSONS_MAX", 1)
    assert made(everyone="", persons=f"{PERSON} {PERSON.replace('1', '2')}") == "persons"
    monkeypatch.setattr(uses, "_FIELDS_MAX", 1)
    assert made() == "fields"


# Labels, by which all of this is shown or hidden


def test_a_label_that_is_none_covers_nothing() -> None:
    assert mask_of_grant(("HIV", "nonsense", "hiv")) == BIT[Label("HIV")]
    assert mask_of_grant(()) == 0
    assert mask_of_grant(("nonsense", "*")) == ALL_LABELS_MASK
    for bits in (ALL_LABELS_MASK + 1, 1 << 20, -1):
        with pytest.raises(ValueError, match="not a mask"):
            labels_of(bits)
    assert labels_of(ALL_LABELS_MASK) == frozenset(Label)
    assert labels_of(0) == frozenset()
    assert visible(0, 0)
    assert not visible(1, 2)
    assert visible(1, 3)


class Uses:
    """Uses that are kept, and everything in the order in which it happens."""

    def __init__(self, state: UseState = UseState.REQUESTED) -> None:
        use = made()
        assert isinstance(use, DataUse)
        self.use = msgspec.structs.replace(use, id="u1", state=state, requested_by="ann")
        self.happened: list[str] = []

    def get(self, grant: Any, id: str) -> DataUse:
        return self.use

    def add(self, grant: Any, use: DataUse) -> None:
        self.happened.append("kept")

    def decide(self, grant: Any, use: DataUse) -> None:
        self.happened.append(f"kept {use.state.value}")

    # Of the authority

    def permit(self, *_: Any) -> Any:
        return SimpleNamespace(grant=None, purpose=Purpose.OPERATIONS)

    def context(self, *_: Any) -> Context:
        return Context(1, Actor("ann"))

    def record(self, *_: Any) -> None:
        self.happened.append("recorded")


def asked(uses_: Uses, form: dict[str, str]) -> tuple[Any, Any]:
    """A console and a request of the data officer."""
    visitor = Visitor(Principal("officer"), fresh=True)
    scope = {"chartloom.visitor": visitor, "chartloom.request_id": "r",
             "chartloom.form": {k: [v] for k, v in form.items()}}  # fmt: skip
    request = SimpleNamespace(
        scope=scope, client=None, headers={}, method="POST", path_params={"id": "u1"}
    )
    clock = SimpleNamespace(now_us=lambda: int(NOW.timestamp()) * 1_000_000)
    console = SimpleNamespace(
        authority=uses_, doors=SimpleNamespace(uses=uses_), clock=clock, zone=UTC,
        may=lambda *_: True,
    )  # fmt: skip
    return console, request


def test_a_request_is_on_record_before_it_is_kept() -> None:
    there = Uses()
    assert uses._request(*asked(there, GOOD)).status_code == 303
    assert there.happened == ["recorded", "kept"]


@pytest.mark.parametrize(
    ("word", "kept"), [("approve", "approved"), ("refuse", "refused"), ("", ""), ("grant", "")]
)
def test_a_decision_is_one_of_two_and_on_record_before_it_is_kept(
    monkeypatch: pytest.MonkeyPatch, word: str, kept: str
) -> None:
    monkeypatch.setattr(uses, "denied", lambda *_: AccessDenied())
    there = Uses()
    given = asked(there, {"decision": word})
    if kept:
        assert uses._decide(*given).status_code == 303
        assert there.happened == ["recorded", f"kept {kept}"]
    else:
        with pytest.raises(AccessDenied):
            uses._decide(*given)
        assert there.happened == []
