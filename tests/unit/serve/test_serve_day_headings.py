"""Under which day an entry stands."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from chartloom.chart.times import to_us
from chartloom.serve.words import day_heading

WEST = ZoneInfo("America/Phoenix")


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("2026-08-24", "24 Aug 2026"),  # the source says a date: no zone makes another of it
        ("2026-08", "Aug 2026"),
        ("2025", "2025"),
        ("2026-08-24T00:00:00Z", "23 Aug 2026"),
        ("2026-08-24T12:00:00-07:00", "24 Aug 2026"),
    ],
)
def test_a_date_stays_the_day_that_it_says(said: str, day: str) -> None:
    assert day_heading({"recorded": said}, to_us(said), WEST) == day


def test_a_date_of_something_else_decides_nothing() -> None:
    assert day_heading({"recorded": "2020"}, to_us("2026-08-24T12:00:00Z"), WEST) == "24 Aug 2026"


def test_what_has_no_time_stands_under_no_date() -> None:
    assert day_heading({}, 0, WEST) == "No date"
