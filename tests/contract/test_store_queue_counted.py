"""The figures of the queue are counted as reviews and words are written."""

from __future__ import annotations

import random

import psycopg
from tests.support.batches import everyone
from tests.support.postgres import StoreFactory
from tests.support.told_patients import Told, apply_all, land, person, tell

from chartloom.domain.grant import Purpose
from chartloom.domain.identity import ReviewState
from chartloom.engines.postgres import PostgresStore

NAMES = ["Ann", "Tom", "Eve", "Ivy", "Max", "Kim"]
IDS = [f"p{n}" for n in range(len(NAMES))]
#: Everybody shares a national number, so that everybody is asked about.
SAME = [person(n, "Archer", "1961-03-04", ssn="123-45-6780") for n in NAMES]
WORDS = ["link", "unlink", "withdraw"]


def recounted(store: PostgresStore) -> tuple[object, ...]:
    """The same from the rows themselves: what waits once for two persons."""
    with psycopg.connect(store.dsn) as conn:
        rows = conn.execute("SELECT low, high, state FROM identity_review").fetchall()
        query = "SELECT source_patient, person_id FROM person"
        who: dict[str, str] = dict(conn.execute(query).fetchall())
        oldest = conn.execute(
            "SELECT coalesce(min(since_us), 0) FROM identity_review WHERE state <> 'closed'"
        ).fetchone()
        said = conn.execute(
            "SELECT least(surviving, prior), greatest(surviving, prior), actor, kind FROM link"
            " WHERE actor <> '' ORDER BY event_us, position, ordinal"
        ).fetchall()
    last: dict[tuple[str, str], dict[str, str]] = {}
    for low, high, actor, kind in said:
        last.setdefault((low, high), {})[actor] = kind
    spoken = [{k != "unlink" for k in by.values() if k != "withdraw"} for by in last.values()
              if sum(k != "withdraw" for k in by.values()) > 1]  # fmt: skip
    agreed = sum(len(s) == 1 for s in spoken)
    states: dict[tuple[str, ...], set[str]] = {}
    for low, high, state in rows:
        two = tuple(sorted((who[low], who[high])))
        if state != "closed":
            states.setdefault(two if two[0] != two[1] else (low, high), set()).add(state)
    order = [ReviewState.DISPUTED, ReviewState.HALF, ReviewState.OPEN]
    stands = [next(s for s in order if s in some) for some in states.values()]
    counts = [stands.count(s) for s in ReviewState if s is not ReviewState.CLOSED]
    counts.append(sum(state == "closed" for *_, state in rows))
    return (*counts, oldest[0] if oldest else 0, agreed, len(spoken) - agreed)


def figures(store: PostgresStore) -> tuple[object, ...]:
    """As the store tells them."""
    f = store.figures(everyone(store))
    by_state = {
        ReviewState.OPEN: f.open_count,
        ReviewState.HALF: f.half_count,
        ReviewState.DISPUTED: f.disputed_count,
        ReviewState.CLOSED: f.closed_count,
    }
    return (*(by_state[s] for s in ReviewState), f.oldest_us, f.agreed, f.disagreed)


def test_they_are_what_counting_all_rows_gives_whatever_is_said(
    store_factory: StoreFactory,
) -> None:
    draw = random.Random(7)
    told = [Told(p, SAME[n], n + 1) for n, p in enumerate(IDS)]
    told += [
        Told(
            *(draw.choice(IDS), {}, event_us),
            links=((draw.choice(WORDS), *draw.sample(IDS, 2), draw.choice(["u1", "u2", ""])),),  # type: ignore[arg-type]
        )
        for event_us in range(10, 90)
    ]
    store = store_factory()
    seen = set()
    while told:
        tell(store, *told[:9], batch_max=draw.randint(1, 9))
        told = told[9:]
        assert figures(store) == recounted(store)
        seen.add(figures(store))
    assert len(seen) > 5
    assert all(figures(store)[-2:])  # both: agreed on, and not

    before = figures(store)
    store.rebuild(everyone(store))
    assert store.figures(everyone(store)).open_count == 0
    apply_all(store)
    assert figures(store) == recounted(store)
    assert figures(store)[:3] == before[:3]  # what waits

    broker = store.guard.broker
    assert broker is not None
    broker.shred("p0", "staff-1", "patient-request")
    store.erase(everyone(store), ["p0"])
    assert figures(store) == recounted(store)


def test_whoever_may_see_some_persons_is_told_of_pairs_of_these_only(store: PostgresStore) -> None:
    tell(store, *(Told(p, SAME[n], n + 1) for n, p in enumerate(IDS[:4])))
    everybody = store.figures(everyone(store))
    assert everybody.open_count > 1
    two = store.guard.mint("clinician", Purpose.TREATMENT, ["p0", "p1"])
    assert store.figures(two).open_count == 1
    one = store.guard.mint("clinician", Purpose.TREATMENT, ["p0"])
    assert store.figures(one).open_count == 0


def test_a_page_is_read_in_the_order_of_the_queue(store: PostgresStore) -> None:
    land(store, [Told(p, SAME[n], n + 1) for n, p in enumerate(IDS)])
    apply_all(store)
    grant = everyone(store)
    whole = store.reviews(grant, limit=100)
    assert [(r.two, -r.weight, r.pair) for r in whole] == sorted(
        (r.two, -r.weight, r.pair) for r in whole
    )
    found, after = [], None
    while part := store.reviews(grant, after=after, limit=4):
        found += part
        after = part[-1].pair
    assert found == whole
    reason = whole[0].reason
    some = store.reviews(grant, reason=reason, state=None, limit=100)
    assert some == [r for r in whole if r.reason == reason]
