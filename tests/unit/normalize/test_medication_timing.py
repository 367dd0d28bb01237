"""Repeat patterns and durations of HL7 v2 as FHIR timing: numbers where known, text always."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from chartloom.normalize.functions.medication import duration_of, repeat_of, timing_of


@pytest.mark.parametrize(
    ("pattern", "repeat"),
    [
        ("BID", {"frequency": 2, "period": 1, "periodUnit": "d"}),
        ("b.i.d.", {"frequency": 2, "period": 1, "periodUnit": "d"}),
        ("Q6H", {"frequency": 1, "period": 6, "periodUnit": "h"}),
        ("Q6H PRN", {"frequency": 1, "period": 6, "periodUnit": "h"}),
        ("PRNQ4H", {"frequency": 1, "period": 4, "periodUnit": "h"}),
        ("Q30M", {"frequency": 1, "period": 30, "periodUnit": "min"}),
        ("Q2L", {"frequency": 1, "period": 2, "periodUnit": "mo"}),
        ("5ID", {"frequency": 5, "period": 1, "periodUnit": "d"}),
        (
            "Q1J135",
            {"frequency": 1, "period": 1, "periodUnit": "wk", "dayOfWeek": ["mon", "wed", "fri"]},
        ),
        ("QHS", {"frequency": 1, "period": 1, "periodUnit": "d", "when": ["HS"]}),
        ("ONCE", {"count": 1}),
        ("PRN", None),
        ("Q0H", None),
        ("0ID", None),
        ("TAKE AS DIRECTED", None),
        ("", None),
    ],
)
def test_repeat_patterns(pattern: str, repeat: dict[str, Any] | None) -> None:
    assert repeat_of(pattern) == repeat


def test_the_pattern_is_always_kept_as_it_was_written() -> None:
    assert timing_of("q6h prn")["code"]["text"] == "q6h prn"
    assert timing_of("TID")["code"]["coding"][0]["code"] == "TID"
    assert timing_of("every full moon") == {"code": {"text": "every full moon"}}


def test_patterns_do_not_share_lists() -> None:
    first = repeat_of("QHS")
    assert first is not None
    first["when"].append("AC")
    second = repeat_of("QHS")
    assert second is not None
    assert second["when"] == ["HS"]


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [("D10", 10, "d"), ("W2", 2, "wk"), ("10 days", 10, "d"), ("3HR", 3, "h"), ("L1", 1, "mo")],
)
def test_durations(text: str, value: int, unit: str) -> None:
    found = duration_of(text)
    assert found is not None
    assert (found["value"], found["code"]) == (Decimal(value), unit)


def test_what_is_no_duration_is_none() -> None:
    assert duration_of("until better") is None
    assert duration_of("10 fortnights") is None
