"""What the chart pages decide about entries."""

from __future__ import annotations

from chartloom.chart import ChartSection
from chartloom.domain.chart import Section
from chartloom.serve.chart_words import dosage_words, doses_alone, shown_total


def test_a_dosage_says_everything_once() -> None:
    parts = {"dose": "500 mg", "route": "Oral", "timing": "TID"}
    assert dosage_words({**parts, "text": "500 mg TID"}) == "500 mg, Oral, TID"
    assert dosage_words({**parts, "text": "with food"}) == "500 mg, Oral, TID, with food"
    assert dosage_words({"dose": "1 g", "as_needed": True}) == "1 g, as needed"
    assert dosage_words({"as_needed": "pain"}) == "as needed: pain"
    assert dosage_words({}) == ""


def test_doses_that_an_order_speaks_of_are_not_listed_twice() -> None:
    order = {"id": "o", "code": "rx|1", "text": "Aspirin"}
    same = {"id": "a", "series": "s1", "code": "rx|1", "text": "Aspirin 100"}
    other = {"id": "b", "series": "s2", "text": "Heparin"}
    nameless = {"id": "c", "series": "s3"}
    assert doses_alone([order, same, other, nameless]) == [order, other, nameless]


def test_copies_count_once_and_series_count_their_points() -> None:
    entries = ({"id": "1"}, {"id": "2"})
    assert shown_total(ChartSection(Section.PROBLEMS, 3, False, entries, {})) == 2
    assert shown_total(ChartSection(Section.PROBLEMS, 3, True, entries, {})) == 3
    series = ({"id": "1", "series": "x"},)
    assert shown_total(ChartSection(Section.RESULTS, 12, False, series, {})) == 12
