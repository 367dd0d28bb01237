"""Reading charts: what the grant covers, newest first, nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest
from tests.support.batches import apply, arrival, batch_of, derived, everyone, patient
from tests.support.postgres import StoreFactory

from chartloom.domain.chart import PlacedState, Section, SectionView, ViewKey
from chartloom.domain.errors import GrantRefused, NotFound
from chartloom.domain.grant import Grant, Purpose
from chartloom.domain.resource import Contribution, ResourceState, Stamp
from chartloom.engines.postgres import PostgresStore


def observation(id: str, owner: str) -> Contribution:
    value = {"value": Decimal("1.50"), "unit": "mmol/L"}
    resource = {"resourceType": "Observation", "id": id, "valueQuantity": value}
    return Contribution(resource, owner)


@pytest.fixture(scope="module")
def filled(
    postgres_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresStore]:
    """For tests that only read."""
    factory = StoreFactory(postgres_server, tmp_path_factory.mktemp("charts"))
    yield fill(factory())
    factory.close()


def fill(store: PostgresStore) -> PostgresStore:
    """Ten observations for each of two patients, and one practitioner."""
    store.land([arrival(i, "p1" if i % 2 else "p2") for i in range(20)])
    messages = store.pending(everyone(store), store.claim("w", 64), 100)
    outcomes, states = [], []
    for i, m in enumerate(messages):
        c = observation(f"o{i}", m.source_patient)
        outcomes.append(derived(m, c, patient(m.source_patient)))
        stamp = Stamp(1, i, m.position)
        section = Section.RESULTS if i < 16 else Section.IMMUNISATIONS
        state = ResourceState(c.resource, m.source_patient, dict.fromkeys(c.resource, stamp))
        states.append(
            PlacedState(state, section, i % 3, 1000 + i, "718-7" if i < 8 else "", i == 14)
        )
    views = [
        SectionView(ViewKey(p, Section.RESULTS, part), 9, ({"id": "o1", "v": Decimal("1.50")},))
        for p in ("p1", "p2")
        for part in (0, 1)
    ]
    who = Contribution({"resourceType": "Practitioner", "id": "dr"}, "", directory=True)
    batch = msgspec.structs.replace(
        batch_of(messages, outcomes),
        states=tuple(states),
        views=tuple(views),
        directory=((who, (1, 1, messages[0].position)),),
    )
    apply(store, batch)
    return store


def narrow(store: PostgresStore) -> Grant:
    return store.guard.mint("t", Purpose.TREATMENT, ["p1"])


def ids(placed: list[PlacedState]) -> list[str]:
    return [p.state.id for p in placed]


def test_sections(filled: PostgresStore) -> None:
    views = filled.sections(everyone(filled), ["p1", "p2", "p1", "nobody"])
    assert [v.key for v in views] == [
        ViewKey(p, Section.RESULTS, part) for p in ("p1", "p2") for part in (0, 1)
    ]
    assert views[0].total == 9
    assert str(views[0].entries[0]["v"]) == "1.50"
    mine = filled.sections(narrow(filled), ["p1", "p2"])
    assert {v.key.source_patient for v in mine} == {"p1"}
    assert filled.sections(narrow(filled), ["p2"]) == []


def test_who_spoke_last(filled: PostgresStore) -> None:
    said = filled.speakers(everyone(filled), ["p1", "p2"], [Section.RESULTS])
    assert set(said) == {f"o{i}" for i in range(16) if i != 14}  # the hidden one is not there
    feed = filled.history(everyone(filled), "o1")[0].feed
    assert set(said.values()) == {feed}
    mine = filled.speakers(narrow(filled), ["p1", "p2"], [Section.RESULTS])
    assert set(mine) == {f"o{i}" for i in range(1, 16, 2)}
    assert filled.speakers(narrow(filled), ["p2"], [Section.RESULTS]) == {}
    some = filled.speakers(narrow(filled), ["p1", "p2"], (), ["o1", "o2", "nothing"])
    assert set(some) == {"o1"}


def test_states(filled: PostgresStore) -> None:
    state = filled.state(everyone(filled), "o1")
    assert state.source_patient == "p1"
    assert str(state.resource["valueQuantity"]["value"]) == "1.50"
    assert state.stamps["valueQuantity"] == Stamp(1, 1, 2)
    found = filled.states(narrow(filled), ["o0", "o1", "dr", "nothing"])
    assert set(found) == {"o1", "dr"}
    assert found["dr"].directory
    assert filled.states(everyone(filled), []) == {}
    for hidden in ("o0", "nothing"):
        with pytest.raises(NotFound) as caught:
            filled.state(narrow(filled), hidden)
        assert str(caught.value) == "there is no such resource."


def test_timeline(filled: PostgresStore) -> None:
    grant = everyone(filled)
    both = ["p1", "p2"]
    newest_first = [f"o{i}" for i in range(19, -1, -1) if i != 14]
    assert ids(filled.timeline(grant, both)) == newest_first
    assert ids(filled.timeline(grant, both, limit=5)) == newest_first[:5]
    assert ids(filled.timeline(grant, both, before_us=1015)) == newest_first[5:]
    assert ids(filled.timeline(grant, both, [Section.IMMUNISATIONS])) == newest_first[:4]
    assert ids(filled.timeline(grant, both, series="718-7")) == newest_first[-8:]
    assert ids(filled.timeline(grant, ["p1"], series="718-7", limit=2)) == ["o7", "o5"]
    assert ids(filled.timeline(grant, both, [Section.PROBLEMS], series="718-7")) == []
    assert ids(filled.timeline(narrow(filled), both, limit=3)) == ["o19", "o17", "o15"]
    first = filled.timeline(grant, both, limit=1)[0]
    assert (first.section, first.part, first.sort_us) == (Section.IMMUNISATIONS, 1, 1019)


def test_refill_is_newest_and_visible(filled: PostgresStore) -> None:
    found = filled.refill(everyone(filled), "p2", Section.RESULTS, 2, 2)
    assert [s.id for s in found] == ["o8", "o2"]  # o14 is hidden


def test_history(filled: PostgresStore) -> None:
    grant = everyone(filled)
    assert [r.position for r in filled.history(grant, "o3")] == [4]
    assert [r.position for r in filled.history(grant, "p1")] == []  # it has no state
    assert [r.position for r in filled.history(grant, "dr")] == [1]
    assert filled.history(narrow(filled), "o0") == []
    assert filled.history(grant, "nothing") == []


READS: list[Callable[[PostgresStore, Grant], object]] = [
    lambda s, g: s.find_persons(g, "any", "x"),
    lambda s, g: s.recent_persons(g),
    lambda s, g: s.person(g, "p1"),
    lambda s, g: s.sections(g, ["p1"]),
    lambda s, g: s.speakers(g, ["p1"], [Section.RESULTS]),
    lambda s, g: s.state(g, "o1"),
    lambda s, g: s.states(g, ["o1"]),
    lambda s, g: s.persons_of(g, ["p1"]),
    lambda s, g: s.seek_persons(g, [[("identifier", "x")]]),
    lambda s, g: s.made_anew(g),
    lambda s, g: s.reviews(g),
    lambda s, g: s.review(g, ("p1", "p2")),
    lambda s, g: s.figures(g),
    lambda s, g: s.decision(g, ("p1", "p2")),
    lambda s, g: s.decisions_of(g, ["p1"]),
    lambda s, g: s.words_of(g, ["p1"]),
    lambda s, g: s.memberships(g, ["p1"]),
    lambda s, g: s.match(g, {"resourceType": "Patient"}),
    lambda s, g: s.timeline(g, ["p1"]),
    lambda s, g: s.history(g, "o1"),
]


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("wrong", ["none", "forged", "expired"])
def test_no_read_without_a_grant(
    filled: PostgresStore, read: Callable[[PostgresStore, Grant], object], wrong: str
) -> None:
    grants = {
        "none": None,
        "forged": msgspec.structs.replace(narrow(filled), persons=("*",)),
        "expired": filled.guard.mint("t", Purpose.TREATMENT, ttl_s=-1),
    }
    with pytest.raises(GrantRefused):
        read(filled, grants[wrong])  # type: ignore[arg-type]


def test_a_row_moved_to_another_patient_does_not_open(store: PostgresStore) -> None:
    """Whoever can write the tables still cannot pass one patient's data off as another's."""
    filled = fill(store)
    with psycopg.connect(filled.dsn, autocommit=True) as conn:
        conn.execute("UPDATE resource SET source_patient = 'p1' WHERE id = 'o0'")
    with pytest.raises(Exception, match="does not open"):
        filled.state(narrow(filled), "o0")
