"""Since when a status holds, whatever was heard in whatever order and however often."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.chart.merge import merge, merge_all
from chartloom.chart.since import note, since_us
from chartloom.domain.resource import Contribution, FhirJson, ResourceState, Stamp

_CODES = ("active", "stopped", "on-hold", "not-in-r4")


@st.composite
def told(draw: st.DrawFn) -> list[tuple[Contribution, Stamp]]:
    said = []
    for position in range(1, draw(st.integers(1, 7)) + 1):
        resource: FhirJson = {"resourceType": "MedicationRequest", "id": "r"}
        if code := draw(st.sampled_from((*_CODES, ""))):
            resource["status"] = code
        if words := draw(st.sampled_from(("5 mg daily", "4 mg daily", ""))):
            resource["dosageInstruction"] = [{"text": words}]
        cleared = tuple(draw(st.sampled_from(((), (), ("*",), ("status",)))))
        weak = ("status",) if code and draw(st.booleans()) else ()
        stamp = Stamp(1, draw(st.integers(1, 9)), position)
        said.append((Contribution(resource, "p", weak=weak, cleared=cleared), stamp))
    return said


def _heard(said: list[tuple[Contribution, Stamp]]) -> ResourceState:
    state = None
    for contribution, stamp in said:
        state = merge(state, contribution, stamp)
    assert state is not None
    return state


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_order_and_repetition_change_nothing(data: st.DataObject) -> None:
    said = data.draw(told())
    again = data.draw(st.lists(st.sampled_from(said), max_size=3))
    shuffled = data.draw(st.permutations(said + again))
    state = _heard(said)
    assert msgspec.json.encode(_heard(shuffled)) == msgspec.json.encode(state)
    assert merge_all(shuffled, {})["r"] == state


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(_CODES[:3]), min_size=1, max_size=8))
def test_it_began_when_the_last_run_of_the_same_word_did(codes: list[str]) -> None:
    said = [
        (Contribution({"resourceType": "MedicationRequest", "id": "r", "status": code}, "p"), n)
        for n, code in enumerate(codes, 1)
    ]
    after_us, by_us = since_us(_heard([(c, Stamp(1, n, n)) for c, n in said]), "status")
    run = next((n for n in range(len(codes), 0, -1) if codes[n - 1] != codes[-1]), 0)
    assert after_us == run
    assert run < by_us <= len(codes)
    if codes[-1] not in codes[:run]:
        assert by_us == run + 1


def test_directions_are_told_apart() -> None:
    """Of sixty doses of one drug hardly two are one; a state that keeps them stays bounded."""
    held: dict[str, tuple[int, int]] = {}
    for dose in range(1, 61):
        order: FhirJson = {"dosageInstruction": [{"text": f"{dose} mg daily"}]}
        note(held, "dosageInstruction", order, dose)
    assert len(held) >= 57
