"""For how long a relation counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chartloom.chart.relations import Relation, RelationKind
from chartloom.guard.policy import Windows, counts, relations_now

DAY = 86_400_000_000
NOW = 20_000 * DAY
W = Windows()


def relation(kind: str, start: float, end: float | None, who: str = "me") -> Relation:
    """Start and end in days from now; ``None`` is open."""
    end_us = 0 if end is None else NOW + int(end * DAY)
    return Relation("pat", who, RelationKind(kind), NOW + int(start * DAY), end_us)


@pytest.mark.parametrize(
    ("kind", "start", "end", "expected"),
    [
        ("attending", -10, -7, True),
        ("attending", -10, -7.01, False),
        ("attending", -10, None, True),
        ("attending", 29, None, True),
        ("attending", 31, None, False),
        ("attending", -181, None, False),
        ("encounter", -50, -30, True),
        ("encounter", -50, -30.01, False),
        ("department", -40, -29, True),
        ("department", 30, 31, True),
        ("department", 30.01, 31, False),
        ("appointment", 30, 30, True),
        ("appointment", -30, -30, True),
        ("appointment", -31, -31, False),
        ("ordering", -30, -30, True),
        ("ordering", -31, -31, False),
        ("ordering", 2, 2, False),
        ("care_team", -3000, None, True),
        ("care_team", 1, None, False),
        ("care_team", -100, -31, False),
        ("primary_care", -3000, None, True),
    ],
)
def test_defaults(kind: str, start: float, end: float | None, expected: bool) -> None:
    assert counts(relation(kind, start, end), NOW, W) is expected


def test_a_relation_without_any_time_does_not_count() -> None:
    assert not counts(Relation("p", "me", RelationKind.ATTENDING, 0, 0), NOW, W)


def test_site_windows() -> None:
    late = relation("attending", -20, -10)
    assert counts(late, NOW, Windows(attending_days=10))
    assert not counts(late, NOW, W)


def test_only_ones_own_record_gives_near_relations() -> None:
    found = [relation("appointment", 0, 0, "clinic"), relation("care_team", -1, None, "unit")]
    departments = frozenset({"clinic", "unit"})
    assert relations_now(found, frozenset(), departments, NOW, W) == {"department"}
    mine = [*found, relation("attending", -1, None)]
    both = relations_now(mine, frozenset({"me"}), departments, NOW, W)
    assert both == {"department", "attending"}
    assert relations_now(mine, frozenset({"you"}), frozenset(), NOW, W) == frozenset()


@given(
    st.sampled_from(list(RelationKind)),
    st.integers(-400, 400),
    st.none() | st.integers(0, 100),
    st.integers(0, 400),
)
def test_wider_windows_never_take_away(
    kind: RelationKind, start: int, length: int | None, more: int
) -> None:
    r = relation(kind, start, None if length is None else start + length)
    wider = Windows(7 + more, 30 + more, 30 + more, 30 + more, 30 + more, 30 + more, 180 + more)
    assert counts(r, NOW, wider) or not counts(r, NOW, W)
