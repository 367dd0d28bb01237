"""What is left of a chart of which a Consent withholds a part: each way to be withheld, alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.asking import asking
from tests.unit.guard.test_withholding import NOW, consent, deny

from chartloom.domain.chart import PlacedState, Section
from chartloom.domain.grant import Purpose
from chartloom.domain.resource import ResourceState
from chartloom.engines.postgres import withheld as module
from chartloom.engines.postgres.withheld import _SPOKEN, _UNJUDGED, Withheld
from chartloom.guard.consent import consent_facts

NOTHING: Any = None


def coded(id: str, code: str, kind: str = "Condition", patient: str = "p") -> ResourceState:
    coding = {"coding": [{"system": "s", "code": code}]}
    return ResourceState({"resourceType": kind, "id": id, "code": coding}, patient, {})


def withheld(root: Any, *chart: ResourceState) -> Withheld:
    """Of patient ``p``, whose chart holds these."""
    said = consent_facts([consent(root)], asking("me"), Purpose.TREATMENT, NOW, ("p",))
    made = Withheld(NOTHING, said.withheld, NOTHING, NOTHING)
    placed = [PlacedState(s, Section.PROBLEMS, 0, 0, "", False, 0) for s in chart]
    made.__dict__.update(_chart=placed, _anew=False)
    return made


SECRET = deny(codes=[("s", "secret")])


def test_it_is_withheld_by_what_it_is_and_by_what_it_was() -> None:
    found = withheld(SECRET, coded("c1", "secret"), coded("c2", "open"))
    assert found.gone == {"c1"}
    assert found.left(coded("c2", "open")) is not None
    assert found.left(coded("c1", "open")) is None, "as it was, of what is withheld now"
    assert found.left(coded("c2", "secret")) is None, "as it was, then withheld"
    assert found.left(coded("c9", "secret", patient="another")) is not None
    beside = withheld(SECRET, coded("c1", "secret"), coded("c8", "secret", patient="another"))
    assert beside.gone == {"c1"}
    closed = withheld(SECRET, coded("c1", "open"), coded("c8", "open", patient="another"))
    for found in (beside, closed):
        found.__dict__["_anew"] = True
    assert closed.gone == {"c1"}, "the other is folded again for another reason"
    assert beside.left(coded("c7", "open")) is None, "nobody knows yet what it is"
    assert beside.left(coded("c9", "open", patient="another")) is not None


def left_of(found: Withheld, *references: str) -> list[str]:
    """Those of some references that a resource of the patient keeps."""
    state = coded("c0", "open")
    state.resource["evidence"] = [{"reference": r} for r in references]
    kept = found.left(state)
    assert kept is not None
    return [e["reference"] for e in kept.resource.get("evidence", ())]


def test_references_lead_to_what_is_left_only() -> None:
    by_code = withheld(SECRET, coded("c1", "secret"), coded("c2", "open"))
    assert left_of(by_code, "Condition/c1", "Condition/c2", "Condition/c1") == ["Condition/c2"]
    # What is not there may have that code; a doctor is no patient's.
    assert left_of(by_code, "Practitioner/d", "Observation/away") == ["Practitioner/d"]


def test_of_what_is_not_in_the_chart_its_type_says_whether_it_is_withheld() -> None:
    results = withheld(deny(types="Observation"), coded("o1", "x", "Observation"))
    asked = ("Observation/o1", "Observation/away", "Condition/away", "away", "Location/bed")
    assert left_of(results, *asked) == ["Condition/away", "away", "Location/bed"]
    known = withheld(deny(types="Observation"), coded("c2", "open"))
    assert left_of(known, "Observation/c2") == ["Observation/c2"], "what it is, is known"


def test_nobodys_doctors_are_not_withheld_with_a_chart() -> None:
    """What has no date may be of any: a doctor is of no patient."""
    late = withheld({"type": "deny", "dataPeriod": {"start": "2020-01-01"}})
    state = coded("c0", "open")
    state.resource["onsetDateTime"] = "2010-01-01"
    away = ("Practitioner/d", "Observation/away", "Location/bed")
    state.resource["evidence"] = [{"reference": r} for r in away]
    kept = late.left(state)
    assert kept is not None
    assert [e["reference"] for e in kept.resource["evidence"]] == ["Practitioner/d", "Location/bed"]


def test_a_message_tells_of_it_in_what_it_says_of_the_patient() -> None:
    found = withheld(SECRET, coded("c1", "secret"))

    def body(*states: ResourceState) -> Any:
        contributions = [SimpleNamespace(id=s.id, resource=s.resource, labels=0) for s in states]
        return SimpleNamespace(contributions=contributions)

    assert found.tells("p", body(coded("c2", "open"), coded("c3", "secret")))
    assert found.tells("p", body(coded("c1", "open")))
    assert not found.tells("p", body(coded("c2", "open")))
    assert not found.tells("another", body(coded("c1", "secret")))


def test_views_are_of_whom_they_are_asked_for() -> None:
    found = withheld(SECRET, coded("c2", "open"), coded("c8", "open", patient="another"))
    assert {v.key.source_patient for v in found.sections(["p"])} == {"p"}
    assert {v.key.source_patient for v in found.sections(["p", "another"])} == {"p", "another"}


class Messages:
    """What the store says of some messages: those nobody could judge, and what is said in others.

    Stands for the connection and for what opens bundles.
    """

    def __init__(self, unjudged: list[int], spoken: dict[int, str]) -> None:
        self._answers = {
            _UNJUDGED: [(n,) for n in unjudged],
            _SPOKEN: [(n, 0, "p", code, 0) for n, code in spoken.items()],
        }
        self.opened: list[int] = []

    def execute(self, query: str, asked: Any, *, binary: bool) -> Any:
        return SimpleNamespace(fetchall=lambda: self._answers[query])

    def open_bundle(self, grant: Any, position: int, *row: Any) -> Any:
        self.opened.append(position)
        state = coded("c5", row[2])
        contribution = SimpleNamespace(id=state.id, resource=state.resource, labels=0)
        return SimpleNamespace(contributions=[contribution])


def test_messages_that_speak_of_it_are_gone_and_only_those(monkeypatch: pytest.MonkeyPatch) -> None:
    found = withheld(SECRET, coded("c1", "secret"))
    store: Any = Messages([1, 4], {1: "open", 2: "secret", 3: "open"})
    monkeypatch.setattr(module, "forbidden", lambda grant: 0)
    found._conn = found._bodies = store
    assert found.messages([1, 2, 3, 4]) == {1, 2, 4}
    assert store.opened == [2, 3], "of which nobody can tell what they hold is not opened"
