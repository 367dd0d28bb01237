"""Who is one person: the same clusters in whatever order messages come."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient
from tests.support.postgres import StoreFactory

from chartloom.domain.errors import LaneLost, NotFound
from chartloom.domain.grant import Purpose
from chartloom.domain.message import Message
from chartloom.domain.resource import (
    Contribution,
    Derived,
    LinkEvent,
    LinkKind,
    PatientIdentifier,
)
from chartloom.engines.postgres import PostgresStore
from chartloom.registry.persons import default_parameters

CARRIERS_MAX = default_parameters().carriers_max

IDS = ["p0", "p1", "p2", "p3", "p4", "p5"]


def tell(
    store: PostgresStore, what: Sequence[tuple[str, Contribution, list[LinkEvent], int]]
) -> None:
    """Lands and applies one message per entry: (patient, contribution, links, event time)."""
    start = store.waiting(everyone(store)) + sum(
        s.received_count for s in store.feeds(everyone(store))
    )
    store.land([arrival(start + i, p) for i, (p, *_) in enumerate(what)])
    messages = store.pending(everyone(store), store.claim("w", 64), 1000)
    outcomes = [
        derived(m, c, links=links, event_us=event_us)
        for m, (_, c, links, event_us) in zip(messages, what, strict=True)
    ]
    apply(store, batch_of(messages, outcomes))


def clusters(store: PostgresStore) -> set[tuple[str, ...]]:
    """All persons that have more than one member, as sorted members."""
    grant = everyone(store)
    found = set()
    for id in IDS:
        try:
            hit = store.person(grant, id)
        except NotFound:
            continue
        assert hit.person_id == min(hit.source_patients)
        found.add(tuple(sorted(hit.source_patients)))
    return {c for c in found if len(c) > 1}


def link(kind: LinkKind, a: str, b: str) -> LinkEvent:
    return LinkEvent(kind, a, b, "MRG-1")


def test_the_same_record_number_joins(store: PostgresStore) -> None:
    tell(
        store,
        [
            ("p3", patient("p3", "77"), [], 1),
            ("p1", patient("p1", "77"), [], 2),
            ("p2", patient("p2", "77", "urn:other"), [], 3),
            ("p4", patient("p4", "78"), [], 4),
            ("p5", patient("p5"), [], 5),
        ],
    )
    assert clusters(store) == {("p1", "p3")}


def test_other_types_and_missing_authorities_do_not_join(store: PostgresStore) -> None:
    def with_identifier(id: str, identifier: dict[str, object]) -> Contribution:
        return Contribution({"resourceType": "Patient", "id": id, "identifier": [identifier]}, id)

    ssn = {"type": {"coding": [{"code": "SS"}]}, "system": "urn:ssa", "value": "A41"}
    bare = {"type": {"coding": [{"code": "MR"}]}, "value": "A41"}
    assigned = {
        "type": {"coding": [{"code": "PI"}]},
        "assigner": {"display": "HOSP"},
        "value": "A41",
    }
    tell(store, [(f"p{i}", with_identifier(f"p{i}", ssn), [], i) for i in (0, 1)])
    tell(store, [(f"p{i}", with_identifier(f"p{i}", bare), [], i) for i in (2, 3)])
    assert clusters(store) == set()
    tell(store, [(f"p{i}", with_identifier(f"p{i}", assigned), [], i) for i in (4, 5)])
    assert clusters(store) == {("p4", "p5")}


@pytest.mark.parametrize("order", [1, -1])
def test_a_number_that_too_many_carry_identifies_nobody(store: PostgresStore, order: int) -> None:
    """A filler that nobody knows as one must not make one person of all who were given it."""
    many = [f"p{i:02}" for i in range(CARRIERS_MAX + 1)][::order]
    tell(store, [(p, patient(p, "5501"), [], i) for i, p in enumerate(many[:-1])])
    assert len(store.person(everyone(store), many[0]).source_patients) == CARRIERS_MAX
    tell(store, [(many[-1], patient(many[-1], "5501"), [], 99)])
    for p in many:
        assert store.person(everyone(store), p).source_patients == (p,)


def test_merge_chain_and_unlink(store: PostgresStore) -> None:
    tell(store, [(p, patient(p), [], 1) for p in IDS])
    tell(store, [("p2", patient("p2"), [link(LinkKind.MERGE, "p2", "p3")], 10)])
    tell(store, [("p1", patient("p1"), [link(LinkKind.LINK, "p1", "p2")], 20)])
    assert clusters(store) == {("p1", "p2", "p3")}
    tell(store, [("p1", patient("p1"), [link(LinkKind.UNLINK, "p2", "p1")], 30)])
    assert clusters(store) == {("p2", "p3")}
    # A late message about an earlier event does not undo a later one.
    tell(store, [("p1", patient("p1"), [link(LinkKind.LINK, "p1", "p2")], 25)])
    assert clusters(store) == {("p2", "p3")}


def test_an_unlink_wins_over_a_common_record_number(store: PostgresStore) -> None:
    tell(store, [("p0", patient("p0", "41"), [], 1), ("p1", patient("p1", "41"), [], 1)])
    assert clusters(store) == {("p0", "p1")}
    tell(store, [("p0", patient("p0"), [link(LinkKind.UNLINK, "p0", "p1")], 5)])
    assert clusters(store) == set()


def test_a_merge_before_either_patient_was_seen(store: PostgresStore) -> None:
    tell(store, [("p4", patient("p4"), [link(LinkKind.MERGE, "p4", "p1")], 1)])
    assert clusters(store) == {("p1", "p4")}
    tell(store, [("p1", patient("p1"), [], 2)])
    assert store.person(everyone(store), "p4").person_id == "p1"


def test_two_workers_join_one_person_at_the_same_time(store_factory: StoreFactory) -> None:
    """Both see a new record of the same number at once; the join must not be lost."""
    one = store_factory()
    two = store_factory.second(one)
    for round_ in range(10):
        a, b = f"a{round_}", f"b{round_}"
        while one.lane_of("lab", a) % 2 == one.lane_of("lab", b) % 2:
            b += "x"
        one.land([arrival(round_ * 2, a), arrival(round_ * 2 + 1, b)])

        def work(store: PostgresStore, parity: int, number: str = f"N{round_}") -> None:
            store.claim(f"w{parity}", 64)
            with store._lane.use() as conn:
                store._give(conn, [lane for lane in store._held if lane % 2 != parity])
            lanes = sorted(store._held)
            messages = store.pending(everyone(store), lanes, 10)
            outcomes = [derived(m, patient(m.source_patient, number)) for m in messages]
            if messages:
                apply(store, batch_of(messages, outcomes))

        parity = one.lane_of("lab", a) % 2
        if round_ == 0:  # take halves of the lanes, one after the other
            work(one, parity)
            work(two, 1 - parity)
        else:
            mine = next(iter(one._held)) % 2
            with ThreadPoolExecutor(2) as threads:
                jobs = [threads.submit(work, one, mine), threads.submit(work, two, 1 - mine)]
                for job in jobs:
                    job.result()
        assert set(one.person(everyone(one), a).source_patients) == {a, b}


def identified(m: Message) -> Derived:
    given_ = {"p1": ("Smith", "1970-01-02", "4711"), "p2": ("SMITH", "1980-03-04", "4712")}
    family, birthdate, number = given_[m.source_patient]
    p = m.source_patient
    return derived(
        m,
        patient(p),
        identifiers=[
            PatientIdentifier(p, "family", "", family),
            PatientIdentifier(p, "birthdate", "", birthdate),
            PatientIdentifier(p, "identifier", "MR|HOSP", number),
        ],
    )


def test_finding_persons(store: PostgresStore) -> None:
    store.land([arrival(1, "p1"), arrival(2, "p2")])
    messages = store.pending(everyone(store), store.claim("w", 64), 10)
    apply(store, batch_of(messages, [identified(m) for m in messages]))
    grant = everyone(store)

    def find(field: str, value: str) -> list[str]:
        return [h.person_id for h in store.find_persons(grant, field, value)]

    assert find("family", "smith") == ["p1", "p2"]
    assert find("family", " Smith ") == ["p1", "p2"]
    assert find("family", "smit") == []
    assert find("birthdate", "1970-01-02") == ["p1"]
    assert find("identifier", "4712") == ["p2"]
    assert find("identifier", "HOSP|4712") == ["p2"]
    assert find("identifier", "OTHER|4712") == []
    assert find("any", "4711") == ["p1"]
    assert find("any", "HOSP|4711") == ["p1"]
    assert find("any", "Smith") == ["p1", "p2"]
    assert find("any", "p2") == ["p2"]
    assert find("any", "  ") == []
    narrow = store.guard.mint("t", Purpose.TREATMENT, ["p2"])
    assert [h.person_id for h in store.find_persons(narrow, "family", "Smith")] == ["p2"]
    assert [h.person_id for h in store.recent_persons(narrow)] == ["p2"]
    assert [h.person_id for h in store.recent_persons(grant)] == ["p2", "p1"]
    with pytest.raises(NotFound):
        store.person(narrow, "p1")
    with pytest.raises(NotFound):
        store.person(grant, "nobody")


def test_a_cluster_shows_only_covered_members(store: PostgresStore) -> None:
    tell(store, [("p2", patient("p2"), [link(LinkKind.MERGE, "p2", "p3")], 10)])
    narrow = store.guard.mint("t", Purpose.TREATMENT, ["p3"])
    assert store.person(narrow, "p2").source_patients == ("p3",)


def test_a_rebuild_finds_the_same_persons(store: PostgresStore) -> None:
    told = [
        ("p3", patient("p3", "77"), [], 1),
        ("p1", patient("p1", "77"), [], 2),
        ("p2", patient("p2"), [link(LinkKind.MERGE, "p2", "p3")], 3),
    ]
    tell(store, told)
    before = store.digest(everyone(store))
    store.rebuild(everyone(store))
    assert clusters(store) == {("p1", "p2", "p3")}, "who was one person stays one meanwhile"
    for attempt in range(2):
        try:
            messages = store.pending(everyone(store), store.claim("w", 64), 1000)
            outcomes = [
                derived(m, c, links=links, event_us=e)
                for m, (_, c, links, e) in zip(messages, told, strict=True)
            ]
            apply(store, batch_of(messages, outcomes))
        except LaneLost:
            assert attempt == 0
    assert clusters(store) == {("p1", "p2", "p3")}
    assert store.digest(everyone(store)) == before
