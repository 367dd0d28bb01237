"""Merging is commutative, associative and idempotent, whatever is said in whatever order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chartloom.chart import merge
from chartloom.domain.codec import encode, encode_sorted
from chartloom.domain.labels import BIT, Label, labels_of
from chartloom.domain.resource import Contribution, ResourceState, Stamp
from chartloom.normalize.sensitivity import with_labels

PATIENT = "p1"


def _reference(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from("abc").map(lambda x: {"reference": f"{kind}/{x}"})


PERIOD = st.fixed_dictionaries(
    {},
    optional={
        "start": st.sampled_from(["2024-01-01", "2024-01-02"]),
        "end": st.sampled_from(["2024-02-01", "2024-02-02"]),
        "_end": st.just({"extension": [{"url": "u:x", "valueString": "?"}]}),
    },
).filter(bool)


def _some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(items, min_size=1, max_size=3)


ENCOUNTER = st.fixed_dictionaries(
    {"status": st.sampled_from(["planned", "in-progress", "finished"])},
    optional={
        "location": _some(
            st.fixed_dictionaries({"location": _reference("Location")}, optional={"period": PERIOD})
        ),
        "period": PERIOD,
        "participant": _some(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(["ATND", "REFR"]).map(
                        lambda c: [{"coding": [{"code": c}]}]
                    ),
                    "individual": _reference("Practitioner"),
                },
                optional={"period": PERIOD},
            )
        ),
        "extension": _some(
            st.fixed_dictionaries(
                {"url": st.sampled_from(["u:1", "u:2"]), "valueString": st.sampled_from("xy")}
            )
        ),
        "priority": st.sampled_from("xy").map(lambda t: {"text": t}),
        "meta": st.sampled_from(
            [{"tag": [{"code": "t"}]}, {"versionId": "7", "lastUpdated": "2024-01-01T00:00:00Z"}]
        ),
    },
)

OBSERVATION = st.fixed_dictionaries(
    {"status": st.sampled_from(["final", "corrected"])},
    optional={
        "valueQuantity": st.sampled_from(["1.5", "1.50", "2"]).map(
            lambda v: {"value": Decimal(v), "unit": "g"}
        ),
        "valueString": st.sampled_from("xy"),
        "dataAbsentReason": st.just({"text": "no"}),
        "issued": st.sampled_from(["2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]),
        "_issued": st.just({"extension": [{"url": "u:x", "valueString": "?"}]}),
    },
)

CLEARABLE = {
    "Encounter": [
        "*",
        "location",
        "location:Location/a",
        "location:Location/b",
        "location.period.end:Location/a",
        "location.period:Location/b",
        "period",
        "period.end",
        "participant",
        "participant:ATND",
        "participant:ATND|Practitioner/a",
        "priority",
        "extension",
    ],
    "Observation": ["*", "valueQuantity", "valueString", "dataAbsentReason", "issued", "value[x]"],
}


@st.composite
def statements(draw: st.DrawFn) -> list[tuple[Contribution, Stamp]]:
    """Statements about one resource; equal stamps and repeated content on purpose."""
    kind = draw(st.sampled_from(["Encounter", "Observation"]))
    bodies = draw(st.lists(ENCOUNTER if kind == "Encounter" else OBSERVATION, max_size=5))
    said = []
    for body in bodies:
        cleared = draw(st.lists(st.sampled_from(CLEARABLE[kind]), max_size=2, unique=True))
        weak = draw(st.lists(st.sampled_from(sorted(body)), max_size=2, unique=True))
        position = draw(st.integers(1, 4))
        stamp = Stamp(1, draw(st.integers(1, 3)), position)
        labels = draw(st.sampled_from([0, 0, BIT[Label.HIV], BIT[Label.PSY] | BIT[Label.VIP]]))
        resource = with_labels({"resourceType": kind, "id": "r1", **body}, labels_of(labels))
        contribution = Contribution(resource, PATIENT, False, tuple(weak), tuple(cleared), labels)
        said.append((contribution, stamp))
    return said


def _heard(said: list[tuple[Contribution, Stamp]]) -> ResourceState | None:
    state = None
    for contribution, stamp in said:
        state = merge(state, contribution, stamp)
    return state


def test_taking_back_one_place_beside_the_whole_is_the_same_in_either_order() -> None:
    """Both in one message: what the place stated apart ends either way."""
    body = {"resourceType": "Encounter", "id": "r1", "status": "planned"}
    stamp = Stamp(1, 1, 4)
    first = (Contribution(body, PATIENT), Stamp(1, 1, 1))
    place = (Contribution(body, PATIENT, cleared=("location:Location/a",)), stamp)
    whole = (Contribution(body, PATIENT, cleared=("*",)), stamp)
    assert encode_sorted(_heard([first, place, whole])) == encode_sorted(
        _heard([first, whole, place])
    )


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_order_and_any_repetition_gives_the_same_bytes(data: st.DataObject) -> None:
    said = data.draw(statements())
    again = data.draw(st.lists(st.sampled_from(said), max_size=3)) if said else []
    shuffled = data.draw(st.permutations(said + again))
    # Canonical bytes, so that 1.5 is not 1.50; the order inside a value is its source's.
    assert encode_sorted(_heard(said)) == encode_sorted(_heard(shuffled))


@settings(max_examples=100, deadline=None)
@given(statements())
def test_inputs_are_left_alone(said: list[tuple[Contribution, Stamp]]) -> None:
    before = [encode(c) for c, _ in said]
    state = None
    for contribution, stamp in said:
        earlier = encode(state)
        merged = merge(state, contribution, stamp)
        assert encode(state) == earlier
        state = merged
    assert [encode(c) for c, _ in said] == before
