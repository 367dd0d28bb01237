"""Comparing two records is the same both ways; only days that follow each other do."""

from __future__ import annotations

import pytest

from chartloom.registry.persons import MatchRecord, compare, default_parameters


def test_a_part_close_to_the_whole_of_a_name_counts_both_ways() -> None:
    a = MatchRecord(families=("gomezsantalla",), parts=("gomez", "santalla"), givens=("ana",))
    b = MatchRecord(families=("dasantalka",), parts=("desantalka",), givens=("ana",))
    whole = MatchRecord(families=("santalka",), parts=("xx",), givens=("ana",))
    for one, other in ((a, b), (a, whole)):
        both = [compare(*p, default_parameters()) for p in ((one, other), (other, one))]
        assert both[0] == both[1]
    assert compare(a, whole, default_parameters()).family == "close"


@pytest.mark.parametrize(
    ("one", "other", "level"),
    [
        ("19800131", "19800201", "digit"),
        ("19800229", "19800301", "digit"),
        ("19800430", "19800501", "digit"),
        ("19791231", "19800101", "digit"),
        ("19800228", "19800301", "year"),
        ("19800130", "19800201", "year"),
        ("19791230", "19800101", "different"),
    ],
)
def test_the_last_day_of_a_month_and_the_first_of_the_next(
    one: str, other: str, level: str
) -> None:
    a, b = (MatchRecord(families=("lee",), givens=("ann",), birth=x) for x in (one, other))
    assert compare(a, b, default_parameters()).birth == level
    assert compare(b, a, default_parameters()).birth == level
