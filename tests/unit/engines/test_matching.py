"""Which Patients of a batch have to be matched: those that say something new, and no others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chartloom.chart import place
from chartloom.chart.merge import merge
from chartloom.domain.chart import PlacedState
from chartloom.domain.resource import Contribution, ResourceState, Stamp
from chartloom.engines.postgres.matching import MatchIndex, key_numbers
from chartloom.guard import Guard, SystemClock
from chartloom.registry.persons import keys, standardise

ANN = {
    "name": [{"family": "Archer", "given": ["Ann"]}],
    "birthDate": "1961-03-04",
    "telecom": [{"system": "phone", "value": "217-555-0101"}],
}


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Guard:
    folder: Path = tmp_path_factory.mktemp("keys")
    return Guard.open(folder / "keys", SystemClock())


def state(position: int = 7, id: str = "p", whose: str = "p", **elements: Any) -> ResourceState:
    resource = {"resourceType": "Patient", "id": id, **ANN, **elements}
    return merge(None, Contribution(resource, whose), Stamp(1, 1, position))


def placed(*states: ResourceState) -> list[PlacedState]:
    return [place(s) for s in states]


class Stored:
    """What the store remembers; who was asked about."""

    def __init__(self, known: dict[str, bytes] | None = None) -> None:
        self.known, self.asked = known or {}, list[str]()

    def __call__(self, patients: Sequence[str]) -> dict[str, bytes]:
        self.asked += patients
        return {p: self.known[p] for p in patients if p in self.known}


def test_a_new_patient_is_matched_and_the_store_is_not_asked(guard: Guard) -> None:
    stored = Stored()
    (found,) = MatchIndex(guard).collect(placed(state()), {}, stored)
    assert (found.patient, found.position, found.record) == ("p", 7, standardise({**ANN}))
    assert len(found.keys) == len(keys(found.record)) == len(set(found.keys))
    assert stored.asked == []


def test_what_is_said_again_is_not_matched_again(guard: Guard) -> None:
    index = MatchIndex(guard)
    index.collect(placed(state()), {}, Stored())
    index.committed()
    stored = Stored()
    assert index.collect(placed(state(8, active=True)), {"p": 1}, stored) == []
    index.committed()
    (found,) = index.collect(placed(state(9, birthDate="1961-03-05")), {"p": 2}, stored)
    assert found.record.birth == "19610305"
    assert stored.asked == []


def test_what_was_not_committed_is_matched_again(guard: Guard) -> None:
    index = MatchIndex(guard)
    assert index.collect(placed(state()), {}, Stored())
    assert index.collect(placed(state()), {}, Stored())


def test_who_was_changed_by_another_worker_is_looked_up(guard: Guard) -> None:
    index = MatchIndex(guard)
    index.collect(placed(state()), {}, Stored())
    index.committed()
    same = Stored({"p": index.digest(state().resource)})
    assert index.collect(placed(state(9)), {"p": 5}, same) == []
    assert same.asked == ["p"]
    other = Stored({"p": b"other"})
    assert len(index.collect(placed(state(9)), {"p": 5}, other)) == 1
    index.clear()
    nobody = Stored()
    assert len(index.collect(placed(state(9)), {"p": 1}, nobody)) == 1
    assert nobody.asked == ["p"]


def test_only_the_patients_own_resource_is_matched(guard: Guard) -> None:
    visit = ResourceState({"resourceType": "Encounter", "id": "e"}, "p", {})
    others = state(id="q", whose="p")
    assert MatchIndex(guard).collect(placed(visit, others), {}, Stored()) == []


def test_keys_and_fingerprints_are_those_of_the_site(guard: Guard, tmp_path: Path) -> None:
    other = Guard.open(tmp_path / "keys", SystemClock())
    record = standardise({**ANN})
    assert set(key_numbers(guard, record)).isdisjoint(key_numbers(other, record))
    assert all(-(2**63) <= k < 2**63 for k in key_numbers(guard, record))
    assert MatchIndex(guard).digest(ANN) != MatchIndex(other).digest(ANN)
