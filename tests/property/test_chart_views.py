"""Views do not depend on the order, the batching or the repetition of messages."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.memory_lanes import MemoryLanes

from chartloom.chart import BOUNDS, place, rebuild_part, summary
from chartloom.chart.fold import Bound
from chartloom.chart.place import section_part
from chartloom.domain.chart import PlacedState, Section, ViewKey
from chartloom.domain.codec import decode, encode, encode_sorted
from chartloom.domain.feed import Feed
from chartloom.domain.grant import EVERYONE, Grant, Purpose
from chartloom.domain.ids import EXAMPLE_NAMESPACE
from chartloom.domain.labels import BIT, PERSON_MASK, Label, labels_of, visible
from chartloom.domain.message import Format, Message
from chartloom.domain.resource import Contribution, Derived
from chartloom.hot import Worker
from chartloom.normalize.sensitivity import with_labels

FEED = Feed("adt", "it", "it", "mllp", Format.HL7V2)
GRANT = Grant("test", Purpose.OPERATIONS, EVERYONE, ("*",), 2**62, "g")
TINY = dict.fromkeys(Section, Bound(entries=2, series=2, points=2))


class Spoken:
    """A mapping whose messages are lists of contributions in JSON: derive without HL7."""

    name = "spoken"
    fingerprint = "spoken-1"
    files: dict[str, bytes] = {}  # noqa: RUF012

    def derive(self, message: Message, feed: Feed, namespace: Any) -> Derived:
        event_us, said = decode(message.body)
        if said == "fault":
            raise KeyError("a value that must not be shown")
        contributions = tuple(Contribution(**c) for c in said)
        return Derived(
            message.position, message.feed, "", "", event_us, message.source_patient, contributions
        )


class StandingClock:
    def now_us(self) -> int:
        return 0


def worker(store: MemoryLanes, batch_max: int) -> Worker:
    mappings: Any = {"adt": (FEED, Spoken())}
    return Worker(
        store, mappings, EXAMPLE_NAMESPACE, StandingClock(), lambda: GRANT, "w", 4, batch_max
    )


def play(messages: Sequence[Message], batch_max: int) -> MemoryLanes:
    """Lets a worker consume the log until nothing is pending."""
    store = MemoryLanes()
    store.log = list(messages)
    at_work = worker(store, batch_max)
    while at_work.run_once():
        pass
    return store


def _code(text: str) -> dict[str, Any]:
    return {"coding": [{"system": "http://loinc.org", "code": text}], "text": f"Test {text}"}


def _neighbours(count: int) -> list[str]:
    """Codes whose results share a view row and whose doses share one too."""
    result = {"resourceType": "Observation"}
    dose = {"resourceType": "MedicationRequest"}
    found: dict[Any, list[str]] = {}
    for number in range(1000):
        code = _code(str(number))
        parts = (
            section_part({**result, "code": code}),
            section_part({**dose, "medicationCodeableConcept": code}),
        )
        mates = found.setdefault(parts, [])
        mates.append(str(number))
        if len(mates) == count:
            return mates
    raise AssertionError("no such codes")


CODES = _neighbours(4)
DAYS = st.integers(1, 9).map(lambda d: f"2024-01-0{d}")

RESULT = st.fixed_dictionaries(
    {
        "resourceType": st.just("Observation"),
        "id": st.sampled_from([f"o{i}" for i in range(8)]),
        "status": st.sampled_from(["final", "final", "corrected", "cancelled", "entered-in-error"]),
        "code": st.sampled_from(CODES).map(_code),
        "effectiveDateTime": DAYS,
        "valueQuantity": st.tuples(
            st.sampled_from(["1.0", "1.00", "2"]), st.sampled_from(["g", "mg"])
        ).map(lambda v: {"value": Decimal(v[0]), "unit": v[1]}),
    }
)
STAY = st.fixed_dictionaries(
    {
        "resourceType": st.just("Encounter"),
        "id": st.sampled_from([f"e{i}" for i in range(5)]),
        "status": st.sampled_from(["in-progress", "finished", "cancelled"]),
        "period": DAYS.map(lambda d: {"start": d}),
    },
    optional={
        "location": st.sampled_from("ab").map(
            lambda x: [{"location": {"reference": f"Location/{x}", "display": x}}]
        )
    },
)
ORDER = st.fixed_dictionaries(
    {
        "resourceType": st.sampled_from(["MedicationRequest"]),
        "id": st.sampled_from([f"m{i}" for i in range(4)]),
        "status": st.sampled_from(["active", "stopped", "entered-in-error"]),
        "medicationCodeableConcept": st.sampled_from(CODES[:2]).map(_code),
        "authoredOn": DAYS,
    }
)
DOSE = st.fixed_dictionaries(
    {
        "resourceType": st.just("MedicationAdministration"),
        "id": st.sampled_from([f"d{i}" for i in range(6)]),
        "status": st.sampled_from(["completed", "entered-in-error"]),
        "medicationCodeableConcept": st.sampled_from(CODES[:3]).map(_code),
        "effectiveDateTime": DAYS,
    }
)
PERSON = st.fixed_dictionaries(
    {
        "resourceType": st.sampled_from(["Patient", "RelatedPerson"]),
        "id": st.sampled_from(["p0", "p1", "p2"]),
    },
    optional={"name": st.sampled_from("xy").map(lambda f: [{"family": f}])},
).map(lambda r: {**r, "id": r["resourceType"][0] + r["id"]})

EVERYTHING = st.one_of(RESULT, STAY, ORDER, DOSE, PERSON)


LABELS = st.sampled_from([0, 0, 0, *(BIT[x] for x in (Label.HIV, Label.PSY, Label.VIP)), 3, 5])


def labelled(resource: dict[str, Any], labels: int) -> dict[str, Any]:
    """What normalisation makes of a resource that rules label: ``resource`` and ``labels``."""
    return {"resource": with_labels(resource, labels_of(labels)), "labels": labels}


@st.composite
def logs(draw: st.DrawFn) -> list[Message]:
    """A log over two patients; positions 1..n, events in any order, ids often met again."""
    log = []
    kinds = draw(st.sampled_from([RESULT, st.one_of(ORDER, DOSE), STAY, EVERYTHING]))
    for position in range(1, draw(st.integers(3, 12)) + 1):
        patient = draw(st.sampled_from("AAAB"))
        said = draw(st.lists(kinds, min_size=1, max_size=4))
        contributions = [
            {**labelled(r | {"id": patient + r["id"]}, draw(LABELS)), "source_patient": patient}
            for r in said
        ]
        event_us = draw(st.integers(1, 6))
        log.append(message_of(position, patient, [event_us, contributions]))
    return log


def message_of(position: int, patient: str, content: Any) -> Message:
    return Message(
        position, "adt", encode(content), 0, b"", lane=ord(patient[0]) % 4, source_patient=patient
    )


@pytest.fixture(autouse=True, scope="module")
def _tiny_bounds() -> Any:
    with patch.dict(BOUNDS, TINY):
        yield


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_order_batching_and_duplicates_change_nothing(data: st.DataObject) -> None:
    log = data.draw(logs())
    in_order = play(log, 100)
    # Positions are part of the stamps: the same messages, heard in another order, one log each.
    heard = data.draw(st.permutations(log))
    store = MemoryLanes()
    at_work = worker(store, 100)
    size = data.draw(st.integers(1, 4))
    for start in range(0, len(heard), size):
        group = sorted(heard[start : start + size], key=lambda m: m.position)
        at_work.apply("spoken-1", group, [at_work.derive(m) for m in group])
    assert store.digest() == in_order.digest()
    assert play(log, size).digest() == in_order.digest()
    again = data.draw(st.lists(st.sampled_from(log), max_size=3, unique_by=lambda m: m.position))
    store.retries = [m.position for m in again]
    if again:
        store.log = log
        while store.retries:
            at_work.run_once()
        assert store.digest() == in_order.digest()


@settings(max_examples=200, deadline=None)
@given(logs(), st.integers(1, 3))
def test_a_rebuild_gives_the_same_views(log: list[Message], size: int) -> None:
    store = play(log, size)
    placed = [place(store.state(i)) for i in store.states]
    keys = {ViewKey(p.state.source_patient, p.section, p.part, p.labels) for p in placed}
    assert {k for k in store.views if store.view(k).total} <= keys
    for key in keys:
        rebuilt = rebuild_part(key, placed)
        held = store.view(key) if key in store.views else rebuild_part(key, ())
        assert encode_sorted(held) == encode_sorted(rebuilt)
        assert len(held.entries) <= 4


@settings(max_examples=150, deadline=None)
@given(logs(), st.integers(0, 255))
def test_what_is_labelled_shows_only_to_those_who_may_see_it(log: list[Message], mask: int) -> None:
    """The chart from the compartments that a grant opens is the chart of what it may see."""
    store = play(log, 2)
    states = [store.state(i) for i in store.states]
    said: dict[str, int] = {}
    for message in log:
        for contribution in Spoken().derive(message, FEED, None).contributions:
            before = said.get(contribution.id, 0)
            said[contribution.id] = before | contribution.labels & ~PERSON_MASK
    assert {s.id: s.labels for s in states} == said
    for state in states:
        codes = {c["code"] for c in state.resource["meta"].get("security", ())}
        assert {label.value for label in labels_of(state.labels)} <= codes
    for patient in "AB":
        chart = summary(
            [
                store.view(k)
                for k in store.views
                if k.source_patient == patient and visible(k.labels, mask)
            ],
            0,
        )
        seen = [
            p
            for p in map(place, states)
            if p.state.source_patient == patient and not p.hidden and visible(p.labels, mask)
        ]
        for section in chart.sections.values():
            mine = [p for p in seen if p.section is section.section]
            assert section.total == len(mine)
            shown = {e["id"] for e in section.entries}
            assert shown <= {p.state.id for p in mine}
            series = [e for e in section.entries if "series" in e]
            for entry in series:
                points = sorted((p for p in mine if p.series == entry["series"]), key=_newest)
                newest = [p.state.id for p in points[: len(entry["points"])]]
                assert [x["id"] for x in entry["points"]] == newest


def _newest(placed: PlacedState) -> Any:
    said_us = max(s.event_us for s in placed.state.stamps.values())
    return -placed.sort_us, -said_us, placed.state.id
