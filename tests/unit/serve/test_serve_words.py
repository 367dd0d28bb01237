"""Times carry their zone, freshness follows the contract, charts say what they show."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

from chartloom.domain.feed import Feed
from chartloom.domain.message import Format
from chartloom.domain.store import FeedStatus
from chartloom.serve import results, svg, words
from chartloom.serve.freshness import Freshness, judge, worst

BERLIN = ZoneInfo("Europe/Berlin")
NOW = 1_780_000_000_000_000
MINUTE = 60_000_000


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("2026", "2026"),
        ("2026-05", "May 2026"),
        ("2026-05-03", "3 May 2026"),
        ("2026-05-03T14:05:09+02:00", "3 May 2026, 14:05 CEST"),
        ("2026-05-03T14:05:09.123-07:00", "3 May 2026, 14:05 -07:00"),
        ("2026-05-03T12:05:09Z", "3 May 2026, 12:05 UTC"),
        ("2026-05-03T14:05", "3 May 2026, 14:05"),
        ("sometime in May", "sometime in May"),
        ("", ""),
    ],
)
def test_fhir_times_keep_precision_and_zone(value: str, shown: str) -> None:
    assert words.fhir_time(value, BERLIN) == shown


def test_clock_times_name_their_zone() -> None:
    us = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp() * 1_000_000)
    assert "2 Jan 2026, 04:04:05 CET" in words.clock_time(us, BERLIN)
    assert words.clock_time(0, BERLIN) == "—"


@pytest.mark.parametrize(
    ("born", "age"),
    [
        ("2026-05-20", "8 d"),
        ("2025-11-28", "6 mo"),
        ("2024-05-29", "23 mo"),
        ("2024-05-28", "2 y"),
        ("1970-12-24", "55 y"),
        ("1970", ""),
        ("2027-01-01", ""),
        (None, ""),
    ],
)
def test_ages(born: str | None, age: str) -> None:
    now_us = int(datetime(2026, 5, 28, tzinfo=UTC).timestamp() * 1_000_000)
    assert words.age(born, now_us) == age


def test_age_at_death() -> None:
    assert words.age("1940-06-01", NOW, "2020-05-31T10:00:00Z") == "79 y"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3, "3 s"), (180, "3 min"), (7200, "2 h"), (86400 * 2, "2 days"), (86400 * 800, "2 years")],
)
def test_durations(seconds: int, text: str) -> None:
    assert words.duration(seconds * 1_000_000) == text


def feed(max_s: int = 3600) -> Feed:
    return Feed("lab", "Laboratory", "x", "mllp", Format.HL7V2, freshness_max_s=max_s)


def status(last_event_us: int) -> FeedStatus:
    return FeedStatus("lab", 1, 1, 0, 0, 0, 0, NOW, last_event_us, (), 1.0, 2.0)


@pytest.mark.parametrize(
    ("minutes", "state"),
    [(3, "fresh"), (45, "fresh"), (46, "late"), (60, "late"), (61, "stale"), (-5, "unknown")],
)
def test_freshness_follows_the_contract(minutes: int, state: str) -> None:
    label = judge(feed(), status(NOW - minutes * MINUTE), NOW)
    assert label.state.value == state


def test_freshness_says_both_numbers() -> None:
    label = judge(feed(), status(NOW - 3 * MINUTE), NOW)
    assert label.sentence == "Data is 3 min old; the contract allows 60 min."
    assert judge(feed(), None, NOW).state is Freshness.UNKNOWN
    assert judge(feed(), status(0), NOW).sentence.startswith("No data yet")


def test_the_worst_label_stands_for_all() -> None:
    fresh = judge(feed(), status(NOW), NOW)
    stale = judge(feed(1), status(NOW - MINUTE), NOW)
    assert worst([fresh, stale]) is Freshness.STALE
    assert worst([fresh, judge(feed(), None, NOW)]) is Freshness.UNKNOWN
    assert worst([]) is Freshness.UNKNOWN


POINTS = [
    {
        "id": f"o{i}", "sort_us": NOW - i * 86_400_000_000, "kind": "quantity", "value": value,
        "unit": "mmol/L", "flags": flags, "range": {"low": "3.5", "high": "5.1"},
        "corrected": i == 1,
    }
    for i, (value, flags) in enumerate([("5.60", ["H"]), ("4.1", ["N"]), ("2.0", ["LL"])])
]  # fmt: skip


def test_results_keep_the_sources_digits_and_say_flags_in_words() -> None:
    assert results.value_words(POINTS[0]) == "5.60 mmol/L"
    assert [f.words for f in results.flags(POINTS[0])] == ["High"]
    assert results.flags(POINTS[1]) == []
    assert results.flags(POINTS[2])[0].kind == "critical"
    assert results.range_words(POINTS[0]) == "3.5–5.1"
    assert results.range_words({"range": {"high": "5"}}) == "≤ 5"
    assert results.range_words({"range": {"text": "negative"}}) == "negative"


def test_a_chart_marks_by_shape_and_describes_itself() -> None:
    drawn = results.plotted(POINTS, BERLIN)
    assert [p.value for p in drawn] == [2.0, 4.1, 5.6]
    chart = str(svg.series_chart(drawn, svg.Band(3.5, 5.1), "Potassium <K>", "mmol/L"))
    assert chart.count('<circle class="mark"') == 1
    assert "mark-high" in chart
    assert "mark-critical" in chart
    assert "mark-corrected" in chart
    assert "Potassium &lt;K&gt;" in chart
    assert "between 2 and 5.6 mmol/L" in chart
    assert "reference range 3.5 to 5.1" in chart
    assert "style=" not in chart
    assert "<script" not in chart


def test_texts_are_not_drawn_as_numbers() -> None:
    point = {**POINTS[0], "kind": "text", "value": "7"}
    assert results.plotted([point, {**POINTS[0], "value": "1e400"}], BERLIN) == []


def test_a_flat_series_still_has_a_scale() -> None:
    one = results.plotted(POINTS[:1], BERLIN)
    assert "<circle" in str(svg.series_chart(one * 2, None, "x", "")) or "polygon" in str(
        svg.series_chart(one, None, "x", "")
    )


def test_a_sparkline_of_silence_is_flat() -> None:
    drawn = str(svg.sparkline([0] * 60, "nothing"))
    assert 'aria-label="nothing"' in drawn
    assert svg.sparkline([], "x") == ""


def test_no_line_of_parts_begins_with_a_separator() -> None:
    drawn = Markup(' · <a href="/evidence/x">Dr Young</a> · Home')
    assert words.unled(drawn) == Markup('<a href="/evidence/x">Dr Young</a> · Home')
    assert words.unled(Markup("<span>2026</span> · Home")) == Markup("<span>2026</span> · Home")
    assert words.unled(Markup("")) == Markup("")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("{INR}", ""),
        ("{copies}/mL", "copies/mL"),
        ("mL/min/{1.73_m2}", "mL/min/1.73 m2"),
        ("mg/g{creat}", "mg/g creat"),
        ("10*3{cells}/uL", "10*3 cells/uL"),
        ("/100{WBCs}", "/100 WBCs"),
        ("(10*6.{RBC})/L", "(10*6.RBC)/L"),
        ("10*3/uL", "10*3/uL"),
        ("", ""),
    ],
)
def test_what_a_unit_has_in_braces_is_no_unit(sent: str, shown: str) -> None:
    assert words.unit(sent) == shown
    point = {"value": "1.6", "unit": sent}
    assert results.value_words(point) == f"1.6 {shown}".strip()
