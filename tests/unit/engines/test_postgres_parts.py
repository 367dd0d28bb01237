"""The pure parts of the store: latencies, clusters, record numbers, text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chartloom.domain.resource import Contribution
from chartloom.engines.postgres import queries
from chartloom.engines.postgres.landing import clean
from chartloom.engines.postgres.persons import record_numbers
from chartloom.engines.postgres.settings import (
    SETTINGS,
    configuration,
    memory_bytes,
    quote,
    shared_buffers_mb,
)
from chartloom.engines.postgres.stats import (
    BUCKETS,
    Applied,
    FeedMinutes,
    add_histograms,
    bucket_of,
    percentile_ms,
)
from chartloom.registry.persons.lookup import looked_up

MINUTE_US = 60_000_000


@given(st.lists(st.integers(100, 10**9), min_size=1, max_size=300), st.floats(0.01, 1))
def test_a_percentile_is_never_too_low_and_19_percent_too_high_at_most(
    latencies_us: list[int], share: float
) -> None:
    histogram = [0] * BUCKETS
    for latency in latencies_us:
        histogram[bucket_of(latency)] += 1
    exact = sorted(latencies_us)[max(0, -int(-share * len(latencies_us) // 1) - 1)] / 1000
    told = percentile_ms(histogram, share)
    assert exact * 0.999 <= told <= exact * 1.2


def test_no_latency_is_minus_one() -> None:
    assert percentile_ms([0] * BUCKETS, 0.5) == -1.0
    assert bucket_of(0) == 0
    assert bucket_of(10**15) == BUCKETS - 1


def applied(feed: str = "lab", issues: int = 0, latency_us: int = -1) -> Applied:
    return Applied(feed, issues, quarantined=False, event_us=5, latency_us=latency_us)


def test_minutes_add_up_and_forget_a_failed_batch() -> None:
    minutes = FeedMinutes(7)
    minutes.rows(8, [applied(issues=1, latency_us=1000)])
    minutes.settle()
    minutes.rows(8, [applied(issues=5, latency_us=1000)])
    minutes.undo()
    minutes.undo()
    (row,) = minutes.rows(9, [applied(issues=2, latency_us=1000)])
    assert row[:7] == ("lab", 0, 7, 2, 0, 3, 5)
    assert sum(add_histograms([row[7]])) == 2


def test_a_clock_that_is_set_back_never_restarts_a_minute() -> None:
    minutes = FeedMinutes(7)
    minutes.rows(0, [applied()])
    minutes.settle()
    for minute in (10, 0):
        (row,) = minutes.rows(minute * MINUTE_US, [applied()])
        minutes.settle()
    assert row[1:4] == (10, 7, 2)


def test_record_numbers_need_type_authority_and_value() -> None:
    def numbers(**identifier: object) -> list[str]:
        return list(record_numbers(Contribution({"id": "p", "identifier": [identifier]}, "p")))

    mr = {"coding": [{"code": "MR"}]}
    assert numbers(type=mr, system="urn:a", value="1") == ["urn:a|1"]
    assert numbers(type=mr, assigner={"display": "A"}, value="1") == ["A|1"]
    assert numbers(type=mr, value="1") == []
    assert numbers(type=mr, system="urn:a") == []
    assert numbers(type={"coding": [{"code": "SS"}]}, system="urn:a", value="1") == []
    assert numbers(system="urn:a", value="1") == []
    assert list(record_numbers(Contribution({"id": "p"}, "p"))) == []


@given(st.text())
def test_clean_text_can_be_stored(text: str) -> None:
    cleaned = clean(text)
    assert "\0" not in cleaned
    cleaned.encode()
    if "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text):
        assert cleaned == text


def test_lookup_values_are_compared_without_case_and_spacing() -> None:
    assert looked_up("  De  La\tCRUZ ") == "de la cruz"
    assert looked_up("Straße") == looked_up("STRASSE")


def test_durability_is_not_for_sale() -> None:
    for name in ("fsync", "synchronous_commit", "full_page_writes"):
        assert SETTINGS[name] == "on"
        assert f"{name} = 'on'" in configuration()
    assert quote("it's \\") == "'it''s \\\\'"


@pytest.mark.parametrize(
    ("memory_gb", "buffers_mb"), [(1, 256), (2, 256), (4, 512), (8, 1024), (24, 1024)]
)
def test_a_larger_machine_keeps_more_of_the_store_at_hand(memory_gb: int, buffers_mb: int) -> None:
    assert shared_buffers_mb(memory_gb * 2**30) == buffers_mb
    assert f"shared_buffers = '{shared_buffers_mb(memory_bytes())}MB'" in configuration()


@pytest.mark.parametrize("name", ["log_statement", "log_min_error_statement"])
def test_the_server_logs_no_statement(name: str) -> None:
    assert SETTINGS[name] in ("none", "panic")


def test_only_what_reached_the_chart_and_has_happened_makes_a_feed_fresh() -> None:
    now_us = 100 * MINUTE_US
    minutes = FeedMinutes(0)
    told = [
        Applied("adt", 0, False, now_us - 5 * MINUTE_US, -1),
        Applied("adt", 1, True, now_us, -1),  # held: its time is that of its receipt
    ]
    assert minutes.rows(now_us, told)[0][6] == now_us - 5 * MINUTE_US
    tomorrow = Applied("lab", 0, False, now_us + 10**15, -1)
    assert minutes.rows(now_us, [tomorrow])[0][6] == now_us


def test_no_statement_needs_a_server_newer_than_15() -> None:
    """Numbers in hexadecimal or with underscores are younger, and fail only where they run."""
    folder = Path(queries.__file__).parent
    for file in [*folder.glob("queries*.py"), *folder.glob("sql/*.sql")]:
        for line in file.read_text().splitlines():
            in_sql = file.suffix == ".sql" or "SELECT" in line or "(" in line
            if in_sql and not line.lstrip().startswith(("#", "--")):
                assert not re.search(r"\b0x[0-9A-Fa-f]+|\b\d+_\d+", line.split("#")[0]), line
