"""What was said and clusters: people before sources, no look at records, sources reviewed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations

import pytest

from chartloom.registry.persons import (
    MatchRecord,
    cluster,
    decide,
    default_parameters,
    pair_of,
    standardise,
)
from chartloom.registry.persons.cluster import Review

PARAMETERS = default_parameters()


def record(given: str, family: str, birth: str, sex: str) -> MatchRecord:
    name = {"family": family, "given": [given]}
    return standardise({"name": [name], "birthDate": birth, "gender": sex})


ANN = record("Ann", "Archer", "1961-03-04", "female")
BOB = record("Bob", "Binder", "1950-07-08", "male")
GUARDED = decide(ANN, BOB, PARAMETERS)


class Unread(Mapping[str, MatchRecord]):
    """Records that count how often somebody looks at one."""

    def __init__(self, records: Mapping[str, MatchRecord]) -> None:
        self._records, self.looks = records, 0

    def __getitem__(self, key: str) -> MatchRecord:
        self.looks += 1
        return self._records[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def star(size: int) -> tuple[Unread, dict[tuple[str, str], bool]]:
    ids = [f"p{n:03}" for n in range(size)]
    records = Unread(dict.fromkeys(ids, ANN))
    return records, {pair_of(ids[0], other): True for other in ids[1:]}


@pytest.mark.parametrize("size", [20, 80])
def test_what_people_said_is_joined_without_a_look_at_records(size: int) -> None:
    records, said = star(size)
    found = cluster(records, {}, said, PARAMETERS, said.keys())
    assert set(found.person.values()) == {"p000"}
    assert records.looks == 0


def test_what_a_source_said_costs_one_look_a_word() -> None:
    records, said = star(80)
    assert set(cluster(records, {}, said, PARAMETERS).person.values()) == {"p000"}
    assert records.looks <= 6 * len(said)


def test_two_who_were_said_apart_are_not_joined_by_way_of_others() -> None:
    said = {("a", "b"): True, ("c", "d"): True, ("a", "d"): False, ("b", "c"): True}
    found = cluster({}, {}, said, PARAMETERS)
    assert found.person == {"a": "a", "b": "a", "c": "a", "d": "d"}
    assert found.reviews == (Review(("c", "d"), 0.0, "said-apart"),)


def test_what_people_say_comes_before_what_sources_say() -> None:
    said = {("a", "b"): True, ("a", "c"): False, ("b", "c"): True}
    people = {("a", "c"), ("b", "c")}
    for order in permutations(said):
        found = cluster({}, {}, {p: said[p] for p in order}, PARAMETERS, people)
        assert found.person == {"a": "a", "b": "b", "c": "b"}
        assert found.reviews == (Review(("a", "b"), 0.0, "said-apart"),)


def test_a_source_that_joins_two_whom_a_guard_keeps_apart_is_reviewed() -> None:
    pair = ("a", "b")
    records, said = {"a": ANN, "b": BOB, "c": ANN}, {pair: True}
    assert (GUARDED.apart, GUARDED.guard) == (True, "other-person")
    found = cluster(records, {}, said, PARAMETERS)
    assert found.person["b"] == "a"
    wanted = (Review(pair, GUARDED.weight, "other-person"),)
    assert found.reviews == wanted
    assert cluster(records, {pair: GUARDED}, said, PARAMETERS).reviews == wanted
    assert cluster(records, {}, said, PARAMETERS, {pair}).reviews == ()
    assert cluster(records, {}, {("a", "c"): True}, PARAMETERS).reviews == ()
    assert cluster({"a": ANN}, {}, said, PARAMETERS).reviews == ()  # nothing is known of b yet
